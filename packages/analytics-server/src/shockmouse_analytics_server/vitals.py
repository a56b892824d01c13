"""/vitals: percentiles of LCP, INP, CLS, FCP, TTFB and of every other performance measure, by dimension.

Measured is what the property `value` of a performance event says, or else `duration_ms`; events without a number are
left out. A percentile is the smallest value that at least so many of the weighted events do not exceed.

Rollup     measures_by_value answers for whole days, UTC, and the events for the hours around them, where nothing is
           filtered and the dimension is one of the rollup's: within 1 %, as it holds steps of 2 %. Few events are read
           one by one all the same, and then the percentiles are exact
"""

from typing import Any

from msgspec import Struct

from .clickhouse import Database
from .errors import QuestionError
from .filters import Expression, express
from .question import Question
from .totals import is_whole_days, round_count, whole_days

PERCENTILES = ("p50", "p75", "p95", "p99")
ROLLED_UP = frozenset({"", "path", "country", "browser", "os", "device_type"})
MEASURED_ONE_BY_ONE = 10_000  # measures: among ten or twenty times as many events they take as long as the rollup


class Vitals(Struct, frozen=True):
    """Rows, the offset of what follows, if anything does, and whether every number is exact."""

    rows: list[dict[str, object]]
    following: int | None
    exact: bool


async def vitals(
    database: Database,
    question: Question,
    *,
    dimension: str | None,
    limit: int,
    offset: int,
    measured_one_by_one: int = MEASURED_ONE_BY_ONE,
) -> Vitals:
    """Return a row per measure and value of the dimension, the most frequent first; up to so many events are read.

    Raises QuestionError: there is no such dimension of events.
    """
    value = express(dimension, "dimension") if dimension is not None else Expression("''", {})
    if value.of_session:
        raise QuestionError(f"dimension {dimension} is of sessions; take one of events", code="unknown_dimension")
    params = question.params() | value.params | {"rows": limit + 1, "offset": offset}
    found, exact = None, False
    if (dimension or "") in ROLLED_UP and not question.is_filtered:
        days = {**whole_days(question), "dimension": dimension or ""}
        hours = "" if is_whole_days(question) else question.sql("vitals_hours", value=value.sql)
        found = await database.fetch(question.sql("vitals_rolled_up", hours=hours), params=params | days)
        exact = max((row.pop("seen") for row in found), default=0) <= measured_one_by_one
    if found is None or exact:
        found, exact = await database.fetch(question.sql("vitals", value=value.sql), params=params), True
    rows = [describe(row, dimension) for row in found[:limit]]
    return Vitals(rows, offset + limit if len(found) > limit else None, exact)


def describe(row: dict[str, Any], dimension: str | None) -> dict[str, object]:
    of_dimension = {} if dimension is None else {dimension: row["value"], "value": row["value"]}
    percentiles = dict(zip(PERCENTILES, row["percentiles"], strict=True))
    return {"name": row["name"], **of_dimension, "events": round_count(row["events"]), **percentiles}
