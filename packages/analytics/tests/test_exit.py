"""However a program ends, its events are delivered or on disk, and it ends within a second."""

import signal
import time

import pytest

TRACK = """
from shockmouse_analytics import Analytics
analytics = Analytics()
for number in range({events}):
    analytics.track("counted", {{"number": number}})
"""
ENDING = "import time; print('ending', time.time(), flush=True)\n"
DELIVER = "from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(30)\n"


def numbers(server):
    return sorted(event["properties"]["number"] for event in server.events)


def test_a_script_that_just_ends_delivers_everything(program, server):
    ended = program.run(TRACK.format(events=1000) + ENDING)
    assert (ended.code, ended.errors) == (0, "")
    assert ended.exit_seconds < 1.5  # of which the interpreter itself needs a part
    assert numbers(server) == list(range(1000))


@pytest.mark.parametrize("reply", ["hang", (500, {}, {}), (401, {}, {})])
def test_what_a_bad_server_does_not_take_is_on_disk(program, server, reply):
    server.reply = lambda number, body: reply
    ended = program.run(TRACK.format(events=1000) + ENDING)
    warnings = 0 if reply == "hang" else 2  # told when it happens and at the end, if the answer came in time
    assert (ended.code, len(ended.errors.splitlines()) <= warnings) == (0, True)
    assert ended.exit_seconds < 1.5
    server.reply = lambda number, body: None
    assert program.run(DELIVER).code == 0
    assert numbers(server) == list(range(1000))


def test_programs_that_all_end_at_once_lose_nothing(program, server):
    running = [program.start(TRACK.format(events=10)) for _ in range(24)]  # far more than a small machine has cores
    for process in running:
        process.communicate(timeout=120)
    assert [process.returncode for process in running] == [0] * len(running)
    assert program.run(DELIVER).code == 0
    assert numbers(server) == sorted([*range(10)] * len(running))


def test_what_an_absent_server_does_not_take_is_on_disk(program, server):
    server.stop()
    ended = program.run(TRACK.format(events=1000) + ENDING)
    assert (ended.code, len(ended.errors.splitlines()) <= 2) == (0, True)  # as above
    assert ended.exit_seconds < 1.5
    server.start()
    assert program.run(DELIVER).code == 0
    assert numbers(server) == list(range(1000))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_loses_at_most_the_last_quarter_of_a_second(program, server, number):
    server.stop()
    steady = """
import time
from shockmouse_analytics import Analytics
analytics = Analytics()
for number in range(100_000):
    analytics.track("counted", {"number": number})
    print(number, time.time(), flush=True)
    time.sleep(0.002)
"""
    process = program.start(steady, flush_seconds="0.5")
    tracked = [process.stdout.readline().split() for _ in range(600)]
    process.send_signal(number)
    killed_at = time.time()
    output, _ = process.communicate(timeout=20)
    tracked += [line.split() for line in output.splitlines() if len(line.split()) == 2]
    safe = [int(count) for count, at in tracked if float(at) < killed_at - 0.25]
    server.start()
    assert program.run(DELIVER).code == 0
    found = numbers(server)
    assert len(found) == len(set(found))
    assert found[: len(safe)] == safe


def test_an_event_of_an_exit_handler_is_not_lost(program, server):
    ended = program.run(
        """
import atexit
from shockmouse_analytics import Analytics
analytics = Analytics()
atexit.register(lambda: analytics.track("counted", {"number": 0}))
"""
    )
    assert (ended.code, ended.errors) == (0, "")
    assert program.run(DELIVER).code == 0
    assert numbers(server) == [0]


def test_an_asyncio_program_that_ends_its_loop_first_delivers(program, server):
    ended = program.run(
        """
import asyncio
from shockmouse_analytics import Analytics
analytics = Analytics()
async def main():
    analytics.track("counted", {"number": 0})
    assert await analytics.aflush(10)
    analytics.track("counted", {"number": 1})
asyncio.run(main())
"""
    )
    assert (ended.code, ended.errors) == (0, "")
    assert numbers(server) == [0, 1]


def test_a_failing_program_still_delivers(program, server):
    ended = program.run(TRACK.format(events=10) + "raise SystemExit(3)")
    assert (ended.code, ended.errors) == (3, "")
    assert numbers(server) == list(range(10))
