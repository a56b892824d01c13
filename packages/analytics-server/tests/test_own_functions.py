"""A second reference, which is not ours: ClickHouse's own functions asked of the raw events, on random data."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import Asker, event

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

START = datetime(2026, 3, 28, tzinfo=UTC)
DAYS = 7
SETS = 12
RANGE = {"from": START.isoformat(), "to": (START + timedelta(days=DAYS)).isoformat()}
NAMES = ("one", "two", "three")
TOTALS = """
select uniqExact(device_id) as visitors, uniqExact(device_id, session_id) as sessions, count() as events,
countIf(type in ('page', 'screen')) as pageviews from events where project = {project:String}
"""
PAGES = """
select path as value, uniqExact(device_id) as visitors, uniqExact(device_id, session_id) as sessions, count() as events
from events where project = {project:String} group by path order by visitors desc, path
"""
# Of an odd number of values no share is whole, where the definitions differ.
MEASURES = """
select name, count() as events,
quantilesExact(0.5, 0.75, 0.95, 0.99)(toFloat64(properties.value)) as percentiles
from events where project = {project:String} and type = 'performance' group by name order by events desc, name
"""
FUNNEL = """
select [countIf(level >= 1), countIf(level >= 2), countIf(level >= 3)] as counts from (
select windowFunnel({window:UInt64})(toUnixTimestamp64Milli(at)::UInt64, name = 'one', name = 'two', name = 'three')
as level from events where project = {project:String} group by device_id)
"""
COHORT = """
select sumForEach(came) as counts from (
select retention(day = {day:Date} and first = {day:Date}, day = {day:Date} + 1, day = {day:Date} + 2,
    day = {day:Date} + 3, day = {day:Date} + 4) as came from (
select device_id, day, min(day) over (partition by device_id) as first from (
select device_id, toDate(min(at)) as day from events where project = {project:String} group by device_id, session_id))
group by device_id)
"""


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def history(project: str, dice: random.Random) -> list[Row]:
    """Return the events of some devices, each at a time of its own, and an odd number of measures of each name."""
    rows = []
    for device in range(dice.randrange(1, 40)):
        for session in range(dice.randrange(1, 5)):
            begun = START + timedelta(milliseconds=dice.randrange((DAYS * 86_400 - 7200) * 1000))
            common = {"project": project, "device_id": f"d{device}", "session_id": f"s{session}"}
            times = sorted(dice.sample(range(7_200_000), dice.randrange(1, 9)))
            rows += [
                event(**common, at=begun + timedelta(milliseconds=ms), session_started=begun,
                      path=dice.choice(["/", "/a", "/b"]), type=dice.choice(["page", "screen", "track"]),
                      name=dice.choice(NAMES))
                for ms in times
            ]  # fmt: skip
    for name in ("LCP", "CLS"):
        rows += [
            event(project=project, device_id="d0", session_id="s0", type="performance", name=name, path="/",
                  at=rows[0].at, session_started=rows[0].session_started, properties={"value": dice.random()})
            for _ in range(1 + 2 * dice.randrange(60))
        ]  # fmt: skip
    return rows


def test_answers_equal_what_clickhouse_says_itself(asker: Asker, shared: Any) -> None:
    seed = int(os.environ.get("SHOCKMOUSE_TEST_SEED") or random.randrange(2**32))
    dice = random.Random(seed)
    asker.store(*(row for number in range(SETS) for row in history(f"own{number}", dice)))

    async def ask_it(database: Any, sql: str, project: str, **params: object) -> Any:
        return await database.fetch(sql, params={"project": asker.project(project), **params})

    async def ask_all(database: Any) -> list[dict[str, Any]]:
        return [
            {
                "totals": (await ask_it(database, TOTALS, project))[0],
                "pages": await ask_it(database, PAGES, project),
                "measures": await ask_it(database, MEASURES, project),
                "funnels": [
                    (await ask_it(database, FUNNEL, project, window=seconds * 1000))[0]["counts"]
                    for seconds in (60, 3600, 86_400)
                ],
                "cohorts": [
                    (await ask_it(database, COHORT, project, day=(START + timedelta(days=day)).date()))[0]["counts"]
                    for day in range(3)
                ],
            }
            for project in (f"own{number}" for number in range(SETS))
        ]

    for number, right in enumerate(shared.run(ask_all)):
        project = f"own{number}"
        asker.add_project(project)
        told = ours(asker, project)
        assert told == right, f"SHOCKMOUSE_TEST_SEED={seed}"


def ours(asker: Asker, project: str) -> dict[str, Any]:
    """Return our answers in the shapes of ClickHouse's."""
    steps = [{"name": name} for name in NAMES]
    pages = {"dimension": "path", "metrics": "visitors,sessions,events"}
    stats, groups, measures, retention, *funnels = asker.ask_each(
        [
            ("/stats", RANGE, None),
            ("/breakdown", RANGE | pages, None),
            ("/vitals", RANGE, None),
            ("/retention", RANGE | {"interval": "day"}, None),
            *(("/funnel", RANGE, {"steps": steps, "window_seconds": seconds}) for seconds in (60, 3600, 86_400)),
        ],
        key=project,
    )
    return {
        "totals": {name: stats[name] for name in ("visitors", "sessions", "events", "pageviews")},
        "pages": [{name: row[name] for name in ("value", "visitors", "sessions", "events")} for row in groups["rows"]],
        "measures": [
            {
                "name": row["name"],
                "events": row["events"],
                "percentiles": [row[of] for of in ("p50", "p75", "p95", "p99")],
            }
            for row in measures["rows"]
        ],
        "funnels": [[row["count"] for row in funnel["rows"]] for funnel in funnels],
        "cohorts": [retention["rows"][day]["returned"][:5] for day in range(3)],
    }
