"""A disk that is full or may only be read: nothing is lost that anything can keep, and what lies where is told."""

import contextlib
import json
import subprocess

import pytest
from queues import DELIVER, ONE, QUEUE, TEMPORARY, leave, numbers, queue_file, stored

from shockmouse_analytics.privacy import Consent


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


def test_what_lies_in_the_temporary_folder_goes_out_though_nothing_is_tracked(program, server, tmp_path):
    (tmp_path / "state").write_text("a file stands where the folder should be")
    (tmp_path / "temporary").mkdir()
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    server.reply = lambda number, body: (503, {}, {})
    assert program.run(temporary + ONE.format(number=0)).code == 0
    (tmp_path / "state").unlink()
    server.reply = lambda number, body: None
    flush = "from shockmouse_analytics import Analytics\nassert Analytics().flush(20)\n"
    assert program.run(temporary + flush).code == 0
    assert numbers(server) == [0]


def test_a_folder_that_may_not_be_looked_at_is_replaced_and_told(program, server, tmp_path):
    (tmp_path / "temporary").mkdir()
    temporary = TEMPORARY.format(temporary=str(tmp_path / "temporary"))
    nowhere = str(tmp_path / ("too long a name " * 20))  # nobody can look there, as where others forbid it
    ended = program.run(temporary + ONE.format(number=0) + "assert analytics.flush(20)\n", offline_dir=nowhere)
    assert (ended.code, numbers(server)) == (0, [0]), ended.errors
    ended = program.run(temporary + QUEUE.format("status"), offline_dir=nowhere)
    assert (ended.code, "more events may wait in" in ended.errors) == (1, True)


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
