"""Undelivered events are on disk, within bounds, whatever happens to the disk or to other processes."""

import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.tries import least

from shockmouse_analytics import Stats
from shockmouse_analytics.privacy import Consent

DELIVER = "from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(30)\n"


def numbers(server):
    return sorted(event["properties"]["number"] for event in server.events)


def queue_file(folder: Path) -> Path:
    (path,) = folder.glob("queue-*.sqlite")
    return path


def stored(path: Path) -> int:
    """Return how many events are on disk, as another process sees it."""
    db = sqlite3.connect(path, timeout=5)
    try:
        (count,) = db.execute(
            "select (select total(events) from batches) + (select total(events) from groups)"
        ).fetchone()
    finally:
        db.close()
    return int(count)


def refuse_all(server):
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})


@pytest.mark.alone
def test_an_event_is_on_disk_within_a_quarter_of_a_second(client, server, tmp_path):
    refuse_all(server)
    analytics = client(debug=False, flush_seconds=3600)
    analytics.track("first", {"number": 0})  # the disk is used for the first time
    server.wait_for(lambda: analytics.stats().stored == 1)
    path = queue_file(tmp_path / "state")

    def seconds():
        number = stored(path)
        tracked_at = time.monotonic()
        analytics.track("later", {"number": number})
        while stored(path) == number:
            time.sleep(0.005)
            assert time.monotonic() < tracked_at + 20
        return time.monotonic() - tracked_at

    assert max(least(seconds, 0.25) for _ in range(20)) < 0.25


def test_what_waits_is_delivered_by_the_next_run(client, server):
    refuse_all(server)
    analytics = client(debug=False)
    for number in range(250):
        analytics.track("n", {"number": number})
    assert not analytics.flush(timeout=0.5)
    analytics.close()
    assert analytics.stats() == Stats(queued=0, sent=0, stored=250, dropped={}, rejected={})
    server.reply = lambda number, body: None
    assert client().deliver_stored(timeout=20)
    assert numbers(server) == list(range(250))


def leave(client, server, events, **settings):
    """Have a run of a client end while the server postpones everything for an hour."""
    refuse_all(server)
    first = client(debug=False, **settings)
    for number in range(events):
        first.track("n", {"number": number})
    assert not first.flush(timeout=0.5)
    first.close()
    assert first.stats().stored == events


def test_flush_sends_what_an_earlier_run_left_before_its_next_attempt_is_due(client, server, tmp_path):
    leave(client, server, 250)
    server.reply = lambda number, body: None
    again = client()
    assert again.flush(timeout=20)
    assert numbers(server) == list(range(250))
    again.close()
    assert (again.stats().stored, stored(queue_file(tmp_path / "state"))) == (0, 0)


def test_flush_goes_on_with_what_is_left_after_a_failure_in_between(client, server):
    leave(client, server, 1200, flush_events=100)
    asked = len(server.requests)
    server.reply = lambda number, body: (500, {}, {}) if number == asked + 2 else None
    again = client(debug=False)
    again.track("n", {"number": 1200})
    assert again.flush(timeout=30)
    assert numbers(server) == list(range(1201))


def test_flush_is_false_while_something_is_left_that_it_could_have_sent(client, server):
    leave(client, server, 10)
    again = client(debug=False)
    assert not again.flush(timeout=0.5)  # the server asks for an hour still
    asked = len(server.requests)
    again.close()
    assert again.stats().stored == 10
    assert len(server.requests) <= asked + 1


def test_flush_takes_no_longer_than_its_time_on_a_large_backlog_and_sends_its_own_first(client, server):
    leave(client, server, 400, batch_bytes=1000)

    def reply(number, body):
        time.sleep(0.1)

    server.reply = reply
    again = client(debug=False)
    again.track("n", {"number": 400})
    started = time.monotonic()
    assert not again.flush(timeout=1)
    assert time.monotonic() - started < 2
    assert (400 in numbers(server), len(numbers(server)) < 400) == (True, True)
    server.reply = lambda number, body: None
    assert again.flush(timeout=30)
    assert numbers(server) == list(range(401))


def test_flush_leaves_to_another_process_what_that_one_is_sending(client, server, tmp_path):
    leave(client, server, 10)
    db = sqlite3.connect(queue_file(tmp_path / "state"), isolation_level=None)
    db.execute("update batches set lease_owner = 'another', lease_until = ?", (time.time() + 40,))
    db.close()
    server.reply = lambda number, body: None
    again = client()
    again.track("n", {"number": 10})
    assert again.flush(timeout=20)
    assert (numbers(server), again.stats().stored) == ([10], 10)


def test_the_next_run_sends_what_waits_without_being_asked(client, server):
    refuse_all(server)
    analytics = client(debug=False)
    analytics.track("n", {"number": 0})
    analytics.close()
    server.reply = lambda number, body: None
    again = client(flush_seconds=0.1)
    again.track("n", {"number": 1})
    server.wait_for(lambda: 1 in numbers(server))


def test_what_a_killed_program_left_goes_out_when_the_next_one_makes_its_client(client, program, server):
    server.stop()
    killed = program.start(
        "import time\nfrom shockmouse_analytics import Analytics\nanalytics = Analytics()\n"
        "analytics.track('n', {'number': 0})\nwhile not analytics.stats().stored: time.sleep(0.01)\n"
        "print('stored', flush=True)\ntime.sleep(60)\n",
        flush_seconds="0.1",
    )
    assert killed.stdout.readline() == "stored\n"
    killed.kill()
    killed.communicate(timeout=20)
    server.start()
    client(offline_dir=program.state)  # and nothing is tracked
    server.wait_for(lambda: numbers(server) == [0])


def test_folder_and_file_are_private(client, server, tmp_path):
    refuse_all(server)
    analytics = client(debug=False)
    analytics.track("n", {"number": 0})
    analytics.close()
    modes = {path.name.split("-")[0]: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}


def test_two_processes_share_the_queue_and_nothing_is_sent_twice(program, server):
    steady = """
from shockmouse_analytics import Analytics
analytics = Analytics()
for number in range({first}, {first} + 2000):
    analytics.track("n", {{"number": number}})
"""
    server.reply = lambda number, body: (503, {}, {}) if number % 3 == 0 else None
    processes = [program.start(steady.format(first=first), flush_events="20") for first in (0, 2000, 4000)]
    for process in processes:
        output, errors = process.communicate(timeout=60)
        told = [line for line in errors.splitlines() if "events wait" not in line]  # every third answer is a refusal
        assert (output, told) == ("", [])
    server.reply = lambda number, body: None
    assert program.run(DELIVER).code == 0
    assert numbers(server) == list(range(6000))


def test_over_its_bound_the_oldest_go_and_are_counted(client, server, tmp_path):
    refuse_all(server)
    analytics = client(debug=False, offline_bytes=1 << 20)
    for number in range(60):
        analytics.track("n", {"number": number, "noise": os.urandom(20_000).hex()})
    server.wait_for(lambda: analytics.stats().queued == 0)
    analytics.close()
    dropped = analytics.stats().dropped["offline_full"]
    assert 0 < dropped < 50
    assert queue_file(tmp_path / "state").stat().st_size < 3 << 20
    server.reply = lambda number, body: None
    assert client().deliver_stored(timeout=20)
    found = numbers(server)
    assert len(found) == 60 - dropped  # what was on its way when the bound was reached is older and still there
    assert found[-20:] == list(range(40, 60))


def test_without_a_disk_the_oldest_go_from_memory(client, server, tmp_path):
    server.stop()
    analytics = client(debug=False, offline=False, queue_bytes=200_000)
    for number in range(100):
        analytics.track("n", {"number": number, "noise": os.urandom(5_000).hex()})
        if number % 10 == 0:
            time.sleep(0.01)
    assert not analytics.flush(timeout=1)
    server.start()
    assert analytics.flush(timeout=20)
    dropped = sum(analytics.stats().dropped.values())
    found = numbers(server)
    assert 0 < dropped < 100
    assert len(found) == 100 - dropped
    assert found[-5:] == list(range(95, 100))
    assert list((tmp_path / "state").glob("queue-*")) == []


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be looked at" * 100, b"SQLite format 3\0"]
)
def test_a_damaged_file_is_set_aside_and_stops_nothing(client, server, tmp_path, content):
    refuse_all(server)
    first = client(debug=False)
    first.track("n", {"number": 0})
    first.close()
    path = queue_file(tmp_path / "state")
    for leftover in path.parent.glob(path.name + "-*"):
        leftover.unlink()
    path.write_bytes(content)
    server.reply = lambda number, body: None
    analytics = client()
    analytics.track("n", {"number": 1})
    assert analytics.flush()
    assert numbers(server) == [1]
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content


TEMPORARY = """
import tempfile
tempfile.tempdir = {temporary!r}
"""
QUEUE = """
import sys
from shockmouse_analytics.__main__ import main
sys.exit(main(["queue", "{}"]))
"""
ONE = """
from shockmouse_analytics import Analytics
analytics = Analytics()
analytics.track("n", {{"number": {number}}})
"""


def test_a_folder_that_cannot_be_used_is_replaced_until_it_can(program, server, tmp_path):
    (tmp_path / "state").write_text("a file stands where the folder should be")
    (tmp_path / "temporary").mkdir()
    server.reply = lambda number, body: (503, {}, {})
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    assert program.run(temporary + ONE.format(number=0)).code == 0
    (folder,) = (tmp_path / "temporary").iterdir()
    assert stored(queue_file(folder)) == 1
    (tmp_path / "state").unlink()
    assert program.run(temporary + ONE.format(number=1)).code == 0
    assert (stored(queue_file(folder)), stored(queue_file(tmp_path / "state"))) == (0, 2)
    server.reply = lambda number, body: None
    assert program.run(temporary + DELIVER).code == 0
    assert numbers(server) == [0, 1]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    folder = tmp_path / "state"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_is_left_for_the_temporary_folder(program, server, tmp_path, small_disk):
    (tmp_path / "temporary").mkdir()
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})
    ended = program.run(
        TEMPORARY.format(temporary=str(tmp_path / "temporary"))
        + ONE.format(number=0)
        + f"""
import os, time
from pathlib import Path
while not analytics.stats().stored:
    time.sleep(0.01)
filler = Path({str(small_disk)!r}, "filler").open("wb", buffering=0)
try:
    while True:
        filler.write(bytes(4096))
except OSError:
    pass
for number in range(1, 100):
    analytics.track("n", {{"number": number, "noise": os.urandom(2000).hex()}})
while analytics.stats().queued:
    time.sleep(0.01)
print(analytics.stats().dropped, analytics.stats().stored >= 99)
"""
    )
    assert (ended.code, ended.output) == (0, "{} True\n"), ended.errors
    (folder,) = (tmp_path / "temporary").iterdir()
    kept = stored(queue_file(folder))
    (small_disk / "filler").unlink()
    assert kept >= 99
    assert kept + stored(queue_file(small_disk)) == 100
    server.reply = lambda number, body: None
    assert program.run(TEMPORARY.format(temporary=str(tmp_path / "temporary")) + DELIVER).code == 0
    assert numbers(server) == list(range(100))


FILL = """
import tempfile, time
from pathlib import Path
from shockmouse_analytics import Analytics
tempfile.tempdir = "/proc"  # nothing can be written there
analytics = Analytics()
analytics.track("n", {{"number": 0}})
{until}
while analytics.stats().stored < 1:
    time.sleep(0.01)
filler = Path({folder!r}, "filler").open("wb", buffering=0)
try:
    while True:
        filler.write(bytes(4096))
except OSError:
    pass
for number in range(1, 10):
    analytics.track("n", {{"number": number, "noise": "x" * 40_000}})
print(analytics.flush(3), analytics.stats())
analytics.close()
print(analytics.stats())
"""
KEPT = "Stats(queued=0, sent=0, stored=1, dropped={'not_kept': 9}, rejected={})\n"


@pytest.mark.parametrize(
    ("reply", "until"),
    [
        pytest.param((503, {"Retry-After": "3600"}, {}), "analytics.flush(1)", id="it waits there"),
        pytest.param("hang", "", id="it is on its way"),
    ],
)
def test_what_lies_on_a_disk_that_is_full_is_counted_as_stored(program, server, small_disk, reply, until):
    server.reply = lambda number, body: reply
    ended = program.run(FILL.format(folder=str(small_disk), until=until))
    assert ended.code == 0, ended.errors
    assert ended.output == "False Stats(queued=9, sent=0, stored=1, dropped={}, rejected={})\n" + KEPT
    assert f"1 event waits in {queue_file(small_disk)}" in ended.errors
    (small_disk / "filler").unlink()
    server.reply = lambda number, body: None
    assert program.run(DELIVER).code == 0
    assert numbers(server) == [0]


def test_what_lies_on_a_disk_that_was_full_before_is_counted_as_stored(client, program, server, small_disk):
    leave(client, server, 3)
    server.reply = lambda number, body: None
    unusable = TEMPORARY.format(temporary="/proc")
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    ended = program.run(unusable + ONE.format(number=3) + "print(analytics.flush(30), analytics.stats())\n")
    assert ended.output == "False Stats(queued=0, sent=1, stored=3, dropped={}, rejected={})\n", ended.errors
    for action in ("status", "flush"):
        ended = program.run(unusable + QUEUE.format(action))
        assert (ended.code, ended.output, len(ended.errors.splitlines())) == (1, "", 1)
        assert f"{small_disk} cannot be used (" in ended.errors
    (small_disk / "filler").unlink()
    assert program.run(unusable + QUEUE.format("flush")).output == "0 events wait\n"
    assert numbers(server) == [0, 1, 2, 3]


REFUSE = """
print(analytics.opt_out(), analytics.stats().stored, flush=True)
filler.close()
Path({folder!r}, "filler").unlink()
while analytics.stats().stored:
    time.sleep(0.01)
print(analytics.stats().dropped)
"""


def test_what_lies_on_a_disk_that_is_full_is_forgotten_after_a_refusal_once_it_works_again(program, server, small_disk):
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})
    filled = FILL.format(folder=str(small_disk), until="analytics.flush(1)").partition("\nprint")[0]
    ended = program.run(filled + REFUSE.format(folder=str(small_disk)))
    assert (ended.code, ended.output) == (0, "False 1\n{'opted_out': 10}\n"), ended.errors
    server.reply = lambda number, body: None
    assert program.run("from shockmouse_analytics import Analytics\nAnalytics().opt_in()\n" + DELIVER).code == 0
    assert server.events == []


def test_what_a_refusal_could_not_throw_away_goes_with_the_next_run(client, server, tmp_path):
    leave(client, server, 3)
    assert Consent(project="shop", state_dir=tmp_path / "state").opt_out()
    server.reply = lambda number, body: None
    analytics = client()
    assert analytics.stats().dropped == {"opted_out": 3}
    analytics.opt_in()
    analytics.track("n", {"number": 3})
    assert analytics.flush()
    assert (numbers(server), analytics.stats().stored) == ([3], 0)


def test_commands_tell_what_waits_while_the_state_folder_may_only_be_read(
    client, program, server, tmp_path, small_disk
):
    leave(client, server, 2)
    (tmp_path / "temporary").mkdir()
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert program.run(temporary + ONE.format(number=2)).code == 0
    told = f"shockmouse-analytics: 2 more events wait in {queue_file(small_disk)}: {small_disk} cannot be used ("
    ended = program.run(temporary + QUEUE.format("status"))
    assert (ended.code, json.loads(ended.output)["events"]) == (1, 1)
    assert (ended.errors.startswith(told), len(ended.errors.splitlines())) == (True, 1)
    server.reply = lambda number, body: None
    ended = program.run(temporary + QUEUE.format("flush"))
    assert (ended.code, ended.output, ended.errors.startswith(told)) == (1, "0 events wait\n", True)
    assert numbers(server) == [2]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    ended = program.run(temporary + QUEUE.format("flush"))
    assert (ended.code, ended.output, ended.errors) == (0, "0 events wait\n", "")
    assert numbers(server) == [0, 1, 2]


def test_a_full_disk_loses_nothing_while_the_program_runs(program, server):
    ended = program.run(
        """
import resource, signal, time
from shockmouse_analytics import Analytics
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
analytics = Analytics()
analytics.track("n", {"number": 0})
assert analytics.flush(20)
resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, resource.RLIM_INFINITY))
print("full", flush=True)
import os
for number in range(1, 300):
    analytics.track("n", {"number": number, "noise": os.urandom(1000).hex()})
time.sleep(0.5)
assert analytics.flush(20), analytics.stats()
""",
        flush_seconds="3600",
        flush_events="1000",
        batch_bytes="1000000",
    )
    assert (ended.code, ended.output) == (0, "full\n"), ended.errors
    assert numbers(server) == list(range(300))


def test_a_locked_file_blocks_nobody(client, server, tmp_path):
    refuse_all(server)
    analytics = client(debug=False)
    analytics.track("n", {"number": 0})
    server.wait_for(lambda: analytics.stats().stored == 1)
    server.reply = lambda number, body: None
    db = sqlite3.connect(queue_file(tmp_path / "state"), isolation_level=None)
    db.execute("begin immediate")
    waits = []
    for number in range(1, 1000):
        started = time.monotonic()
        analytics.track("n", {"number": number})
        waits.append(time.monotonic() - started)
    assert sorted(waits)[-10] < 0.01  # a few may meet a busy machine
    server.wait_for(lambda: numbers(server) == list(range(1, 1000)))
    assert not analytics.flush(timeout=0.5)  # one event lies in the file
    server.wait_for(lambda: analytics.stats() == Stats(queued=0, sent=999, stored=1, dropped={}, rejected={}))
    db.execute("rollback")
    db.close()
    # The disk is in use again, with what was on it, which may have gone out at once.
    server.wait_for(lambda: analytics.stats().stored == 1 or 0 in numbers(server))
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(1000))


def test_a_file_that_is_locked_at_the_start_is_used_later(client, server, tmp_path):
    refuse_all(server)
    first = client(debug=False)
    first.track("n", {"number": 0})
    first.close()
    path = queue_file(tmp_path / "state")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("begin immediate")
    analytics = client(debug=False, flush_seconds=3600)
    analytics.track("n", {"number": 1})
    server.wait_for(lambda: analytics.stats().stored == 1)  # in a file of its own
    db.execute("rollback")
    server.wait_for(lambda: stored(path) == 2)
    db.close()
    analytics.track("n", {"number": 2})
    server.reply = lambda number, body: None
    assert analytics.deliver_stored(timeout=20)
    assert numbers(server) == [0, 1, 2]
    analytics.close()
    assert stored(path) == 0


@pytest.fixture
def locked(client, server, tmp_path):
    """Leave an event in the store and lock it, for writers or for all, until the connection is closed."""
    connections = []

    def lock(mode):
        leave(client, server, 1)
        db = sqlite3.connect(queue_file(tmp_path / "state"), isolation_level=None)
        db.execute(f"pragma locking_mode = {mode}")
        db.execute("begin immediate")
        connections.append(db)
        return db

    yield lock
    for db in connections:
        db.close()


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_nothing_is_said_to_be_delivered_while_others_lock_the_file(client, server, locked, mode):
    db = locked(mode)
    server.reply = lambda number, body: None
    analytics = client(debug=False)
    assert not analytics.flush(timeout=1)
    assert not analytics.deliver_stored(timeout=1)
    assert numbers(server) == []
    db.close()
    assert analytics.deliver_stored(timeout=20)
    assert numbers(server) == [0]


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_what_a_program_has_when_the_file_is_locked_to_its_end_goes_out_with_the_next(
    client, program, server, locked, mode
):
    db = locked(mode)
    ended = program.run(
        "from shockmouse_analytics import Analytics\nanalytics = Analytics()\n"
        "for number in range(1, 11):\n    analytics.track('n', {'number': number})\n"
        "analytics.close()\nprint(analytics.stats())\n"
    )
    assert ended.code == 0, ended.errors
    (apart,) = program.state.glob("*.apart-*.sqlite")
    assert f"10 events wait in {apart}: " in ended.errors
    assert "stay in memory" not in ended.errors
    assert stat.S_IMODE(apart.stat().st_mode) == 0o600
    db.close()
    server.reply = lambda number, body: None
    assert client().flush(timeout=20)  # and nothing is tracked
    assert numbers(server) == list(range(11))
    assert list(program.state.glob("*.apart-*")) == []


def test_what_was_kept_apart_stays_on_disk_until_the_store_can_take_it(client, program, server, locked):
    db = locked("normal")
    assert program.run(ONE.format(number=1)).code == 0
    (apart,) = program.state.glob("*.apart-*.sqlite")
    again = client(debug=False)  # which finds the store locked still
    assert not again.flush(timeout=3)
    assert stored(apart) == 1
    db.close()
    server.reply = lambda number, body: None
    assert again.flush(timeout=20)
    assert (numbers(server), apart.exists()) == ([0, 1], False)


TEN = """
import os, pathlib, time
from shockmouse_analytics import Analytics
analytics = Analytics(flush_seconds=3600)
for number in range(1, 11):
    analytics.track("n", {"number": number})
while analytics.stats().queued:
    time.sleep(0.01)
print("stored", flush=True)
while list(pathlib.Path(os.environ["SHOCKMOUSE_CLIENT_OFFLINE_DIR"]).glob("*.apart-*")):
    time.sleep(0.01)  # until it is back in the store
assert analytics.flush(10)
"""


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_what_a_program_has_that_is_killed_while_others_lock_the_file_goes_out_with_the_next(
    client, program, server, locked, mode
):
    db = locked(mode)
    with program.start(TEN) as process:
        assert process.stdout.readline() == "stored\n"
        process.kill()
    (apart,) = program.state.glob("*.apart-*.sqlite")
    assert (stored(apart), stat.S_IMODE(apart.stat().st_mode)) == (10, 0o600)
    db.close()
    server.reply = lambda number, body: None
    assert client().flush(timeout=20)
    assert numbers(server) == list(range(11))
    assert list(program.state.glob("*.apart-*")) == []


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_what_others_lock_when_a_person_refuses_is_forgotten_once_they_let_go(client, server, locked, mode):
    db = locked(mode)
    analytics = client(debug=False)
    analytics.track("n", {"number": 1})
    assert not analytics.opt_out()
    db.close()
    server.reply = lambda number, body: None
    server.wait_for(lambda: analytics.stats().dropped == {"opted_out": 2})
    analytics.opt_in()
    assert analytics.flush(timeout=20)
    assert (server.events, analytics.stats().stored) == ([], 0)


def test_a_temporary_queue_that_others_lock_when_a_person_refuses_is_forgotten_by_the_next_run(
    program, server, tmp_path
):
    refuse_all(server)
    (tmp_path / "state").write_text("a file stands where the folder should be")
    (tmp_path / "temporary").mkdir()
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    assert program.run(temporary + ONE.format(number=0)).code == 0
    (tmp_path / "state").unlink()
    server.reply = lambda number, body: None
    (folder,) = (tmp_path / "temporary").iterdir()
    with contextlib.closing(sqlite3.connect(queue_file(folder), isolation_level=None)) as db:
        db.execute("begin immediate")
        refusing = "from shockmouse_analytics import Analytics\nprint(Analytics().opt_out())\n"
        ended = program.run(temporary + refusing)
        assert (ended.code, ended.output) == (0, "False\n"), ended.errors
    assert stored(queue_file(folder)) == 1
    assert program.run(temporary + "from shockmouse_analytics import Analytics\nAnalytics().opt_in()\n").code == 0
    assert program.run(temporary + DELIVER).code == 0
    assert (server.events, stored(queue_file(folder))) == ([], 0)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_a_file_that_a_living_program_keeps_apart_is_left_to_it(client, program, server, locked):
    db = locked("normal")
    with program.start(TEN) as process:
        assert process.stdout.readline() == "stored\n"
        process.send_signal(signal.SIGSTOP)
        db.close()
        server.reply = lambda number, body: None
        assert client().flush(timeout=20)
        (apart,) = program.state.glob("*.apart-*.sqlite")
        left = (numbers(server), stored(apart))
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=20)
    assert (left, numbers(server)) == (([0], 10), list(range(11)))
    assert list(program.state.glob("*.apart-*")) == []


def test_memory_lets_go_of_what_the_disk_has(program, server):
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})
    ended = program.run(
        """
import resource, time
from shockmouse_analytics import Analytics
analytics = Analytics()
analytics.track("n", {"number": 0})
time.sleep(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(1, 100_000):
    analytics.track("n", {"number": number, "text": "x" * 500})
    if number % 1000 == 0:
        time.sleep(0.01)
while analytics.stats().queued:
    time.sleep(0.01)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, analytics.stats().dropped)
"""
    )
    assert ended.code == 0, ended.errors
    grown_kb, dropped = ended.output.split(maxsplit=1)
    assert dropped.strip() == "{}"
    assert int(grown_kb) < 64 * 1024  # the events weigh 80 MB
