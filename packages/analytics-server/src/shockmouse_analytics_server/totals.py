"""What is counted for an interval of time: visitors, sessions, bounces, durations, page views, events.

Sessions and visitors count where the session began, events and page views at their own time. Both are asked for all
intervals at once; /stats is a question with one interval. Counts are weighted by 1 / sample rate and rounded last.
"""

import math
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime, time, timedelta

from msgspec import Struct

from .clickhouse import Database
from .question import Question
from .ranges import QUARTER_MS, Edges, from_ms, to_ms

SESSION_METRICS = ("visitors", "sessions", "bounce_rate", "session_duration_seconds", "views_per_session")
EVENT_METRICS = ("pageviews", "events")
METRICS = ("visitors", "sessions", "pageviews", "events", *SESSION_METRICS[2:])


class Totals(Struct, frozen=True, kw_only=True):
    """Weighted sums over one interval or group, before division and rounding."""

    visitors: float = 0
    sessions: float = 0
    bounces: float = 0
    views: float = 0
    duration_ms: float = 0
    pageviews: float = 0
    events: float = 0

    def metric(self, name: str) -> float:
        """Return the metric as answered: counts as whole numbers; rates and means of no session are 0."""
        return MEANINGS[name](self)


MEANINGS: dict[str, Callable[[Totals], float]] = {
    "visitors": lambda totals: round_count(totals.visitors),
    "sessions": lambda totals: round_count(totals.sessions),
    "pageviews": lambda totals: round_count(totals.pageviews),
    "events": lambda totals: round_count(totals.events),
    "bounce_rate": lambda totals: divide(totals.bounces, totals.sessions),
    "session_duration_seconds": lambda totals: divide(totals.duration_ms, totals.sessions) / 1000,
    "views_per_session": lambda totals: divide(totals.views, totals.sessions),
}


# twice as fast as distinct texts; two of 10 million devices share a hash once in 300,000 times
VISITORS = "uniqExact(device_hash)"
# What each metric of sessions is made of, and how it is summed up.
PARTS = {
    "visitors": ("visitors",),
    "sessions": ("sessions",),
    "pageviews": ("pageviews",),
    "events": ("events",),
    "bounce_rate": ("bounces", "sessions"),
    "session_duration_seconds": ("duration_ms", "sessions"),
    "views_per_session": ("views", "sessions"),
}
SUMS = {
    "visitors": VISITORS,
    "sessions": "sum(weight)",
    "pageviews": "sum(weight * found.views)",
    "events": "sum(weight * found.events)",
    "bounces": "sum(weight * (found.views = 1 and actions = 0))",
    "views": "sum(weight * found.views)",
    "duration_ms": "sum(weight * (toUnixTimestamp64Milli(ended) - toUnixTimestamp64Milli(started)))",
}
# Where all is one interval, the time of each session would be looked up for nothing: a fifth of the question.
INTERVAL, ONLY_INTERVAL = "roundDown(toUnixTimestamp64Milli(started), edges)", "{first_ms:Int64}"


def round_count(weighted: float) -> int:
    """Return the nearest whole number, half up; sums of weights differ in their last digits by order of addition."""
    return math.floor(round(weighted, 6) + 0.5)


def divide(total: float, count: float) -> float:
    return total / count if count else 0.0


def sum_up(metrics: Iterable[str]) -> str:
    """Return what these metrics of sessions are made of, as columns of the sessions that are `found`.

    Nothing else is read: each column costs a question about many sessions a tenth of its time.
    """
    parts = {part for metric in metrics for part in PARTS[metric]}
    return ", ".join(f"{sql} as {name}" for name, sql in SUMS.items() if name in parts)


async def count_sessions(
    database: Database, question: Question, edges: Edges, metrics: Collection[str] = SESSION_METRICS
) -> dict[int, Totals]:
    """Return what these metrics are made of, by the start of the interval; empty ones are missing."""
    params = question.params() | edges.params()
    interval = INTERVAL if len(edges.starts) > 1 else ONLY_INTERVAL
    sql = question.sql("sessions_by_interval", interval=interval, counted=sum_up(metrics))
    rows = await database.fetch(sql, params=params)
    if max((row.pop("heaviest") for row in rows), default=1) > 1 and "visitors" in metrics:
        weighted = await database.fetch(question.sql("visitors_by_interval"), params=params)
        visitors = {row["interval_ms"]: row["visitors"] for row in weighted}
        rows = [row | {"visitors": visitors.get(row["interval_ms"], row["visitors"])} for row in rows]
    return {row.pop("interval_ms"): Totals(**row) for row in rows}


async def count_events(database: Database, question: Question, edges: Edges) -> dict[int, Totals]:
    """Return events and page views by the start of the interval; empty ones are missing.

    Whole quarter hours come from the rollup where no filter and no interval's edge stands against it.
    """
    params = question.params() | edges.params()
    if question.is_filtered or not edges.are_quarters:
        source = question.sql("events_counted")
    else:
        source, inner = roll_up(question)
        params |= inner
    sql = question.sql("events_by_interval", events=source)
    return {row.pop("interval_ms"): Totals(**row) for row in await database.fetch(sql, params=params)}


def roll_up(question: Question) -> tuple[str, dict[str, object]]:
    """Return where the events of the range are read from, by quarter hour, and its parameters; no filter may be given.

    A range that begins and ends on quarter hours needs no look at the events themselves, which costs 4 ms.
    """
    start, end = question.range.start, question.range.end
    inner = quarter_hours(start, end)
    source = question.sql("events_in_quarters")
    if (inner["inner_start"], inner["inner_end"]) != (start, end):
        source = question.sql("events_rolled_up", quarters=source)
    return source, inner


def quarter_hours(start: datetime, end: datetime) -> dict[str, object]:
    """Return what the whole quarter hours within [start, end) lie between; there are none where the first is later."""
    inner_start, inner_end = -(-to_ms(start) // QUARTER_MS) * QUARTER_MS, to_ms(end) // QUARTER_MS * QUARTER_MS
    return {"inner_start": from_ms(inner_start), "inner_end": from_ms(inner_end)}


def whole_days(question: Question) -> dict[str, date]:
    """Return what the whole days, UTC, of the range lie between; there are none where the first is later."""
    start, end = question.range.start, question.range.end
    begun = start.time() != time()
    return {"inner_start": start.date() + timedelta(days=begun), "inner_end": end.date()}


def whole_weeks(days: dict[str, date]) -> dict[str, date]:
    """Return what the weeks from Monday that lie wholly within whole days lie between; both are equal without any."""
    start, end = days["inner_start"], days["inner_end"]
    first, last = start + timedelta(days=-start.weekday() % 7), end - timedelta(days=end.weekday())
    return {"weeks_start": first, "weeks_end": last} if first < last else {"weeks_start": start, "weeks_end": start}


def is_whole_days(question: Question) -> bool:
    """Tell whether the range begins and ends with a day, UTC, so that no event of it needs to be looked at."""
    return question.range.start.time() == time() == question.range.end.time()
