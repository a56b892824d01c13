"""/vitals: percentiles of LCP, INP, CLS, FCP, TTFB and of every other performance measure, by dimension.

Measured is what the property `value` of a performance event says, or else `duration_ms`; events without a number are
left out. Percentiles are exact: the smallest value that at least so many of the weighted events do not exceed.
"""

from typing import Any

from .clickhouse import Database
from .errors import QuestionError
from .filters import Expression, express
from .question import Question
from .totals import round_count

PERCENTILES = ("p50", "p75", "p95", "p99")


async def vitals(
    database: Database, question: Question, *, dimension: str | None, limit: int, offset: int
) -> tuple[list[dict[str, object]], int | None]:
    """Return a row per measure and value of the dimension, the most frequent first, and the offset of what follows.

    Raises QuestionError: there is no such dimension of events.
    """
    value = express(dimension, "dimension") if dimension is not None else Expression("''", {})
    if value.of_session:
        raise QuestionError(f"dimension {dimension} is of sessions; take one of events", code="unknown_dimension")
    params = question.params() | value.params | {"rows": limit + 1, "offset": offset}
    found = await database.fetch(question.sql("vitals", value=value.sql), params=params)
    return [describe(row, dimension) for row in found[:limit]], offset + limit if len(found) > limit else None


def describe(row: dict[str, Any], dimension: str | None) -> dict[str, object]:
    of_dimension = {} if dimension is None else {dimension: row["value"], "value": row["value"]}
    percentiles = dict(zip(PERCENTILES, row["percentiles"], strict=True))
    return {"name": row["name"], **of_dimension, "events": round_count(row["events"]), **percentiles}
