"""A table of failures: what becomes of every event, and how long the program takes to end. Real processes and sockets.

sent          tracked by the program; under kill -9 and SIGTERM those older than 250 ms, others lock the store or not
acknowledged  on the server when the program was gone
on disk       waiting for the next run then
lost          on the server neither then nor after the next run
duplicated    stored there more than once
"""

import importlib.util
import itertools
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from queues import locked, queue_file
from tests.tries import is_busy, least

pytestmark = pytest.mark.faults

START = "from shockmouse_analytics import Analytics\nanalytics = Analytics()\n"
TRACK = START + "for number in range(1000):\n    analytics.track('n', {'number': number})\n"
ENDING = "import time; print('ending', time.time(), flush=True)\n"
DELIVER = "from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(40)\n"
MET = TRACK + "analytics.flush(5)\n"  # so that the failure has happened before the program ends
MENDED = TRACK + "assert analytics.flush(40)\n"
FORK = """
import os
for child in range(1, 5):
    if os.fork() == 0:
        for number in range(child * 200, child * 200 + 200):
            analytics.track('n', {'number': number})
        analytics.close()
        os._exit(0)
for child in range(4):
    assert os.wait()[1] == 0
"""
PARENT = "for number in range(200):\n    analytics.track('n', {'number': number})\n"
THREADS = """
import threading
def work(first):
    for number in range(first, first + 125):
        analytics.track('n', {'number': number})
threads = [threading.Thread(target=work, args=(125 * one,)) for one in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
LOOP = """
import asyncio
async def main():
    for number in range(1000):
        analytics.track('n', {'number': number})
asyncio.run(main())
"""
SHUTDOWN = """
import atexit
def late():
    for number in range(1000):
        analytics.track('n', {'number': number})
atexit.register(late)
"""
FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
"""
MULTIPROCESSING = """
import multiprocessing, os, runpy, sys, tempfile
script = os.path.join(tempfile.mkdtemp(), "workers.py")
with open(script, "w") as file:
    file.write('''
import multiprocessing
from shockmouse_analytics import Analytics
analytics = Analytics()
def work(first):
    for number in range(first, first + 200):
        analytics.track("n", {"number": number})
if __name__ == "__main__":
    work(0)
    context = multiprocessing.get_context("METHOD")
    workers = [context.Process(target=work, args=(200 * child,)) for child in range(1, 5)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
''')
runpy.run_path(script, run_name="__main__")
"""
PRELOADED = """
from shockmouse_analytics import Analytics
analytics = Analytics()
for number in range(200):
    analytics.track("n", {"number": number})  # before the fork, as the master
def app(environ, start_response):
    first = int(environ["QUERY_STRING"])
    for number in range(first, first + 4):
        analytics.track("n", {"number": number})
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
"""
GUNICORN = """
import sys
sys.argv = ["gunicorn", "--preload", "--workers", "3", "--bind", "unix:SOCKET", "--chdir", "FOLDER", "preloaded:app"]
from gunicorn.app.wsgiapp import run
run()
"""
CLOSED_HOME = """
import tempfile
tempfile.tempdir = TEMPORARY
"""
SCALE = 10 / 70  # seconds that stand for an hour of an outage
STEADY = """
import time
for number in range(100_000):
    analytics.track('n', {'number': number})
    print(number, time.time(), flush=True)
    time.sleep(0.002)
"""

Reply = Callable[[int, dict[str, Any]], Any]


def always(reply: Any) -> Reply:
    return lambda number, body: reply


def at_first(reply: Any, requests: int = 3) -> Reply:
    return lambda number, body: reply if number <= requests else None


def throttled(value: str) -> Reply:
    return at_first((429, {"Retry-After": value}, {}), 1)


def too_large(number: int, body: dict[str, Any]) -> Any:
    return (413, {}, {}) if len(body["events"]) > 60 else None


def throttled_until(number: int, body: dict[str, Any]) -> Any:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    return throttled(date)(number, body)


CASES: dict[str, tuple[str, Reply | None]] = {
    "the program ends": (TRACK, always(None)),
    "the server hangs": (MET, always("hang")),
    "nobody listens": (MET, None),
    "500": (MET, always((500, {}, {}))),
    "401": (MET, always((401, {}, {}))),
    "stored, then cut off": (MENDED, at_first("store")),
    "413": (MENDED, too_large),
    "429 with seconds": (MENDED, throttled("1")),
    "429 with a date": (MENDED, throttled_until),
    "429 with nonsense": (MENDED, throttled("soon")),
    "it ends before it tried": (TRACK, always("hang")),
    "fork after events": (START + PARENT + FORK, always(None)),
    "fork before events": (START + FORK + PARENT, always(None)),
    "multiprocessing, fork": (MULTIPROCESSING.replace("METHOD", "fork"), always(None)),
    "multiprocessing, spawn": (MULTIPROCESSING.replace("METHOD", "spawn"), always(None)),
    "multiprocessing, server": (MULTIPROCESSING.replace("METHOD", "forkserver"), always(None)),
    "8 threads": (START + THREADS, always(None)),
    "the loop ends first": (START + LOOP, always(None)),
    "the interpreter ends": (START + SHUTDOWN, always(None)),
    "the disk is full": (FULL_DISK + TRACK + "assert analytics.flush(20)\n", at_first((503, {}, {}))),
}
if importlib.util.find_spec("gevent"):
    CASES["gevent"] = ("from gevent import monkey; monkey.patch_all()\n" + TRACK, always(None))
    CASES["gevent, no server"] = ("from gevent import monkey; monkey.patch_all()\n" + TRACK, None)


@dataclass
class Row:
    """One line of the table."""

    name: str
    sent: int
    acknowledged: int
    on_disk: int
    lost: int
    duplicated: int
    exit_seconds: float


ROWS: list[Row] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    heads = f"{'sent':>6} {'acknowledged':>12} {'on disk':>8} {'lost':>5} {'duplicated':>10} {'exit s':>7}"
    print(f"\n\n{'failure':24} {heads}")
    for row in ROWS:
        counts = f"{row.sent:6} {row.acknowledged:12} {row.on_disk:8} {row.lost:5} {row.duplicated:10}"
        print(f"{row.name:24} {counts} {row.exit_seconds:7.2f}")


def numbers(server: Any) -> list[int]:
    return [event["properties"]["number"] for event in server.events]


def waiting(program: Any, prefix: str = "") -> int:
    ended = program.run(
        f"{prefix}import sys\nfrom shockmouse_analytics.__main__ import main\nsys.exit(main(['queue', 'status']))"
    )
    return int(json.loads(ended.output)["events"])


def settle(name: str, program: Any, server: Any, sent: set[int], exit_seconds: float, *, prefix: str = "") -> Row:
    """Mend the server, let the next run deliver, and count; each further program begins with `prefix`."""
    acknowledged, on_disk = len(set(numbers(server)) & sent), waiting(program, prefix)
    server.stop()
    server.reply = always(None)
    server.start()
    assert program.run(prefix + DELIVER).code == 0
    stored = Counter(numbers(server))
    duplicated = sum(count - 1 for count in stored.values())
    row = Row(name, len(sent), acknowledged, on_disk, len(sent - stored.keys()), duplicated, exit_seconds)
    ROWS.append(row)
    return row


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_or_doubled_and_the_program_ends(program: Any, server: Any, name: str) -> None:
    text, reply = CASES[name]
    if reply is None:
        server.stop()
    else:
        server.reply = reply
    ended = program.run(text + ENDING)
    assert ended.code == 0, ended.errors
    if text in (MET, MENDED) and reply is not None:
        assert server.requests, "the failure did not happen"
    if reply is not None:
        server.stop()
    row = settle(name, program, server, set(range(1000)), ended.exit_seconds)
    assert (row.lost, row.duplicated, row.acknowledged <= 1000) == (0, 0, True)
    assert row.exit_seconds < 2.0 or is_busy()  # of which the interpreter itself needs a part


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_loses_at_most_the_last_quarter_of_a_second(
    program: Any, server: Any, number: signal.Signals
) -> None:
    server.stop()
    process = program.start(START + STEADY, flush_seconds="0.5")
    tracked = [process.stdout.readline().split() for _ in range(500)]
    killed_at = time.time()
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    exit_seconds = time.time() - killed_at
    tracked += [line.split() for line in output.splitlines() if len(line.split()) == 2]
    sent = {int(count) for count, at in tracked if float(at) < killed_at - 0.25}
    row = settle(number.name, program, server, sent, exit_seconds)
    assert (row.lost, row.duplicated, row.sent > 200) == (0, 0, True)


@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.3, 0.5, 0.8])
def test_a_program_killed_when_a_lock_has_just_begun_loses_at_most_the_last_quarter_of_a_second(
    program: Any, server: Any, seconds: float
) -> None:
    name = f"kill -9, {seconds:g} s into a lock"
    firsts = itertools.count(0, 100_000)

    def oldest_lost_seconds() -> float:
        server.stop()
        steady = STEADY.replace("100_000", f"{(first := next(firsts))}, {first + 100_000}")
        process = program.start(START + steady, flush_seconds="0.5")
        tracked = [process.stdout.readline().split() for _ in range(500)]
        with locked(queue_file(program.state)):
            time.sleep(seconds)
            killed_at = time.time()
            process.kill()
            output, _ = process.communicate(timeout=20)
        tracked += [line.split() for line in output.splitlines() if len(line.split()) == 2]
        ROWS[:] = [row for row in ROWS if row.name != name]
        sent = {int(number) for number, at in tracked if float(at) < killed_at - 0.25}
        row = settle(name, program, server, sent, 0.0)
        assert (row.duplicated, row.sent > 200) == (0, True)
        arrived = set(numbers(server))
        return killed_at - min((float(at) for number, at in tracked if int(number) not in arrived), default=killed_at)

    assert least(oldest_lost_seconds, 0.25) < 0.25


def test_an_outage_while_the_program_runs(program: Any, server: Any) -> None:
    server.stop()
    process = program.start(TRACK + "while not analytics.flush(1):\n    pass\n" + ENDING)
    deadline = time.monotonic() + 20
    while waiting(program) < 1000:
        assert time.monotonic() < deadline
    server.start()
    output, errors = process.communicate(timeout=40)
    assert output.startswith("ending "), errors
    row = settle("an outage", program, server, set(range(1000)), time.time() - float(output.split()[1]))
    assert (row.acknowledged, row.on_disk, row.lost, row.duplicated) == (1000, 0, 0, 0)


def test_a_damaged_store_is_set_aside(program: Any, server: Any) -> None:
    server.stop()
    assert program.run(START).code == 0
    assert waiting(program) == 0
    (store,) = program.state.glob("queue-*.sqlite")
    store.write_bytes(b"no database" * 1000)
    ended = program.run(TRACK + ENDING)
    row = settle("a damaged store", program, server, set(range(1000)), ended.exit_seconds)
    assert (row.lost, row.duplicated) == (0, 0)


def test_two_programs_share_one_store(program: Any, server: Any) -> None:
    server.stop()
    halves = [MET.replace("range(1000)", f"range({first}, {first + 500})") for first in (0, 500)]
    processes = [program.start(text + ENDING) for text in halves]
    outputs = [process.communicate(timeout=40)[0] for process in processes]
    ended_at = time.time()
    slowest = max(ended_at - float(output.split()[1]) for output in outputs)
    row = settle("two on one store", program, server, set(range(1000)), slowest)
    assert (row.lost, row.duplicated) == (0, 0)


def test_a_home_that_cannot_be_written(program: Any, server: Any, tmp_path: Path) -> None:
    server.stop()
    (tmp_path / "temporary").mkdir()
    program.state = Path("/proc/state")  # not by root either
    prefix = CLOSED_HOME.replace("TEMPORARY", repr(str(tmp_path / "temporary")))
    ended = program.run(prefix + MET + ENDING)
    assert ended.code == 0, ended.errors
    row = settle("a read-only home", program, server, set(range(1000)), ended.exit_seconds, prefix=prefix)
    assert (row.on_disk, row.lost, row.duplicated) == (1000, 0, 0)


@pytest.mark.parametrize(
    ("name", "hours", "reply"),
    [("away for 90 h, scaled", 90, None), ("500 for 63 h, scaled", 63, always((500, {}, {})))],
)
def test_an_outage_of_days(program: Any, server: Any, name: str, hours: float, reply: Reply | None) -> None:
    """Nothing that never left is given up; an unclear outcome is not before 70 hours."""
    if reply is None:
        server.stop()
    else:
        server.reply = reply
    text = TRACK + "while not analytics.flush(0.2):\n    pass\n" + ENDING
    process = program.start(text, retry_seconds=str(70 * SCALE))
    time.sleep(hours * SCALE)  # the outage
    server.reply = always(None)
    if reply is None:
        server.start()
    output, errors = process.communicate(timeout=60)
    assert output.startswith("ending "), errors
    row = settle(name, program, server, set(range(1000)), time.time() - float(output.split()[1]))
    assert (row.acknowledged, row.on_disk, row.lost, row.duplicated) == (1000, 0, 0, 0)


@pytest.mark.skipif(importlib.util.find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_gunicorn_that_loads_the_program_before_it_forks(program: Any, server: Any, tmp_path: Path) -> None:
    (tmp_path / "preloaded.py").write_text(PRELOADED)
    address = str(tmp_path / "socket")
    process = program.start(GUNICORN.replace("SOCKET", address).replace("FOLDER", str(tmp_path)))
    try:
        for first in range(200, 1000, 4):
            ask(address, f"/?{first}")
    finally:
        began = time.time()
        process.terminate()
        process.communicate(timeout=40)
    row = settle("gunicorn with preload", program, server, set(range(1000)), time.time() - began)
    assert (process.returncode, row.lost, row.duplicated) == (0, 0, 0)


def ask(address: str, path: str) -> None:
    """Send one request to a Unix socket, once there is one."""
    deadline = time.monotonic() + 40
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(address)
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
                continue
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert b" 200 OK" in answer, answer
            return
