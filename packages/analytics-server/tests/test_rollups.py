"""What rollups answer for whole days equals a plain recomputation while sketches hold few; who must not ask them."""

import itertools
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import reference
from asking import NOON, RANGE, Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs
from reference_measures import LEVELS

from shockmouse_analytics_server.breakdown import Breakdown, breakdown
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.filters import compile_filters, parse
from shockmouse_analytics_server.migrate import FOLDER, up
from shockmouse_analytics_server.question import Question
from shockmouse_analytics_server.ranges import Range
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.vitals import Vitals, vitals

pytestmark = pytest.mark.engine

NUMBERS = itertools.count()
MONTH = datetime(2026, 4, 1, tzinfo=UTC)
KINDS = {(0,): (False,), (1,): (True,), (0, 1): (False, True)}
DIMENSIONS = ["path", "country", "browser", "referrer_host"]
DEEDS = ("track", "click", "form")
METRICS = ["visitors", "sessions", "pageviews", "events"]


class Seen(Struct, frozen=True):
    """One event, some hours from a change of month, of the partition too; whole weeks lie on both sides of it."""

    hours: float
    into_session: float
    device: int
    type: str
    name: str
    values: tuple[str, ...]
    is_bot: bool


seen = st.builds(
    Seen,
    hours=st.integers(-400 * 4, 400 * 4).map(lambda quarters: quarters / 4) | st.floats(-60, 60) | st.floats(-1, 1),
    into_session=st.floats(0, 23),
    device=st.integers(0, 5),
    type=st.sampled_from(["page", "screen", "track", "click", "form", "performance"]),
    name=st.sampled_from(["", "Bought", "Pricing"]),
    values=st.tuples(*[st.sampled_from(["", "a", "b"])] * len(DIMENSIONS)),
    is_bot=st.sampled_from([False, False, False, True]),
)
measures = st.tuples(
    st.sampled_from(["LCP", "CLS", "render report"]),
    st.sampled_from(["/", "/a"]),
    st.integers(0, 40).map(lambda value: value / 8),
    st.sampled_from([1.0, 0.5, 0.4, 0.1]),
    st.sampled_from(["value", "duration_ms"]),
)


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Any:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def row_of(one: Seen, project: str) -> Row:
    at = MONTH + timedelta(hours=round(one.hours, 3))
    return event(
        project=project,
        at=at,
        session_started=at - timedelta(hours=round(one.into_session, 3)),
        device_id=f"device-{one.device}",
        type=one.type,
        name=one.name,
        bot="crawler" if one.is_bot else "",
        **dict(zip(DIMENSIONS, one.values, strict=True)),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    history=st.lists(seen, min_size=1, max_size=25),
    late=st.lists(seen, max_size=5),
    ends=st.tuples(*[st.floats(-70, 70) | st.floats(-420, 420)] * 2).map(sorted),
    whole=st.booleans(),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns"]),
    kinds=st.sampled_from(list(KINDS)),
)
def test_a_breakdown_by_day_equals_a_recomputation(
    asker: Asker,
    shared: Any,
    history: list[Seen],
    late: list[Seen],
    ends: list[float],
    whole: bool,
    zone: str,
    kinds: tuple[int, ...],
) -> None:
    """Ranges begin and end on a zone's days or anywhere, within a week or weeks apart; what is late is a block more."""
    project = f"rollups{next(NUMBERS)}"
    asker.add_project(project)
    rows = [row_of(one, project) for one in history]
    asker.store(*rows)
    if late:
        asker.store(*(more := [row_of(one, project) for one in late]))
        rows += more
    start, end = (MONTH + timedelta(hours=round(hours)) for hours in ends)
    if whole:
        start, end = (datetime(at.year, at.month, at.day, tzinfo=ZoneInfo(zone)).astimezone(UTC) for at in (start, end))
    question = Question(project=asker.project(project), range=Range(start, end, ZoneInfo(zone)), kinds=kinds)
    of_deeds = structs.replace(question, conditions=compile_filters([parse(f"type:is:{'|'.join(DEEDS)}")]))
    seen_rows = [row for row in rows if (row.bot != "") in KINDS[kinds]]
    everything = reference.World(seen_rows, start, end)
    deeds = reference.World([row for row in seen_rows if row.type in DEEDS], start, end)
    asked = [(name, question, everything) for name in DIMENSIONS] + [("name", of_deeds, deeds)]

    async def ask(database: Database) -> list[Breakdown]:
        return [
            await breakdown(database, each, dimension=name, metrics=METRICS, limit=100, offset=0, counted_one_by_one=-1)
            for name, each, _ in asked
        ]

    for (name, _, world), found in zip(asked, shared.run(ask, read_only=True), strict=True):
        expected = reference.breakdown_of_events(world, lambda row, name=name: getattr(row, name))
        assert {row["value"]: {metric: row[metric] for metric in METRICS} for row in found.rows} == {
            value: {metric: row[metric] for metric in METRICS} for value, row in expected.items()
        }
        assert not found.exact


def test_sampled_devices_are_counted_one_by_one(asker: Asker, shared: Any) -> None:
    asker.store(event(device_id="one", sample_rate=0.5), event(device_id="two"), event(device_id="three"))
    question = Question(
        project=asker.project("shop"), range=Range(NOON - timedelta(2), NOON + timedelta(2), ZoneInfo("UTC"))
    )

    async def ask(database: Database) -> Breakdown:
        return await breakdown(
            database, question, dimension="path", metrics=["visitors"], limit=9, offset=0, counted_one_by_one=-1
        )

    assert shared.run(ask, read_only=True) == Breakdown([{"path": "/", "value": "/", "visitors": 4}], None, True)


def test_few_events_are_exact_and_counts_of_events_always(asker: Asker) -> None:
    asker.store(*(event(device_id=f"device {number}") for number in range(5000)))
    for metrics in ("visitors", "sessions,events"):
        answer = asker.ask("/breakdown", RANGE | {"dimension": "path", "metrics": metrics})
        assert (answer["exact"], [row[metrics.partition(",")[0]] for row in answer["rows"]]) == (True, [5000])


def test_many_visitors_are_a_sketch_that_says_so(asker: Asker, shared: Any) -> None:
    asker.store(*(event(device_id=f"device {number}") for number in range(20_000)))
    question = Question(
        project=asker.project("shop"), range=Range(NOON - timedelta(2), NOON + timedelta(2), ZoneInfo("UTC"))
    )

    async def ask(database: Database) -> Breakdown:
        return await breakdown(
            database, question, dimension="path", metrics=METRICS, limit=9, offset=0, counted_one_by_one=10_000
        )

    found = shared.run(ask, read_only=True)
    (row,) = found.rows
    assert not found.exact
    assert (row["events"], row["pageviews"]) == (20_000, 20_000)
    assert row["visitors"] == pytest.approx(20_000, rel=0.07)
    assert row["sessions"] == pytest.approx(20_000, rel=0.07)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seen=st.lists(measures, min_size=1, max_size=25),
    scale=st.sampled_from([1, 1e-4, -3, 1e6]),
    hours=st.integers(0, 48),
)
def test_percentiles_by_day_are_within_one_percent(
    asker: Asker, shared: Any, seen: list[tuple[str, str, float, float, str]], scale: float, hours: int
) -> None:
    """The rollup weighs, and the hours before its first whole day come from the events."""
    project = f"vitals{next(NUMBERS)}"
    asker.add_project(project)
    start, end = NOON - timedelta(hours=hours), NOON + timedelta(hours=48)
    groups: dict[tuple[str, str], list[tuple[float, Fraction]]] = defaultdict(list)
    rows = []
    for number, (name, path, value, rate, key) in enumerate(seen):
        at = start + (end - start) * number / len(seen)
        columns = {"type": "performance", "name": name, "path": path, "sample_rate": rate}
        rows.append(event(project=project, at=at, properties={key: value * scale}, **columns))
        groups[name, path].append((value * scale, reference.WEIGHTS[rate]))
    asker.store(*rows)
    asked = Question(project=asker.project(project), range=Range(start, end, ZoneInfo("UTC")))

    async def ask(database: Database) -> Vitals:
        return await vitals(database, asked, dimension="path", limit=100, offset=0, measured_one_by_one=-1)

    found = shared.run(ask, read_only=True)
    assert not found.exact
    assert {(row["name"], row["path"]): [row[name] for name in LEVELS] for row in found.rows} == {
        key: [
            pytest.approx(float(reference.percentile(values, level)), rel=0.01, abs=1e-6) for level in LEVELS.values()
        ]
        for key, values in groups.items()
    }
    assert {(row["name"], row["path"]): row["events"] for row in found.rows} == {
        key: reference.half_up(sum((weight for _, weight in values), Fraction(0))) for key, values in groups.items()
    }


def test_names_of_events_that_were_there_before_are_counted(database: Any, tmp_path: Path) -> None:
    for file in sorted(FOLDER.glob("*.sql"))[:7]:
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    insert = """
insert into events (project, at, event_id, batch_id, type, name, sample_rate, device_id, rollup_retention)
select 'shop', toDateTime64('2026-03-20 00:00:00', 3, 'UTC') + number * 3600, generateUUIDv4(), generateUUIDv4(),
    ['track', 'page', 'click', 'performance'][number % 4 + 1], concat('name ', toString(number % 3)), 0.5,
    toString(number % 7), 0 from numbers(600)
"""
    counted = """
select type, name, day, retention, sum(events), sum(sampled), uniqCombinedMerge(12)(visitors) from counts_by_name
group by all order by all
"""
    expected = """
select type, name, toDate(at) as day, 0 as retention, sum(2), count(), uniq(device_id) from events
where type in ('track', 'click') group by all order by all
"""

    async def scenario(opened: Database) -> list[Any]:
        await up(opened, folder=tmp_path)
        await opened.execute(insert)
        await up(opened)
        await opened.execute(insert)
        return [[tuple(row.values()) for row in await opened.fetch(sql)] for sql in (counted, expected)]

    found, wanted = database.run(scenario)
    assert found == wanted
    assert len(found) > 100
