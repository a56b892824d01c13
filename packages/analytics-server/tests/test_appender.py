"""Group commit: every caller gets its own answer, and many share one fsync."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from shockmouse_analytics_server import appender as appenders
from shockmouse_analytics_server.appender import Appender
from shockmouse_analytics_server.errors import BatchReusedError, SpoolFullError
from shockmouse_analytics_server.spool import Appended, Entry, Spool

from .spooled import entry_of, make_entry, make_row, open_spool

T = TypeVar("T")


def with_appender(spool: Spool, scenario: Callable[[Appender], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with Appender(spool) as appender:
            return await scenario(appender)

    return asyncio.run(inside())


async def append_all(appender: Appender, entries: list[Entry]) -> list[Appended | BaseException]:
    return await asyncio.gather(*(appender.append(entry) for entry in entries), return_exceptions=True)


def large_entry(events: int) -> Entry:
    """Return a batch of so many times one row: to make each anew takes longer than to append it."""
    return entry_of([make_row()] * events)


def commits(spool: Spool) -> int:
    with spool.file.reading() as connection:
        return int(connection.execute("select count(*) from pieces").fetchone()[0])


def test_many_callers_share_few_commits_and_each_gets_its_answer(tmp_path: Path) -> None:
    entries = [make_entry(number % 3 + 1) for number in range(200)]
    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, lambda appender: append_all(appender, entries))
        assert answers == [Appended(number % 3 + 1, 0) for number in range(200)]
        assert commits(spool) <= 3
        assert spool.status().rows == sum(answer.accepted for answer in answers if isinstance(answer, Appended))


def test_a_group_is_bounded(tmp_path: Path) -> None:
    entries = [large_entry(appenders.GROUP_EVENTS // 2) for _ in range(5)]
    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, lambda appender: append_all(appender, entries))
        assert answers == [Appended(appenders.GROUP_EVENTS // 2, 0)] * 5


def test_duplicates_and_reused_ids_are_told_to_whom_they_concern(tmp_path: Path) -> None:
    first, other = make_entry(2), make_entry(1)
    reused = make_entry(1, batch_id=first.batch_id)
    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, lambda appender: append_all(appender, [first, first, reused, other]))
    assert answers[:2] + answers[3:] == [Appended(2, 0), Appended(0, 2), Appended(1, 0)]
    assert isinstance(answers[2], BatchReusedError)


def test_a_batch_that_cannot_be_encoded_fails_alone(tmp_path: Path) -> None:
    bad = entry_of([make_row(properties=object())], batch_id=uuid.uuid4())
    entries = [make_entry(1), bad, make_entry(1)]
    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, lambda appender: append_all(appender, entries))
        assert (answers[0], answers[2]) == (Appended(1, 0), Appended(1, 0))
        assert isinstance(answers[1], TypeError)
        assert spool.status().rows == 2


def test_what_waits_for_the_disk_is_bounded(tmp_path: Path) -> None:
    entries = [large_entry(appenders.WAITING_EVENTS // 4) for _ in range(6)]
    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, lambda appender: append_all(appender, entries))
    assert [isinstance(answer, SpoolFullError) for answer in answers] == [False] * 4 + [True] * 2


def test_a_caller_that_has_gone_changes_nothing_for_the_others(tmp_path: Path) -> None:
    async def scenario(appender: Appender) -> list[Appended | BaseException]:
        tasks = [asyncio.create_task(appender.append(make_entry(1))) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with open_spool(tmp_path) as spool:
        answers = with_appender(spool, scenario)
        assert [answer for answer in answers if answer != Appended(1, 0)] == [answers[2]]
        assert isinstance(answers[2], asyncio.CancelledError)
        assert spool.status().rows == 5


def test_leaving_waits_for_the_commit_under_way(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:

        async def scenario() -> Appended:
            async with Appender(spool) as appender:
                waiting = asyncio.create_task(appender.append(make_entry(100)))
                await asyncio.sleep(0)
            return await waiting

        assert asyncio.run(scenario()) == Appended(100, 0)


def test_a_full_spool_is_told_to_all_and_the_process_stays(tmp_path: Path) -> None:
    async def scenario(appender: Appender) -> bool:
        answers = await append_all(appender, [make_entry(5), make_entry(5)])
        assert [type(answer) for answer in answers] == [SpoolFullError] * 2
        with pytest.raises(SpoolFullError):
            await appender.probe()
        return appender.broken.is_set()

    with open_spool(tmp_path, max_bytes=0) as spool:
        assert with_appender(spool, scenario) is False
