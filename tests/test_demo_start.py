"""What the demo says while it starts, and when it cannot."""

import socket
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[1] / "tools" / "demo"


def test_a_taken_port_is_told_with_the_program_that_wanted_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = [sys.executable, str(DEMO), "--port", str(port)]
        done = subprocess.run(demo, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "starting the server\n")
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert done.stderr.splitlines()[-1] == "demo: the server ended with exit code 1"
