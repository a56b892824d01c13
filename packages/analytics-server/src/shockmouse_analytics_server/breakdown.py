"""/breakdown: metrics by the values of a dimension.

Events of the range are grouped by their own value; visitors and sessions are the distinct ones of a group, and bounce
rate, duration and views are those of the group's sessions, each looked at whole. By entry or exit page the sessions
that began in the range are grouped, with all their events.
"""

from typing import Any

from .clickhouse import Database
from .filters import Expression, express
from .question import Question
from .totals import Totals

DEFAULT_METRICS = "visitors,sessions,pageviews,events"
ORDERS = {
    "visitors": "visitors",
    "sessions": "sessions",
    "pageviews": "pageviews",
    "events": "events",
    "bounce_rate": "bounces / sessions",
    "session_duration_seconds": "duration_ms / sessions",
    "views_per_session": "views / sessions",
}
OF_WHOLE_SESSIONS = frozenset({"bounce_rate", "session_duration_seconds", "views_per_session"})


async def breakdown(
    database: Database, question: Question, *, dimension: str, metrics: list[str], limit: int, offset: int
) -> tuple[list[dict[str, object]], int | None]:
    """Return a row per value, the greatest first metric first, and the offset of what follows, if anything does."""
    value = express(dimension, "dimension")
    params = question.params() | value.params | {"rows": limit + 1, "offset": offset}

    async def fetch(sql: str) -> list[dict[str, Any]]:
        return await database.fetch(sql, params=params)

    if value.of_session or OF_WHOLE_SESSIONS & set(metrics):
        found = await fetch(by_session(question, value, metrics))
    else:
        found = await fetch(by_event(question, value, metrics))
        if max((row.pop("heaviest") for row in found), default=1) > 1:
            found = await fetch(by_session(question, value, metrics))
    rows = [describe(dimension, row.pop("value"), Totals(**row), metrics) for row in found[:limit]]
    return rows, offset + limit if len(found) > limit else None


def by_event(question: Question, value: Expression, metrics: list[str]) -> str:
    """Return the statement that needs no grouping by session: right where no device is sampled."""
    return question.sql(
        "breakdown_of_events",
        value=value.sql,
        order=ORDERS[metrics[0]],
        distinct_visitors="uniqExact(device_id)" if "visitors" in metrics else "0",
        distinct_sessions=(
            "uniqExact(toDate(session_started), device_id, session_id)" if "sessions" in metrics else "0"
        ),
    )


def by_session(question: Question, value: Expression, metrics: list[str]) -> str:
    """Return the statement that groups by session and device first: it knows weights and whole sessions."""
    if value.of_session:
        groups = question.sql("groups_of_sessions", value=value.sql)
    else:
        groups = question.sql("groups_of_events", value=value.sql)
        if OF_WHOLE_SESSIONS & set(metrics):
            groups = question.sql("groups_with_sessions", groups=groups)
    return question.sql("breakdown", groups=groups, order=ORDERS[metrics[0]])


def describe(dimension: str, value: str, totals: Totals, metrics: list[str]) -> dict[str, object]:
    """Return a row; `value` is there beside the dimension's own name for programs that show any dimension."""
    return {dimension: value, "value": value, **{name: totals.metric(name) for name in metrics}}
