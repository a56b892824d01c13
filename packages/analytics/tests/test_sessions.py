"""A session goes on while something happens, ends after a pause or a day, and never splits between threads."""

import os
import threading
from datetime import UTC, datetime

import pytest

from shockmouse_analytics.session import Session, Sessions

WALL = 1_800_000_000.0
MINUTE = 60.0
HOUR = 60 * MINUTE


def at(sessions: Sessions, seconds: float, *, asleep: float = 0.0) -> Session:
    """Touch the session `seconds` after the start, of which the machine slept `asleep`."""
    return sessions.touch(5.0 + seconds - asleep, WALL + seconds)


def test_events_within_the_pause_share_a_session() -> None:
    sessions = Sessions(minutes=30)
    first = at(sessions, 0)
    assert [at(sessions, seconds) for seconds in (1, 30 * MINUTE, 60 * MINUTE)] == [first] * 3
    assert first.started_at == datetime.fromtimestamp(WALL, UTC)


def test_a_longer_pause_begins_a_new_session() -> None:
    sessions = Sessions(minutes=30)
    first, second = at(sessions, 0), at(sessions, 30 * MINUTE + 1)
    assert second.id != first.id
    assert second.started_at == datetime.fromtimestamp(WALL + 30 * MINUTE + 1, UTC)


def test_a_pause_counts_while_the_machine_sleeps() -> None:
    sessions = Sessions(minutes=30)
    first = at(sessions, 0)
    assert at(sessions, 8 * HOUR, asleep=8 * HOUR - 1).id != first.id


def test_setting_the_wall_clock_back_does_not_end_a_session() -> None:
    sessions = Sessions(minutes=30)
    first = sessions.touch(5.0, WALL)
    assert [sessions.touch(6.0, WALL - HOUR), sessions.touch(7.0, WALL - HOUR + 1)] == [first] * 2


def test_a_session_ends_after_a_day_even_when_busy() -> None:
    sessions = Sessions(minutes=30)
    ids = [at(sessions, minutes * MINUTE).id for minutes in range(0, 24 * 60 + 20, 10)]
    assert [index for index in range(1, len(ids)) if ids[index] != ids[index - 1]] == [145]


def test_reset_begins_a_new_session_once() -> None:
    sessions = Sessions(minutes=30)
    first = at(sessions, 0)
    sessions.reset()
    second, third = at(sessions, 1), at(sessions, 2)
    assert second.id != first.id
    assert third == second


def test_ids_are_short_enough_for_the_protocol_and_never_repeat() -> None:
    sessions = Sessions(minutes=30)
    ids = [at(sessions, hours * HOUR).id for hours in range(100)]
    assert {len(one) for one in ids} == {32}
    assert len(set(ids)) == 100


def test_threads_that_begin_a_session_at_once_agree() -> None:
    for _ in range(50):
        sessions, barrier = Sessions(minutes=30), threading.Barrier(8)
        seen: list[str] = []

        def touch(sessions: Sessions = sessions, barrier: threading.Barrier = barrier, seen: list[str] = seen) -> None:
            barrier.wait()
            seen.append(at(sessions, 0).id)

        threads = [threading.Thread(target=touch) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [at(sessions, 1).id] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_goes_on_with_the_session() -> None:
    sessions = Sessions(minutes=30)
    first = at(sessions, 0)
    readable, writable = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writable, at(sessions, 1).id.encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        assert answer.read() == first.id
    assert os.waitpid(child, 0)[1] == 0
