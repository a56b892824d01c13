"""The examples of the client's README and docs, run against the real server: the query API counts what they send."""

import re
import subprocess
import sys
from pathlib import Path

from tests.oracle import count_events
from tests.server_process import Server, clean_environment, wait_until

PACKAGE = Path(__file__).parents[1] / "packages" / "analytics"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SENT = {
    "track": 264,
    "page": 3,
    "consent": 1,
    "screen": 2,
    "identify": 2,
    "group": 1,
    "alias": 1,
    "performance": 4,
    "error": 2,
}


def test_the_examples_of_the_documentation_arrive(server: Server, tmp_path: Path) -> None:
    environment = clean_environment(HOME=str(tmp_path), PYTHONWARNINGS="error")
    address = ["--endpoint", server.url, "--write-key", server.keys.write_key]
    for page in (PACKAGE / "README.md", *sorted((PACKAGE / "docs").glob("*.md"))):
        example = "\n".join(PYTHON.findall(page.read_text("utf-8")))
        program = example.replace("wk_…", server.keys.write_key).replace("https://stats.example.com", server.url)
        subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=True)
    subprocess.run(
        [sys.executable, "-m", "shockmouse_analytics", "queue", "flush", *address],
        env=environment,
        timeout=60,
        check=True,
    )
    wait_until(lambda: count_events(server.data_dir) >= sum(SENT.values()), 20, "all events are stored")
    rows = server.ask("breakdown", dimension="type", metrics="events", limit="1000")["rows"]
    assert {row["value"]: row["events"] for row in rows} == SENT
