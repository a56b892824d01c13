"""Importing and making a client costs little and touches nothing."""

import json
import subprocess
import sys

import pytest
from tests.tries import is_busy, least

HEAVY = ["aiohttp", "asyncio", "backoff", "platformdirs", "sqlite3", "ssl", "concurrent.futures"]


def run(text: str, *flags: str) -> str:
    done = subprocess.run([sys.executable, *flags, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_importing_loads_nothing_heavy():
    loaded = run("import json, sys; import shockmouse_analytics; print(json.dumps(sorted(sys.modules)))")
    assert [name for name in HEAVY if name in json.loads(loaded)] == []


@pytest.mark.alone
def test_importing_is_quick():
    text = "import time; t = time.process_time(); import shockmouse_analytics; print(time.process_time() - t)"
    limit = 0.12  # 60 ms are the target on an idle machine; tests share theirs
    assert least(lambda: float(run(text)), limit) < limit or is_busy()


def test_importing_touches_neither_network_nor_files_nor_logging():
    run(
        """
import sys
touched = []
def look(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.mkdir", "os.putenv")):
        touched.append(event)
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so", ".pyd")):
        touched.append(arguments[0])  # Python's own reading of modules is none of ours
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        touched.append(arguments[0])
sys.addaudithook(look)
import shockmouse_analytics
import logging, threading
assert touched == [], touched
assert (logging.root.handlers, logging.getLogger("shockmouse_analytics").handlers) == ([], [])
assert threading.active_count() == 1
""",
        "-B",
    )


def test_making_a_client_starts_no_thread_and_writes_nothing(tmp_path):
    run(
        f"""
import threading
from shockmouse_analytics import Analytics
Analytics("wk_shop_0123456789", offline_dir={str(tmp_path / "state")!r})
assert threading.active_count() == 1
"""
    )
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_clients_that_track_nothing_cost_no_thread():
    run(
        """
import threading
from shockmouse_analytics import Analytics
clients = [Analytics("wk_shop_0123456789") for _ in range(100)]
for client in clients:
    client.close()
assert threading.active_count() == 1
"""
    )


SWITCHING = """
import os, sys, time
sys.setswitchinterval(0.004)
from shockmouse_analytics import Analytics
analytics = Analytics()
analytics.track("n", {"number": 0})
child = os.fork()
deadline = time.monotonic() + 20
while sys.getswitchinterval() != 0.004:
    assert time.monotonic() < deadline, sys.getswitchinterval()
    time.sleep(0.01)
if child:
    assert os.waitpid(child, 0)[1] == 0
    analytics.close()
    assert sys.getswitchinterval() == 0.004
"""


def test_the_turns_of_threads_are_again_as_the_program_set_them(program):
    ended = program.run(SWITCHING)
    assert ended.code == 0, ended.errors
