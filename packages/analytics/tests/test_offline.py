"""Undelivered events are on disk, within bounds, whatever happens to other processes and to the file."""

import os
import sqlite3
import stat
import time

import msgspec
import pytest
from queues import DELIVER, leave, numbers, queue_file, refuse_all, stored
from tests.tries import least

from shockmouse_analytics import Stats
from shockmouse_analytics.gzip_member import unpack


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
    assert list(program.state.glob("*.apart-*")) == []


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


ODD_FORMAT = b"SQLite format 3\0\x10\0\2\2\0\x40\x20\x20" + b"\0\0\0\1" * 5 + b"\0\0\0\x99" + bytes(4048)


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but long enough to be looked at" * 100, b"SQLite format 3\0", ODD_FORMAT],
    ids=["no database", "a header alone", "a format of a schema that there is not"],
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


def test_a_relative_folder_is_the_same_for_the_next_start(client, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_all(server)
    for number in range(2):
        analytics = client(debug=False, offline_dir="kept here")
        analytics.track("n", {"number": number})
        analytics.close()
    monkeypatch.chdir("/")
    assert stored(queue_file(tmp_path / "kept here")) == 2


@pytest.mark.parametrize("what", ["groups set lease_until", "batches set next_attempt"])
def test_a_clock_that_was_set_back_holds_nothing_up(client, server, tmp_path, what):
    refuse_all(server)
    first = client(debug=False)
    first.track("n", {"number": 0})
    first.close()
    db = sqlite3.connect(queue_file(tmp_path / "state"), isolation_level=None)
    if what.startswith("groups"):
        (event,) = split_events(db)
        db.execute("delete from batches")
        db.execute("insert into groups (owner, lease_until, events, content) values ('gone', 0, 1, ?)", (event,))
    db.execute(f"update {what} = ?", (time.time() + 3607,))
    db.close()
    server.reply = lambda number, body: None
    client()
    server.wait_for(lambda: numbers(server) == [0])


def split_events(db: sqlite3.Connection) -> list[bytes]:
    (content,) = db.execute("select content from contents").fetchone()
    return [msgspec.json.encode(event) for event in msgspec.json.decode(unpack(content) + b"}")["events"]]


@pytest.mark.parametrize(
    ("page", "least", "most"),
    [
        pytest.param(2, 400, 400, id="the table of batches"),
        pytest.param(3, 0, 0, id="an index"),
        pytest.param(20, 1, 30, id="a page of some batch"),
        pytest.param(45, 1, 30, id="a page of another batch"),
    ],
)
def test_what_can_be_read_of_a_damaged_file_is_sent_and_the_rest_counted(client, server, tmp_path, page, least, most):
    refuse_all(server)
    first = client(debug=False, batch_bytes=10_000)
    for number in range(400):
        first.track("n", {"number": number, "noise": os.urandom(300).hex()})
    first.close()
    path = queue_file(tmp_path / "state")
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    server.reply = lambda number, body: None
    analytics = client()
    assert analytics.deliver_stored(20)
    lost = 400 - len(numbers(server))
    assert (len(set(numbers(server))), analytics.stats().stored) == (400 - lost, 0)
    assert analytics.stats().dropped == ({"store_damaged": lost} if lost else {})
    assert least <= lost <= most


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("delete from contents where number = 1", id="the events are gone"),
        pytest.param("update batches set id = cast(x'ff' as text) where number = 1", id="the id is no text"),
        pytest.param("update contents set content = 'text' where number = 1", id="the events are text"),
        pytest.param("update contents set content = zeroblob(3) where number = 1", id="the events are too short"),
        pytest.param(
            "update contents set content = randomblob(length(content)) where number = 1", id="the events are noise"
        ),
    ],
)
def test_a_row_that_is_garbled_is_lost_alone(client, server, tmp_path, damage):
    refuse_all(server)
    first = client(debug=False, batch_bytes=10_000)
    for number in range(400):
        first.track("n", {"number": number, "noise": os.urandom(300).hex()})
    first.close()
    db = sqlite3.connect(queue_file(tmp_path / "state"), isolation_level=None)
    (of_batch,) = db.execute("select events from batches where number = 1").fetchone()
    db.execute(damage)
    db.close()
    server.reply = lambda number, body: None
    analytics = client(debug=False)
    analytics.deliver_stored(20)
    server.wait_for(lambda: len(numbers(server)) == 400 - of_batch)
    assert analytics.stats().dropped == {"store_damaged": of_batch}


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
