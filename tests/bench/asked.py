"""The questions that are timed, each with what it may take, and for some the same answers from raw events.

The raw statements are written as somebody would who has only the table of events.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from shockmouse_analytics_server.breakdown import DEFAULT_METRICS, breakdown
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.funnel import Funnel, Step, funnel
from shockmouse_analytics_server.question import Question, parse_question
from shockmouse_analytics_server.ranges import Range
from shockmouse_analytics_server.realtime import realtime
from shockmouse_analytics_server.retention import retention
from shockmouse_analytics_server.stats import stats
from shockmouse_analytics_server.timeseries import timeseries
from shockmouse_analytics_server.vitals import vitals
from tests.bench.generated import DAYS, days

SESSIONS_MS, ROLLUPS_MS, RAW_MS = 80, 50, 800
SESSIONS_GROWTH, ROLLUPS_GROWTH = 4, 2

RAW_SESSIONS = """
select device_id, min(at) as started, max(at) as ended, countIf(type in ('page', 'screen')) as pages,
    countIf(type in ('track', 'click', 'form')) as actions, count() as events
from events
where project = 'together' and bot = '' and at >= '{start}' and at < '{end}'
group by toDate(session_started) as start_day, device_id, session_id
"""
RAW_STATS = f"""
select uniqExact(device_id) as visitors, count() as sessions, sum(pages) as pageviews, sum(events) as events,
    countIf(pages = 1 and actions = 0) / count() as bounce_rate, avg(ended - started) as session_duration_seconds
from ({RAW_SESSIONS})
"""
RAW_VISITORS = (
    f"select toDate(started) as day, uniqExact(device_id) as value from ({RAW_SESSIONS}) group by day order by day"
)
RAW_PAGEVIEWS = """
select toDate(at) as day, count() as value from events
where project = 'together' and bot = '' and type in ('page', 'screen') and at >= '{start}' and at < '{end}'
group by day order by day
"""
RAW_PATHS = """
select path as value, uniqExact(device_id) as visitors,
    uniqExact(toDate(session_started), device_id, session_id) as sessions,
    countIf(type in ('page', 'screen')) as pageviews, count() as events
from events
where project = 'together' and bot = '' and at >= '{start}' and at < '{end}'
group by value order by visitors desc, value limit 100
"""
RAW_VITALS = """
select name, count() as events,
    quantilesExactWeighted(0.5, 0.75, 0.95, 0.99)(toFloat64(properties.value), 1) as percentiles
from events
where project = 'together' and bot = '' and type = 'performance' and at >= '{start}' and at < '{end}'
group by name order by events desc, name
"""

Rows = list[dict[str, Any]]


class Asked(NamedTuple):
    """One question: its name and what tells it apart, its limits, how it is asked, and the same from raw events.

    `agrees` tells of an answer and the raw rows whether they are the same, and how far apart, as fields of the result.
    """

    name: str
    labels: dict[str, str]
    target_ms: int
    growth: int | None
    ask: Callable[[Database], Awaitable[Any]]
    raw: str = ""
    agrees: Callable[[Any, Rows], dict[str, object]] = lambda _answer, _rows: {}


def question(start: str, end: str, *filters: str) -> Question:
    """Return what every question shares: project, range and filters."""
    items = [("from", start), ("to", end), *(("filter", text) for text in filters)]
    month, now = timedelta(days=DAYS), datetime.now(UTC)
    return parse_question(items, project="together", timezone="UTC", now=now, usually=month, also=frozenset())[0]


def questions() -> list[Asked]:
    """Return every question over the generated events."""
    start, end = days()
    month = question(start, end)
    return [
        *of_sessions(month),
        *of_rollups(month),
        *of_events(month, question(start, end, "property.plan:is:pro")),
    ]


def of_sessions(asked: Question) -> list[Asked]:
    limits = (SESSIONS_MS, SESSIONS_GROWTH)
    return [
        Asked("stats", {}, *limits, lambda db: stats(db, asked, with_previous=False), RAW_STATS, same_totals),
        Asked(
            "timeseries", {"metric": "visitors", "interval": "day"}, *limits,
            lambda db: timeseries(db, asked, metric="visitors", interval="day"), RAW_VISITORS, same_series,
        ),
    ]  # fmt: skip


def of_rollups(asked: Question) -> list[Asked]:
    limits = (ROLLUPS_MS, ROLLUPS_GROWTH)
    noon = asked.range.start + timedelta(days=DAYS // 2, hours=12)
    recent = msgspec.structs.replace(asked, range=Range(noon, noon + timedelta(minutes=5), asked.range.zone))
    series = [("pageviews", "day"), ("pageviews", "hour"), ("events", "day"), ("events", "hour")]
    dimensions = ["path", "country", "browser", "referrer_host"]
    return [
        *(
            Asked(
                "timeseries", {"metric": metric, "interval": interval}, *limits,
                lambda db, metric=metric, interval=interval: timeseries(db, asked, metric=metric, interval=interval),
                *([RAW_PAGEVIEWS, same_series] if (metric, interval) == ("pageviews", "day") else []),
            )
            for metric, interval in series
        ),
        *(
            Asked(
                "breakdown", {"dimension": dimension}, *limits,
                lambda db, dimension=dimension: breakdown(
                    db, asked, dimension=dimension, metrics=DEFAULT_METRICS.split(","), limit=100, offset=0
                ),
                *([RAW_PATHS, same_groups] if dimension == "path" else []),
            )
            for dimension in dimensions
        ),
        Asked(
            "vitals", {}, *limits, lambda db: vitals(db, asked, dimension=None, limit=100, offset=0),
            RAW_VITALS, same_percentiles,
        ),
        Asked("realtime", {}, ROLLUPS_MS, None, lambda db: realtime(db, recent, 10)),
    ]  # fmt: skip


def of_events(asked: Question, filtered: Question) -> list[Asked]:
    steps = (
        Step(type="page", filters=("path:is:/articles/3",)), Step(type="page", filters=("path:is:/articles/5",)),
        Step(name="step 1"), Step(name="step 2"),
    )  # fmt: skip
    by_path = {"dimension": "path", "metrics": DEFAULT_METRICS.split(","), "limit": 100, "offset": 0}
    return [
        Asked("funnel", {"steps": "4"}, RAW_MS, None,
              lambda db: funnel(db, asked, Funnel(steps=steps), dimension=None, limit=100, offset=0)),
        Asked("retention", {"interval": "week"}, RAW_MS, None, lambda db: retention(db, asked, "week")),
        Asked("filtered", {"filter": "property.plan:is:pro", "dimension": "path"}, RAW_MS, None,
              lambda db: breakdown(db, filtered, **by_path)),  # type: ignore[arg-type]
    ]  # fmt: skip


def same_totals(answer: dict[str, Any], rows: Rows) -> dict[str, object]:
    expected = {name: round(value, 3) for name, value in rows[0].items()}
    return {"answers_equal": {name: round(float(answer[name]), 3) for name in expected} == expected}


def same_series(answer: Rows, rows: Rows) -> dict[str, object]:
    return {"answers_equal": [row["value"] for row in answer if row["value"]] == [row["value"] for row in rows]}


def same_groups(answer: Any, rows: Rows) -> dict[str, object]:
    """Events and page views are equal; visitors and sessions are sketches, off by a share of at most so much."""
    found = {row["value"]: row for row in answer.rows}
    both = [(found[row["value"]], row) for row in rows if row["value"] in found]
    equal = all(one[name] == other[name] for one, other in both for name in ("events", "pageviews"))
    off = [abs(one[name] / other[name] - 1) for one, other in both for name in ("visitors", "sessions")]
    return {"answers_equal": equal and len(both) >= 0.9 * len(rows), "exact": answer.exact, "off": round(max(off), 4)}


def same_percentiles(answer: Any, rows: Rows) -> dict[str, object]:
    """Counts are equal; percentiles lie within 1 %."""
    pairs = list(zip(answer.rows, rows, strict=True))
    equal = all((one["name"], one["events"]) == (other["name"], other["events"]) for one, other in pairs)
    percentiles = [(one[name], value) for one, other in pairs for name, value in
                   zip(("p50", "p75", "p95", "p99"), other["percentiles"], strict=True)]  # fmt: skip
    off = max(abs(one / other - 1) for one, other in percentiles)
    return {"answers_equal": equal and off <= 0.01, "exact": answer.exact, "off": round(off, 4)}
