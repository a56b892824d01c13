"""While other programs lock the store nobody waits for it, nothing is lost, and what is to be forgotten is."""

import contextlib
import signal
import sqlite3
import stat
import threading
import time

import pytest
import queues
from queues import DELIVER, ONE, TEMPORARY, leave, numbers, queue_file, refuse_all, stored
from tests.tries import least

from shockmouse_analytics import Stats


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
    with contextlib.ExitStack() as locks:

        def lock(mode):
            leave(client, server, 1)
            return locks.enter_context(queues.locked(queue_file(tmp_path / "state"), mode))

        yield lock


@pytest.mark.alone
def test_an_event_is_on_disk_within_a_quarter_of_a_second_also_when_a_lock_has_just_begun(client, server, tmp_path):
    refuse_all(server)
    analytics = client(debug=False, flush_seconds=3600)
    analytics.track("n", {"number": 0})
    server.wait_for(lambda: analytics.stats().stored == 1)
    path = queue_file(tmp_path / "state")

    def seconds():
        with queues.locked(path):
            tracked_at = time.monotonic()
            analytics.track("n")
            while not stored_apart(path.parent):
                time.sleep(0.005)
                assert time.monotonic() < tracked_at + 20
            waited = time.monotonic() - tracked_at
        server.wait_for(lambda: list(path.parent.glob("*.apart-*")) == [])
        return waited

    assert max(least(seconds, 0.25) for _ in range(10)) < 0.25


def stored_apart(folder):
    """Return how many events are on disk in files beside the store; one that is being made has none."""
    events = 0
    for path in folder.glob("*.apart-*.sqlite"):
        with contextlib.suppress(sqlite3.Error):
            events += stored(path)
    return events


def test_a_short_lock_is_not_worth_a_warning(client, server, tmp_path, caplog):
    analytics = client(debug=False, flush_seconds=3600)
    analytics.track("n", {"number": 0})
    server.wait_for(lambda: analytics.stats().stored == 1)
    path = queue_file(tmp_path / "state")
    with queues.locked(path):
        analytics.track("n", {"number": 1})
        server.wait_for(lambda: list(path.parent.glob("*.apart-*")) != [])
    server.wait_for(lambda: numbers(server) == [0, 1] and list(path.parent.glob("*.apart-*")) == [])
    assert [record.getMessage() for record in caplog.records] == []
    with queues.locked(path):
        analytics.track("n", {"number": 2})
        server.wait_for(lambda: "another program locks the queue" in caplog.text)


def test_making_a_client_waits_for_no_lock(client, server, tmp_path):
    leave(client, server, 1)
    with queues.locked(queue_file(tmp_path / "state"), "exclusive"):
        started = time.monotonic()
        client(debug=False)
        assert time.monotonic() - started < 2  # SQLite itself would wait for five


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


@pytest.mark.alone
def test_a_refusal_waits_for_a_lock_that_is_short(client, server, locked):
    db = locked("normal")
    analytics = client(debug=False)
    analytics.track("n", {"number": 1})
    server.wait_for(lambda: analytics.stats().queued == 0)
    letting_go = threading.Timer(0.3, lambda: db.execute("rollback"))
    letting_go.start()
    assert analytics.opt_out() is True
    letting_go.join()
    assert (analytics.stats().stored, analytics.stats().dropped) == (0, {"opted_out": 2})


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
