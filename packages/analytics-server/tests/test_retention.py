"""Cohorts against plain Python, in time zones, and against ClickHouse's own retention function."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import reference
from asking import Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

NUMBERS = itertools.count()
BORDER = datetime(2026, 3, 29, tzinfo=UTC)  # Paris puts its clock forward an hour later
begun = st.builds(
    event,
    at=st.integers(-240, 240).map(lambda hours: BORDER + timedelta(hours=hours / 2)),
    device_id=st.sampled_from("abcd"),
    session_id=st.uuids().map(str),
    path=st.sampled_from(["/", "/a"]),
    sample_rate=st.sampled_from([1.0, 0.5, 0.4]),
    bot=st.sampled_from(["", "", "", "crawler"]),
)


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def own(row: Row, project: str) -> Row:
    row.project = project
    return row


def expected(world: reference.World, zone: ZoneInfo, interval: str) -> list[dict[str, Any]]:
    labels = list(reference.timeseries(world, zone=zone, interval=interval))
    visits: dict[str, list[tuple[str, Fraction]]] = defaultdict(list)
    for rows in world.began():
        visit = reference.visit_of(rows, rows)
        visits[visit.device_id].append((reference.label(reference.utc(rows[0].at), zone, interval), visit.weight))
    found = []
    for number, cohort in enumerate(labels):
        members = [one for one in visits.values() if min(labels.index(name) for name, _ in one) == number]
        counts = [
            sum(
                (min(weight for _, weight in one) for one in members if later in {name for name, _ in one}), Fraction(0)
            )
            for later in labels[number:]
        ]
        found.append({
            "start": cohort,
            "visitors": reference.half_up(counts[0]),
            "returned": [reference.half_up(count) for count in counts],
            "retention": pytest.approx([float(count / counts[0]) if counts[0] else 0 for count in counts]),
        })  # fmt: skip
    return found


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(begun, max_size=15),
    zone=st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata"]),
    interval=st.sampled_from(["day", "week", "month"]),
    bots=st.sampled_from(["exclude", "include"]),
    is_filtered=st.booleans(),
)
def test_cohorts_equal_a_recomputation(
    asker: Asker, rows: list[Row], zone: str, interval: str, bots: str, is_filtered: bool
) -> None:
    project = f"cohorts{next(NUMBERS)}"
    asker.add_project(project)
    rows = [own(row, project) for row in rows]
    asker.store(*rows)
    start, end = BORDER - timedelta(days=4), BORDER + timedelta(days=4, hours=5)
    visible = [row for row in rows if bots == "include" or not row.bot]
    world = reference.World(visible, start, end, lambda row: not is_filtered or row.path == "/a")
    asked = {"from": start.isoformat(), "to": end.isoformat(), "timezone": zone, "interval": interval, "bots": bots}
    answer = asker.ask("/retention", asked | ({"filter": "path:is:/a"} if is_filtered else {}), key=project)
    assert answer == {"rows": expected(world, ZoneInfo(zone), interval), "next": None, "exact": True}


def test_the_first_cohort_equals_the_databases_own(asker: Asker, shared: Any) -> None:
    days = {"a": [0, 1, 3], "b": [0, 3], "c": [1, 2], "d": [0], "e": [3]}
    asker.store(*(
        event(at=BORDER + timedelta(days=day), device_id=device, session_id=str(day))
        for device, active in days.items() for day in active
    ))  # fmt: skip
    is_day = ", ".join(f"toDate(at) = toDate('2026-03-29') + {day}" for day in range(4))
    sql = f"""
        select sumForEach(came) as counts from
        (select retention({is_day}) as came from events where project = {{project:String}} group by device_id)"""

    async def ask(database: Any) -> Any:
        return await database.fetch(sql, params={"project": asker.project("shop")})

    rows = asker.ask("/retention", {"from": "2026-03-29", "to": "2026-04-02", "interval": "day"})["rows"]
    assert rows[0]["returned"] == shared.run(ask)[0]["counts"] == [3, 1, 0, 2]
    assert [row["visitors"] for row in rows] == [3, 1, 0, 1]


def test_an_empty_range_has_no_cohorts_and_too_many_are_refused(asker: Asker) -> None:
    assert asker.ask("/retention", {"from": "2026-03-29", "to": "2026-03-29"})["rows"] == []
    asked = {"from": "2024-01-01", "to": "2026-01-01", "interval": "day"}
    assert asker.refusal("/retention", asked)[:2] == (422, "too_many_intervals")
    assert asker.refusal("/retention", {"interval": "hour"})[:2] == (400, "unknown_interval")
