"""Cohorts against plain Python, in time zones, and against ClickHouse's own retention function."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import Asker, event

pytestmark = pytest.mark.engine

BORDER = datetime(2026, 3, 29, tzinfo=UTC)  # Paris puts its clock forward an hour later


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


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
