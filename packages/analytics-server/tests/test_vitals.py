"""Percentiles of web vitals and of any performance measure, against plain Python and ClickHouse's own quantiles."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

LEVELS = {"p50": Fraction(1, 2), "p75": Fraction(3, 4), "p95": Fraction(95, 100), "p99": Fraction(99, 100)}


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def measure(**overrides: Any) -> Row:
    return event(**{"type": "performance", "name": "LCP", "properties": {"value": 1.5}} | overrides)


def test_percentiles_equal_the_databases_own(asker: Asker, shared: Any) -> None:
    values = [math.sin(number) for number in range(101)]  # no share of 101 is whole, where definitions differ
    asker.store(*(measure(properties={"value": value}) for value in values))

    async def ask(database: Any) -> Any:
        sql = (
            "select quantilesExact(0.5, 0.75, 0.95, 0.99)(toFloat64(properties.value)) as found from events"
            " where project = {project:String}"
        )
        return await database.fetch(sql, params={"project": asker.project("shop")})

    row = asker.ask("/vitals", RANGE)["rows"][0]
    assert [row[name] for name in LEVELS] == shared.run(ask)[0]["found"]


def test_measures_are_filtered_paged_and_ordered_by_frequency(asker: Asker) -> None:
    asker.store(measure(name="CLS"), measure(name="LCP"), measure(name="LCP"), measure(name="TTFB", bot="crawler"))
    row = {"p50": 1.5, "p75": 1.5, "p95": 1.5, "p99": 1.5}
    assert asker.ask("/vitals", RANGE | {"limit": 1}) == {
        "rows": [{"name": "LCP", "events": 2} | row], "next": 1, "exact": True,
    }  # fmt: skip
    assert asker.ask("/vitals", RANGE | {"limit": 1, "offset": 1})["rows"] == [{"name": "CLS", "events": 1} | row]
    assert asker.ask("/vitals", RANGE | {"filter": "name:is:CLS"})["rows"] == [{"name": "CLS", "events": 1} | row]


def test_what_is_no_number_or_no_measure_is_left_out(asker: Asker) -> None:
    wrong: list[dict[str, Any]] = [{}, {"value": "fast"}, {"value": [1]}, {"value": "inf"}, {"value": "nan"}]
    asker.store(*(measure(properties=properties) for properties in wrong), event(type="track", properties={"value": 1}))
    asker.store(measure(properties={"value": 0, "duration_ms": 9}, at=NOON))
    row = {"name": "LCP", "events": 1, "p50": 0, "p75": 0, "p95": 0, "p99": 0}
    assert asker.ask("/vitals", RANGE)["rows"] == [row]


def test_a_dimension_of_sessions_is_refused(asker: Asker) -> None:
    assert asker.refusal("/vitals", RANGE | {"dimension": "entry_path"})[:2] == (400, "unknown_dimension")
