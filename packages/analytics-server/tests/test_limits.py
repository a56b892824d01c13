"""What a question may take: over a limit it is told which, and what to narrow; and questions take turns."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.clickhouse import QUERY_LIMITS, Database
from shockmouse_analytics_server.errors import QuestionError
from shockmouse_analytics_server.turns import Turns

RANGE_WORDS = "Narrow the range, now from 2026-03-01T00:00:00.000Z to 2026-04-01T00:00:00.000Z (31.0 days)"


@pytest.fixture(scope="module")
def askers(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asker]]:
    """The query API with one of its limits set low, by the limit's name; its project has 3000 events."""
    limits = {"max_rows_to_read": 100, "max_execution_time": 0.001, "max_memory_usage": 100_000, "max_result_rows": 10}
    rows = [event(at=NOON + timedelta(seconds=n), path=f"/{n}", properties={"n": n}) for n in range(3000)]
    askers = {}
    for name, low in limits.items():
        settings = {**QUERY_LIMITS, name: low}
        engine = shared.engine
        asking = Database(url=engine.url, socket_path=engine.socket_path, user=engine.user, password=engine.password,
                          database=shared.name, settings=settings)  # fmt: skip
        askers[name] = Asker(shared.open(), asking, tmp_path_factory.mktemp("limits"))
    try:
        for asker in askers.values():
            asker.__enter__()
            asker.store(*rows)
        yield askers
    finally:
        for asker in askers.values():
            asker.__exit__()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("max_rows_to_read", "it would look at more than 1,000,000,000 events"),
        ("max_execution_time", "it takes more than 20 seconds"),
        ("max_memory_usage", "it takes more than 1.5 GB of memory"),
        ("max_result_rows", "its answer has more than 1,000,000 rows or is too large"),
    ],
)
def test_each_limit_is_told_with_what_to_narrow(askers: dict[str, Asker], limit: str, words: str) -> None:
    asked = RANGE | {"dimension": "property.n", "limit": 1000}
    ways = (
        f"{RANGE_WORDS}; add a filter, such as type:is:page or name:is:…; "
        "take a dimension with fewer values than property.n; ask for fewer rows than limit=1000"
    )
    told = askers[limit].refusal("/breakdown", asked)
    assert told == (422, "over_limits", f"the question is too large: {words}. {ways}")


@pytest.mark.engine
@pytest.mark.parametrize("limit", ["max_rows_to_read", "max_memory_usage"])
def test_filters_intervals_and_bodies_are_named(askers: dict[str, Asker], limit: str) -> None:
    status, code, reason = askers[limit].refusal(
        "/timeseries", RANGE | {"interval": "hour", "filter": "property.n:gt:5", "to": "2026-03-15"}
    )
    assert (status, code) == (422, "over_limits")
    assert reason.endswith(
        "to 2026-03-15T00:00:00.000Z (14.0 days); filter by type or name beside property.n; "
        "take longer intervals than hour"
    )
    body = {"steps": [{"type": "page"}, {"name": "x"}], "filter": ["type:is:page"], **RANGE}
    status, code, reason = askers[limit].refusal("/funnel", body=body)
    assert (status, code, reason.partition(". ")[2]) == (422, "over_limits", RANGE_WORDS)


@pytest.mark.engine
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_export_may_look_at_everything(askers: dict[str, Asker], form: str) -> None:
    for limit in ("max_rows_to_read", "max_result_rows"):
        assert askers[limit].response("/export", RANGE | {"format": form}).status_code == 200


async def wait_for_turns(turns: Turns, projects: list[str], seconds: float = 0.01) -> list[str]:
    """Return who had a turn, in that order; a project whose question was refused stands there with a !."""
    had: list[str] = []

    async def ask(project: str) -> None:
        try:
            async with turns.turn(project):
                had.append(project)
                await asyncio.sleep(seconds)
        except QuestionError as exc:
            had.append(f"!{project}" if exc.status == 503 else exc.code)

    await asyncio.gather(*(ask(project) for project in projects))
    return had


def test_projects_take_turns() -> None:
    had = asyncio.run(wait_for_turns(Turns(running=1), ["a", "a", "a", "a", "b", "c", "b"]))
    assert had == ["a", "a", "b", "c", "a", "b", "a"]


def test_who_would_wait_behind_too_many_is_refused_at_once() -> None:
    had = asyncio.run(wait_for_turns(Turns(running=2, waiting=1), ["a", "b", "a", "b", "c"]))
    assert had == ["a", "b", "!b", "!c", "a"]


def test_nobody_waits_for_ever_and_every_turn_comes_back() -> None:
    async def scenario() -> list[str]:
        turns = Turns(running=1, wait_seconds=0.05)
        had = await wait_for_turns(turns, ["a", "b", "c"], seconds=0.2)
        gone = [asyncio.create_task(wait_for_turns(turns, [name], seconds=5)) for name in "de"]
        await asyncio.sleep(0.01)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        return had + await wait_for_turns(turns, ["f", "g"])

    assert asyncio.run(scenario()) == ["a", "!b", "!c", "f", "g"]


def test_a_turn_that_fails_comes_back() -> None:
    async def scenario() -> list[str]:
        turns = Turns(running=1)
        with pytest.raises(ZeroDivisionError):
            async with turns.turn("a"):
                raise ZeroDivisionError
        return await wait_for_turns(turns, ["b"])

    assert asyncio.run(scenario()) == ["b"]
