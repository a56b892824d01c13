"""Ranges of time and the intervals they are shown in.

Range      half-open [start, end), seen in a time zone; `to` defaults to now, `from` to some days before `to`
Times      RFC 3339, or YYYY-MM-DD: that day's first moment in the time zone, as is a time without an offset
Intervals  minute, hour, day, week (from Monday) or month of the time zone's clock: an hour or a day in which
           the clock is put forward or back is shorter or longer, and each lies between two edges, instants in UTC
"""

import re
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, pairwise

from msgspec import Struct

from .errors import QuestionError

FIRST_YEAR, LAST_YEAR = 1971, 2140  # what ClickHouse's Date holds, with a margin
FIRST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
MAX_INTERVALS = 10_000
INTERVALS = ("minute", "hour", "day", "week", "month")
QUARTER_MS = 900_000
NO_ZONE = re.compile(r"(right|posix)/|(Factory|localtime|posixrules)$")  # files beside the zones, or this machine's own
TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)


class Range(Struct, frozen=True):
    """The instants [start, end), in UTC to the millisecond, and the time zone in which they are looked at."""

    start: datetime
    end: datetime
    zone: zoneinfo.ZoneInfo


class Edges(Struct, frozen=True):
    """Where intervals begin, ascending, and where the last one ends: UTC milliseconds since 1970."""

    starts: tuple[int, ...]
    end: int

    @property
    def are_quarters(self) -> bool:
        """Whether each interval but the first begins with a quarter hour in UTC, so that the rollup can answer."""
        return all(start % QUARTER_MS == 0 for start in self.starts[1:])

    def params(self) -> dict[str, object]:
        """Return the edges as runs of equal widths: a year of days is a handful of numbers."""
        runs = [(width, len(list(run))) for width, run in groupby(b - a for a, b in pairwise(self.starts))]
        return {
            "first_ms": self.starts[0],
            "widths_ms": [width for width, _ in runs],
            "repeats": [count for _, count in runs],
        }


def find_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone of that IANA name.

    Raises QuestionError: there is none.
    """
    try:
        if NO_ZONE.match(name):
            raise ValueError(name)
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise QuestionError(f"unknown timezone {name[:100]!r}: give an IANA name", code="bad_timezone") from exc


def parse_range(
    start: str | None, end: str | None, zone: zoneinfo.ZoneInfo, now: datetime, usually: timedelta
) -> Range:
    """Return the range between two times as written in a question.

    Raises QuestionError: one is no time, or they are in the wrong order.
    """
    until = parse_time("to", end, zone) if end is not None else ceil_ms(now.astimezone(UTC))
    since = parse_time("from", start, zone) if start is not None else max(until - usually, FIRST)
    if since > until:
        raise QuestionError("from must not be later than to", code="bad_range")
    return Range(since, until, zone)


def parse_time(name: str, text: str, zone: zoneinfo.ZoneInfo) -> datetime:
    refused = QuestionError(
        f"{name} must be RFC 3339 or YYYY-MM-DD between {FIRST_YEAR} and {LAST_YEAR}, not {text[:100]!r}",
        code="bad_time",
    )
    if not TIME.fullmatch(text):
        raise refused
    try:
        found = datetime.fromisoformat(cut_to_microseconds(text).upper())
    except ValueError as exc:
        raise refused from exc
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise refused
    return ceil_ms(to_utc(found, zone) if found.tzinfo is None else found.astimezone(UTC))


def cut_to_microseconds(text: str) -> str:
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def ceil_ms(at: datetime) -> datetime:
    """Return the first millisecond not before `at`; stored times are whole milliseconds, so ranges stay exact."""
    return at + timedelta(microseconds=-at.microsecond % 1000)


def to_utc(local: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def to_ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def format_utc(ms: int) -> str:
    """Return the instant as RFC 3339 in UTC, with milliseconds."""
    return from_ms(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def format_local(ms: int, zone: zoneinfo.ZoneInfo) -> str:
    """Return the instant as RFC 3339 with the zone's offset at that time."""
    return from_ms(ms).astimezone(zone).isoformat(timespec="seconds")


def show_times(row: dict[str, object]) -> dict[str, object]:
    """Return the row with each NAME_ms shown as NAME, RFC 3339 in UTC or null."""
    return {
        name.removesuffix("_ms"): format_utc(value) if name.endswith("_ms") and isinstance(value, int) else value
        for name, value in row.items()
    }


def previous(asked: Range) -> Range:
    """Return the range of the same length just before, by the zone's clock: the days before, not the hours."""
    start, end = (at.astimezone(asked.zone).replace(tzinfo=None) for at in (asked.start, asked.end))
    before = to_utc(start - min(end - start, start - datetime(FIRST_YEAR, 1, 1)), asked.zone)  # noqa: DTZ001 - the clock
    return Range(before, asked.start, asked.zone)


def whole(asked: Range) -> Edges:
    """Return the range as its only interval."""
    return Edges((to_ms(asked.start),), to_ms(asked.end))


def split(asked: Range, interval: str) -> Edges:
    """Return the intervals that the range touches, whole ones at both ends; none for an empty range.

    Raises QuestionError: they are too many.
    """
    shortest_seconds = {"minute": 60, "hour": 3600, "day": 82_800, "week": 600_000, "month": 2_400_000}[interval]
    if (asked.end - asked.start).total_seconds() / shortest_seconds > MAX_INTERVALS:
        raise QuestionError(
            f"the range has more than {MAX_INTERVALS} intervals of a {interval}: narrow it or take longer intervals",
            code="too_many_intervals",
            status=422,
        )
    step = {"minute": next_minute, "hour": next_hour}.get(interval)
    if step is None:
        return split_dates(asked, interval)
    starts, at = [], clock_floor(asked.start, asked.zone, interval)
    while at < asked.end:
        starts.append(to_ms(at))
        at = step(at, asked.zone)
    return Edges(tuple(starts) if asked.start < asked.end else (), to_ms(at))


def split_dates(asked: Range, interval: str) -> Edges:
    def begin(day: date) -> datetime:
        return to_utc(datetime.combine(day, time()), asked.zone)

    day = first_date(asked.start.astimezone(asked.zone).date(), interval)
    starts = []
    while begin(day) < asked.end:
        if begin(day) < begin(next_date(day, interval)):  # Samoa had no 30 December 2011
            starts.append(to_ms(begin(day)))
        day = next_date(day, interval)
    return Edges(tuple(starts) if asked.start < asked.end else (), to_ms(begin(day)))


def first_date(day: date, interval: str) -> date:
    if interval == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day


def next_date(day: date, interval: str) -> date:
    if interval == "month":
        return (day + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def clock_floor(at: datetime, zone: zoneinfo.ZoneInfo, interval: str) -> datetime:
    """Return where the clock's minute or hour began; a clock put by half an hour within it does not begin a new one."""
    past = into_hour(at, zone)
    if interval == "minute":
        return at - timedelta(seconds=past.seconds % 60, microseconds=past.microseconds)
    floor = at - past
    local, begun = at.astimezone(zone), floor.astimezone(zone)
    if into_hour(floor, zone) and begun.hour == local.hour:  # put back: the hour had begun before
        return floor - into_hour(floor, zone)
    if into_hour(floor, zone):  # put forward: the hour begins where the clock was put
        return floor + (local.utcoffset() or timedelta()) - (begun.utcoffset() or timedelta())
    return floor


def next_minute(at: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    return at + timedelta(minutes=1)


def next_hour(at: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """Return where the clock's next hour begins; where it is put back by half an hour, one hour lasts 90 minutes."""
    following = at + timedelta(hours=1) - into_hour(at, zone)
    if into_hour(following, zone) and following.astimezone(zone).hour == at.astimezone(zone).hour:
        following += timedelta(hours=1) - into_hour(following, zone)
    return following


def into_hour(at: datetime, zone: zoneinfo.ZoneInfo) -> timedelta:
    local = at.astimezone(zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
