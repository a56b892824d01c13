"""What waits of a user in a file that could not be looked at is thrown away when it can be, by this run or the next."""

import contextlib
import os
import signal
import stat
import threading

import pytest
from queues import TEMPORARY, locked, queue_file, refuse_all, stored

BOTH = """
from shockmouse_analytics import Analytics
analytics = Analytics()
analytics.identify("ann@example.com")
analytics.track("Of Ann")
analytics.reset()
analytics.identify("bob@example.com")
"""
STORED = """
import os, pathlib, time
while analytics.stats().queued:
    time.sleep(0.01)
print("stored", flush=True)
"""
RETURN = """
state = pathlib.Path(os.environ["SHOCKMOUSE_CLIENT_OFFLINE_DIR"])
while list(state.glob("*.apart-*")) or list(state.glob("*.forget-*")):
    time.sleep(0.01)  # until the store can be used, and nobody is to be forgotten any more
assert analytics.flush(10)
"""
FORGET = """
from shockmouse_analytics import Analytics
analytics = Analytics()
print(analytics.forget("ann@example.com"), flush=True)
"""


def users(server):
    """Return whose events have arrived, each user once; "" is nobody."""
    return sorted({event.get("user_id", "").partition("@")[0] for event in server.events})


def tombstones(folder):
    return sorted(path.name for path in folder.glob("*.forget-*"))


@pytest.fixture
def left(program, server):
    """Have an earlier run leave events of Ann and Bob in the store."""
    refuse_all(server)
    assert program.run(BOTH).code == 0
    server.reply = lambda number, body: None
    return queue_file(program.state)


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_what_others_lock_is_thrown_away_once_they_let_go(client, server, tmp_path, left, mode):
    with locked(left, mode):
        analytics = client(debug=False)
        analytics.identify("ann@example.com")
        assert analytics.forget("ann@example.com") is False
        server.wait_for(lambda: analytics.stats().dropped == {"forgotten": 1})  # of what is in memory
        assert len(tombstones(tmp_path / "state")) == 1
    server.wait_for(lambda: analytics.stats().dropped == {"forgotten": 3})
    assert analytics.flush(timeout=20)
    assert (users(server), analytics.stats().stored, tombstones(tmp_path / "state")) == (["bob"], 0, [])


@pytest.mark.alone
def test_a_lock_that_is_short_is_waited_for(client, server, tmp_path, left):
    with locked(left) as db:
        analytics = client(debug=False, flush_seconds=3600)
        analytics.identify("ann@example.com")
        server.wait_for(lambda: list((tmp_path / "state").glob("*.apart-*")) != [])
        letting_go = threading.Timer(0.3, lambda: db.execute("rollback"))
        letting_go.start()
        assert analytics.forget("ann@example.com") is True
        letting_go.join()
    assert (tombstones(tmp_path / "state"), analytics.stats().dropped) == ([], {"forgotten": 3})
    assert analytics.flush(timeout=20)
    assert users(server) == ["bob"]


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_the_next_run_throws_away_what_others_locked_until_a_program_was_killed(program, client, server, left, mode):
    with locked(left, mode):
        process = program.start(FORGET + "import time\ntime.sleep(60)\n")
        assert process.stdout.readline() == "False\n"
        process.kill()
        process.communicate(timeout=20)
        (tombstone,) = program.state.glob("*.forget-*")
        assert stat.S_IMODE(tombstone.stat().st_mode) == 0o600
        assert b"ann" not in tombstone.read_bytes()
    again = client(debug=False)
    assert again.flush(timeout=20)
    assert (users(server), again.stats().dropped, tombstones(program.state)) == (["bob"], {"forgotten": 2}, [])


LATER = """
analytics.identify("ann@example.com")
analytics.track("Ann again")
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_the_user_does_later_is_not_meant(program, client, server, left, is_killed):
    with locked(left):
        process = program.start(FORGET + LATER + STORED + RETURN, flush_seconds="3600")
        assert [process.stdout.readline() for _ in range(2)] == ["False\n", "stored\n"]
        if is_killed:
            process.kill()
            process.communicate(timeout=20)
    if is_killed:
        assert client().flush(timeout=20)
    else:
        process.communicate(timeout=20)
    assert users(server) == ["ann", "bob"]
    assert [event.get("name") for event in server.events if event["user_id"].startswith("ann")] == [None, "Ann again"]
    assert tombstones(program.state) == []


def test_a_queue_in_the_folder_for_temporary_files_is_reached(program, server, tmp_path):
    refuse_all(server)
    (tmp_path / "state").write_text("a file stands where the folder should be")
    (tmp_path / "temporary").mkdir()
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    assert program.run(temporary + BOTH).code == 0
    (tmp_path / "state").unlink()
    server.reply = lambda number, body: None
    (folder,) = (tmp_path / "temporary").iterdir()
    with locked(queue_file(folder)):
        ended = program.run(temporary + FORGET)
        assert (ended.code, ended.output) == (0, "False\n"), ended.errors
        assert len(tombstones(tmp_path / "state")) == 1
    assert program.run(temporary + FORGET.replace("ann@", "nobody@")).output == "True\n"
    assert program.run(temporary + "from shockmouse_analytics import Analytics\nassert Analytics().flush(20)").code == 0
    assert (users(server), stored(queue_file(folder)), tombstones(tmp_path / "state")) == (["bob"], 0, [])


@pytest.mark.parametrize("is_next_run", [False, True])
def test_what_a_killed_program_had_collected_is_thrown_away_when_it_is_nobodys_any_more(
    program, client, server, is_next_run
):
    refuse_all(server)
    process = program.start(BOTH + STORED + "time.sleep(60)\n", flush_seconds="4")
    assert process.stdout.readline() == "stored\n"
    process.kill()
    process.communicate(timeout=20)
    server.reply = lambda number, body: None
    analytics = client(debug=False)
    assert analytics.forget("ann@example.com") is True
    assert (server.events, len(tombstones(program.state))) == ([], 1)
    if is_next_run:
        analytics.close()
        analytics = client(debug=False)
    server.wait_for(lambda: analytics.stats().sent > 0)
    assert analytics.flush(timeout=20)
    assert (users(server), analytics.stats().dropped) == (["bob"], {"forgotten": 2})
    server.wait_for(lambda: tombstones(program.state) == [])


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_what_a_living_program_keeps_apart_is_thrown_away_when_that_returns(program, client, server, left):
    with contextlib.ExitStack() as lock:
        lock.enter_context(locked(left))
        process = program.start(BOTH + STORED + RETURN, flush_seconds="3600")
        assert process.stdout.readline() == "stored\n"
        process.send_signal(signal.SIGSTOP)
        lock.close()
        analytics = client(debug=False)
        assert analytics.forget("ann@example.com") is False  # who keeps it cannot be asked
        assert len(tombstones(program.state)) == 1
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=20)
    assert analytics.flush(timeout=20)
    assert users(server) == ["bob"]
    assert list(program.state.glob("*.apart-*")) == []


@pytest.mark.skipif(os.name == "nt", reason="a folder is closed otherwise there")
def test_where_nothing_can_be_remembered_this_process_forgets_all_the_same(client, server, tmp_path, left, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc")  # nothing can be written there
    with locked(left):
        analytics = client(debug=False)
        analytics.track("n")
        server.wait_for(lambda: analytics.stats().sent == 1)
        (tmp_path / "state").chmod(0o500)
        is_root = os.geteuid() == 0  # to root no folder is closed
        try:
            if is_root:
                os.seteuid(65534)
            assert analytics.forget("ann@example.com") is False
        finally:
            if is_root:
                os.seteuid(0)
            (tmp_path / "state").chmod(0o700)
        assert tombstones(tmp_path / "state") == []
    server.wait_for(lambda: analytics.stats().dropped == {"forgotten": 2})
    assert analytics.flush(timeout=20)
    assert users(server) == ["", "bob"]
