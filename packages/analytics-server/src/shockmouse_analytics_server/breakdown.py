"""/breakdown: metrics by the values of a dimension.

Events of the range are grouped by their own value; visitors and sessions are the distinct ones of a group, and bounce
rate, duration and views are those of the group's sessions, each looked at whole. By entry or exit page the sessions
that began in the range are grouped, with all their events.

Rollups    counts_by_week answers for whole weeks, UTC, counts_by_value for the days around them, and the events for the
           hours around those, where nothing is filtered and the dimension is one of the rollups'; counts_by_name does
           so for names of events of some types. Their visitors and sessions are sketches, so few events, and those of
           sampled devices, are counted one by one all the same
"""

from typing import Any, get_args

from msgspec import Struct

from .clickhouse import Database
from .filters import Expression, express
from .question import Question
from .totals import Totals, is_whole_days, sum_up, whole_days, whole_weeks
from .wire import EventType

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
DISTINCT = frozenset({"visitors", "sessions"})
ROLLED_UP = frozenset({"path", "referrer_host", "utm_source", "country", "browser", "os", "device_type"})
NAMED = frozenset(get_args(EventType)) - {"page", "screen", "performance"}
COUNTED_ONE_BY_ONE = 250_000  # events, which take no longer than the rollup


class Breakdown(Struct, frozen=True):
    """Rows, the offset of what follows, if anything does, and whether every number is exact."""

    rows: list[dict[str, object]]
    following: int | None
    exact: bool


async def breakdown(
    database: Database,
    question: Question,
    *,
    dimension: str,
    metrics: list[str],
    limit: int,
    offset: int,
    counted_one_by_one: int = COUNTED_ONE_BY_ONE,
) -> Breakdown:
    """Return a row per value, the greatest first metric first; up to so many events are looked at themselves."""
    value = express(dimension, "dimension")
    params = question.params() | value.params | {"rows": limit + 1, "offset": offset}

    async def fetch(sql: str) -> list[dict[str, Any]]:
        return await database.fetch(sql, params=params)

    found, exact = None, True
    days = None if OF_WHOLE_SESSIONS & set(metrics) else days_of(question, dimension)
    if days:
        within = whole_days(question)
        params |= {**within, **whole_weeks(within), "dimension": dimension, "types": list(question.conditions.types)}
        found = await fetch(by_day(question, days, value, metrics))
        sampled, seen = total(found)
        exact = not DISTINCT & set(metrics)
        if not exact and (sampled or seen <= counted_one_by_one):
            found, exact = None, True
    if found is None and (value.of_session or not OF_WHOLE_SESSIONS & set(metrics)):
        flat = by_whole_session if value.of_session else by_event
        found = await fetch(flat(question, value, metrics))
        if max((row.pop("heaviest") for row in found), default=1) > 1:
            found = None
    if found is None:
        found = await fetch(by_session(question, value, metrics))
    rows = [describe(dimension, row.pop("value"), Totals(**row), metrics) for row in found[:limit]]
    return Breakdown(rows, offset + limit if len(found) > limit else None, exact)


def total(found: list[dict[str, Any]]) -> tuple[int, float]:
    """Return how many of the events of all values are sampled, and how many there are; takes both from the rows."""
    counts = [(row.pop("sampled"), row.pop("seen")) for row in found]
    return counts[0] if counts else (0, 0)


def days_of(question: Question, dimension: str) -> str | None:
    """Return what selects the whole days from a rollup; None where none can answer."""
    types = question.conditions.types
    if dimension in ROLLED_UP and not question.is_filtered:
        return question.sql("breakdown_days_of_values")
    if dimension == "name" and types and NAMED.issuperset(types):
        return question.sql("breakdown_days_of_names")
    return None


def by_day(question: Question, days: str, value: Expression, metrics: list[str]) -> str:
    """Return the statement over a rollup."""
    return question.sql(
        "breakdown_rolled_up",
        days=days,
        order=ORDERS[metrics[0]],
        distinct_visitors="uniqCombinedMerge(12)(counted.visitors)" if "visitors" in metrics else "0",
        distinct_sessions="uniqCombinedMerge(12)(counted.sessions)" if "sessions" in metrics else "0",
        hours="" if is_whole_days(question) else question.sql("breakdown_hours", value=value.sql),
    )


def by_event(question: Question, value: Expression, metrics: list[str]) -> str:
    """Return the statement that needs no grouping by session: right where no device is sampled.

    Hashes are counted, as in totals.py: distinct texts take twice the time and memory.
    """
    return question.sql(
        "breakdown_of_events",
        value=value.sql,
        order=ORDERS[metrics[0]],
        distinct_visitors="uniqExact(device_hash)" if "visitors" in metrics else "0",
        distinct_sessions="uniqExact(session_hash)" if "sessions" in metrics else "0",
    )


def by_whole_session(question: Question, value: Expression, metrics: list[str]) -> str:
    """Return the statement over sessions by what they began or ended with: right where no device is sampled."""
    return question.sql("breakdown_of_sessions", value=value.sql, order=ORDERS[metrics[0]], counted=sum_up(metrics))


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
