"""What the questions must answer, computed again in plain Python from the same events.

Slow and obvious on purpose, and written from the rules of meaning, not from the SQL: events are looked at one by one,
sessions are lists of events, weights are fractions, time zones are Python's. An event here is anything with the columns
of a row. Totals and groups are here, the rest in reference_journeys.py and reference_measures.py.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

Row = Any

VIEWS = ("page", "screen")
ACTIONS = ("track", "click", "form")
WEIGHTS = {1.0: Fraction(1), 0.5: Fraction(2), 0.4: Fraction(5, 2), 0.1: Fraction(10)}
COUNTS = ("visitors", "sessions", "pageviews", "events")
MEANS = ("bounce_rate", "session_duration_seconds", "views_per_session")

Key = tuple[date, str, str]
Metrics = dict[str, float]


class Visit(Struct, frozen=True):
    """What a session adds to the metrics."""

    device_id: str
    weight: Fraction
    is_bounce: bool
    milliseconds: int
    views: int


class World(Struct, frozen=True):
    """The rows a question looks at: of one range, one kind of visitors, and where a filter is given, those that fit."""

    rows: list[Row]
    start: datetime
    end: datetime
    fits: Callable[[Row], bool] = lambda row: True
    session_fits: Callable[[list[Row]], bool] = lambda rows: True

    def began(self) -> list[list[Row]]:
        """Return the sessions that began in the range and fit, oldest event first."""
        return [
            rows
            for rows in sessions_of(self.rows).values()
            if self.holds(rows[0]) and any(self.fits(row) for row in rows) and self.session_fits(rows)
        ]

    def happened(self) -> list[Row]:
        """Return the events of the range that fit."""
        sessions = sessions_of(self.rows)
        return [
            row for row in self.rows if self.holds(row) and self.fits(row) and self.session_fits(sessions[key_of(row)])
        ]

    def holds(self, row: Row) -> bool:
        return self.start <= utc(row.at) < self.end


def key_of(row: Row) -> Key:
    return utc(row.session_started).date(), row.device_id, row.session_id


def utc(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(seconds * 1000))


def sessions_of(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=order):
        found[key_of(row)].append(row)
    return dict(found)


def order(row: Row) -> tuple[float, str, str]:
    """Return what lists are ordered by: time, then event id, of which ClickHouse compares the second half first."""
    return row.at, row.event_id[19:], row.event_id[:18]


def views_of(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.type in VIEWS]


def weight(row: Row) -> Fraction:
    return WEIGHTS[row.sample_rate]


def weigh(rows: Iterable[Row]) -> Fraction:
    return sum(map(weight, rows), Fraction(0))


def visit_of(rows: list[Row], whole: list[Row]) -> Visit:
    """Return what a session is, with the weight of those of its events that are looked at."""
    return Visit(
        device_id=rows[0].device_id,
        weight=min(map(weight, rows)),
        is_bounce=len(views_of(whole)) == 1 and not any(row.type in ACTIONS for row in whole),
        milliseconds=(utc(whole[-1].at) - utc(whole[0].at)) // timedelta(milliseconds=1),
        views=len(views_of(whole)),
    )


def metrics_of(visits: list[Visit], events: list[Row]) -> Metrics:
    lightest: dict[str, Fraction] = {}
    for visit in visits:
        lightest[visit.device_id] = min(lightest.get(visit.device_id, visit.weight), visit.weight)
    total = sum((visit.weight for visit in visits), Fraction(0))

    def mean(value: Callable[[Visit], int]) -> float:
        return float(sum(visit.weight * value(visit) for visit in visits) / total) if total else 0.0

    return {
        "visitors": half_up(sum(lightest.values(), Fraction(0))),
        "sessions": half_up(total),
        "pageviews": half_up(weigh(views_of(events))),
        "events": half_up(weigh(events)),
        "bounce_rate": mean(lambda visit: visit.is_bounce),
        "session_duration_seconds": mean(lambda visit: visit.milliseconds) / 1000,
        "views_per_session": mean(lambda visit: visit.views),
    }


def near(value: Any) -> Any:
    """Return the answer with its floating-point numbers to ten digits: sums differ in the last ones by their order."""
    if isinstance(value, dict):
        return {name: near(one) for name, one in value.items()}
    if isinstance(value, list):
        return [near(one) for one in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def percentile(values: list[tuple[float, Fraction]], level: Fraction) -> float:
    """Return the smallest value that at least `level` of the weights do not exceed."""
    total = sum((weight for _, weight in values), Fraction(0))
    return min(
        value
        for value, _ in values
        if sum((weight for other, weight in values if other <= value), Fraction(0)) >= level * total
    )


def stats(world: World) -> Metrics:
    return metrics_of([visit_of(rows, rows) for rows in world.began()], world.happened())


def label(at: datetime, zone: ZoneInfo, interval: str) -> str:
    """Return where the interval that holds `at` begins on the zone's clock, or just after where that leaps over it."""
    local = at.astimezone(zone)
    if interval in ("minute", "hour"):
        begun = local.replace(second=0, microsecond=0) if interval == "minute" else local.replace(minute=0, second=0)
        return begun.replace(microsecond=0).astimezone(UTC).astimezone(zone).isoformat()
    day = local.date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    if interval == "month":
        day = day.replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone).isoformat()


def labels(world: World, zone: ZoneInfo, interval: str) -> dict[str, None]:
    """Return the intervals that the range touches, in order: found by walking through it in small steps."""
    found, at = [], world.start
    while at < world.end:
        found.append(label(at, zone, interval))
        at += timedelta(minutes=1 if interval == "minute" else 15)
    if world.start < world.end:
        found.append(label(world.end - timedelta(milliseconds=1), zone, interval))
    return dict.fromkeys(found)


def clock_before(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """Return where the period of the same length before `start` begins, by the zone's clock."""
    begin, until = (at.astimezone(zone).replace(tzinfo=None) for at in (start, end))
    return (begin - (until - begin)).replace(tzinfo=zone).astimezone(UTC)


def timeseries(world: World, *, zone: ZoneInfo, interval: str) -> dict[str, Metrics]:
    """Return every metric by interval, empty ones included."""
    sessions: dict[str, list[Visit]] = defaultdict(list)
    events: dict[str, list[Row]] = defaultdict(list)
    for rows in world.began():
        sessions[label(utc(rows[0].at), zone, interval)].append(visit_of(rows, rows))
    for row in world.happened():
        events[label(utc(row.at), zone, interval)].append(row)
    return {name: metrics_of(sessions[name], events[name]) for name in labels(world, zone, interval)}


def breakdown_of_events(world: World, value: Callable[[Row], str]) -> dict[str, Metrics]:
    """Return every metric by the value of events; a group's sessions weigh what its own events weigh."""
    whole = sessions_of(world.rows)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in world.happened():
        groups[value(row)].append(row)
    return {
        name: metrics_of([visit_of(part, whole[key]) for key, part in sessions_of(rows).items()], rows)
        for name, rows in groups.items()
    }


def breakdown_of_sessions(world: World, value: Callable[[list[Row]], str]) -> dict[str, Metrics]:
    """Return every metric by a value of sessions, with all their events, each as heavy as its session."""
    groups: dict[str, list[list[Row]]] = defaultdict(list)
    for rows in world.began():
        groups[value(rows)].append(rows)
    return {name: metrics_of_sessions(sessions) for name, sessions in groups.items()}


def metrics_of_sessions(sessions: list[list[Row]]) -> Metrics:
    visits = [visit_of(rows, rows) for rows in sessions]
    both = list(zip(visits, sessions, strict=True))
    return metrics_of(visits, []) | {
        "pageviews": half_up(sum((visit.weight * visit.views for visit in visits), Fraction(0))),
        "events": half_up(sum((visit.weight * len(rows) for visit, rows in both), Fraction(0))),
    }


def entry_path(rows: list[Row]) -> str:
    views = views_of(rows)
    return views[0].path if views else ""


def exit_path(rows: list[Row]) -> str:
    views = views_of(rows)
    return views[-1].path if views else ""
