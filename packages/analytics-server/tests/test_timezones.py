"""Days and hours are those of the time zone's clock, also where it is put forward or back, or is half an hour off."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import reference
from asking import Asker, event

from shockmouse_analytics_server.errors import QuestionError
from shockmouse_analytics_server.ranges import Range, find_zone, format_local, parse_range, previous, split

NOW = datetime(2026, 11, 23, 20, 0, 0, 123456, tzinfo=UTC)
MONTH = timedelta(days=30)


def starts(zone: str, start: str, end: str, interval: str) -> list[str]:
    """Return where the intervals between two local times begin."""
    asked = parse_range(start, end, ZoneInfo(zone), NOW, MONTH)
    return [format_local(ms, asked.zone) for ms in split(asked, interval).starts]


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def test_a_day_is_23_or_25_hours_long_when_the_clock_changes() -> None:
    assert starts("Europe/Paris", "2026-03-28", "2026-03-31", "day") == [
        "2026-03-28T00:00:00+01:00",
        "2026-03-29T00:00:00+01:00",
        "2026-03-30T00:00:00+02:00",
    ]
    assert len(starts("Europe/Paris", "2026-03-29", "2026-03-30", "hour")) == 23
    assert len(starts("Europe/Paris", "2026-10-25", "2026-10-26", "hour")) == 25


def test_a_day_that_there_was_not_is_not_shown() -> None:
    assert starts("Pacific/Apia", "2011-12-29", "2012-01-01", "day") == [
        "2011-12-29T00:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
    ]


def test_the_hour_that_comes_twice_is_shown_twice() -> None:
    assert starts("Europe/Paris", "2026-10-25T01:30", "2026-10-25T03:30", "hour") == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_where_the_clock_moves_by_half_an_hour_hours_follow_the_clock() -> None:
    assert starts("Australia/Lord_Howe", "2026-04-05T00:00", "2026-04-05T04:00", "hour") == [
        "2026-04-05T00:00:00+11:00",
        "2026-04-05T01:00:00+11:00",
        "2026-04-05T02:00:00+10:30",
        "2026-04-05T03:00:00+10:30",
    ]
    assert starts("Australia/Lord_Howe", "2026-10-04T01:00", "2026-10-04T05:00", "hour") == [
        "2026-10-04T01:00:00+10:30",
        "2026-10-04T02:30:00+11:00",
        "2026-10-04T03:00:00+11:00",
        "2026-10-04T04:00:00+11:00",
    ]
    put_back, put_forward = "2026-04-05T01:45:00+10:30", "2026-10-04T02:45:00+11:00"
    assert starts("Australia/Lord_Howe", put_back, "2026-04-05T01:50:00+10:30", "hour") == ["2026-04-05T01:00:00+11:00"]
    assert starts("Australia/Lord_Howe", put_forward, "2026-10-04T02:50", "hour") == ["2026-10-04T02:30:00+11:00"]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    assert starts("Asia/Kathmandu", "2026-02-25", "2026-03-11", "week") == [
        "2026-02-23T00:00:00+05:45",
        "2026-03-02T00:00:00+05:45",
        "2026-03-09T00:00:00+05:45",
    ]
    assert starts("Asia/Kathmandu", "2025-12-31", "2026-02-02", "month") == [
        "2025-12-01T00:00:00+05:45",
        "2026-01-01T00:00:00+05:45",
        "2026-02-01T00:00:00+05:45",
    ]


def test_a_day_without_a_midnight_begins_with_its_first_moment() -> None:
    assert starts("Africa/Cairo", "2026-04-23", "2026-04-26", "day") == [
        "2026-04-23T00:00:00+02:00",
        "2026-04-24T01:00:00+03:00",
        "2026-04-25T00:00:00+03:00",
    ]


def test_an_empty_range_has_no_intervals() -> None:
    assert starts("UTC", "2026-03-01", "2026-03-01", "day") == []
    assert starts("UTC", "2026-03-01", "2026-03-01", "hour") == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-29", "2026-03-28T23:00:00.000Z"),
        ("2026-03-29T12:00:00Z", "2026-03-29T12:00:00.000Z"),
        ("2026-03-29t12:00:00.5z", "2026-03-29T12:00:00.500Z"),
        ("2026-03-29T12:00:00.0001-05:30", "2026-03-29T17:30:00.001Z"),
        ("2026-03-29 12:00", "2026-03-29T10:00:00.000Z"),
    ],
)
def test_times_are_rfc_3339_or_the_zones_own(text: str, at: str) -> None:
    asked = parse_range(text, None, ZoneInfo("Europe/Paris"), NOW, MONTH)
    assert asked.start.isoformat(timespec="milliseconds").replace("+00:00", "Z") == at


def test_without_times_a_range_is_the_last_days() -> None:
    end = datetime(2026, 11, 23, 20, 0, 0, 124000, tzinfo=UTC)
    assert parse_range(None, None, ZoneInfo("UTC"), NOW, MONTH) == Range(end - MONTH, end, ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-03-29T25:00:00Z",
        "1e30",
        "0000-00-00",
        "9999-01-01",
        "1899-01-01",
        "2026-3-1",
        "20260301",
        "2026-W10-1",
        "2026-03-29T12:00:00+99:00",
        "2026-03-29T12",
        "٢٠٢٦-٠٣-٢٩",
        "2026-03-29\n",
    ],
)
def test_what_is_no_time_is_refused_and_named(text: str) -> None:
    with pytest.raises(QuestionError) as refused:
        parse_range(text, None, ZoneInfo("UTC"), NOW, MONTH)
    assert (refused.value.status, refused.value.code) == (400, "bad_time")
    assert "from" in refused.value.reason


def test_the_period_before_has_the_same_days_on_the_clock() -> None:
    asked = parse_range("2026-03-29", "2026-03-31", ZoneInfo("Europe/Paris"), NOW, MONTH)
    before = previous(asked)
    assert (format_local(int(before.start.timestamp() * 1000), asked.zone), before.end) == (
        "2026-03-27T00:00:00+01:00",
        asked.start,
    )


@pytest.mark.engine
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", "09"),
        ("Asia/Kolkata", "10"),
        ("America/St_Johns", "09"),
        ("Asia/Kathmandu", "10"),
        ("Pacific/Kiritimati", "10"),
    ],
)
def test_an_event_counts_on_its_local_day(asker: Asker, zone: str, day: str) -> None:
    asker.store(event(at=datetime(2026, 3, 9, 18, 40, tzinfo=UTC)))
    asked = {"from": "2026-03-08", "to": "2026-03-12", "timezone": zone, "interval": "day"}
    for metric in ("events", "sessions"):
        rows = asker.ask("/timeseries", asked | {"metric": metric})["rows"]
        assert {row["start"][8:10]: row["value"] for row in rows} == {"08": 0, "09": 0, "10": 0, "11": 0} | {day: 1}


@pytest.mark.engine
def test_events_of_the_hour_that_comes_twice_are_kept_apart(asker: Asker) -> None:
    asker.store(*(event(at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1, 1)))
    asked = {"from": "2026-10-25T02:00", "to": "2026-10-25T03:00", "timezone": "Europe/Paris"}
    assert asker.ask("/timeseries", asked | {"interval": "hour", "metric": "events"})["rows"] == [
        {"start": "2026-10-25T02:00:00+02:00", "value": 1},
        {"start": "2026-10-25T02:00:00+01:00", "value": 2},
    ]


CHANGES = [  # a moment at which a clock moves, or, in Kathmandu, a midnight
    ("Europe/Paris", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Paris", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/St_Johns", datetime(2026, 3, 8, 5, 30, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 3, 31, 18, 15, tzinfo=UTC)),
]


@pytest.mark.engine
def test_hours_and_days_around_a_change_of_the_clock_count_what_lies_in_them(asker: Asker) -> None:
    """An event every ten minutes, each a session of its own, for a day and a half on both sides."""
    for number, (zone, change) in enumerate(CHANGES):
        project = f"clock{number}"
        asker.add_project(project, zone)
        start, end = change - timedelta(hours=36), change + timedelta(hours=36)
        rows = [
            event(project=project, at=start + timedelta(minutes=10 * step), session_id=str(step))
            for step in range(6 * 72)
        ]
        asker.store(*rows)
        asked = {"from": start.isoformat(), "to": end.isoformat()}
        kinds = [(interval, metric) for interval in ("hour", "day") for metric in ("events", "sessions")]
        answers = asker.ask_all(
            [("/timeseries", asked | {"interval": interval, "metric": metric}) for interval, metric in kinds],
            key=project,
        )
        for (interval, metric), answer in zip(kinds, answers, strict=True):
            right = reference.timeseries(reference.World(rows, start, end), zone=ZoneInfo(zone), interval=interval)
            told = {row["start"]: row["value"] for row in answer["rows"]}
            assert told == {at: row[metric] for at, row in right.items()}, (zone, change, interval, metric)


@pytest.mark.engine
def test_the_projects_time_zone_is_the_default(asker: Asker) -> None:
    asker.add_project("paris", "Europe/Paris")
    asked = {"from": "2026-03-09", "to": "2026-03-10"}
    assert asker.ask("/timeseries", asked, key="paris")["rows"] == [{"start": "2026-03-09T00:00:00+01:00", "value": 0}]


@pytest.mark.engine
def test_the_ends_of_a_range_may_lie_anywhere(asker: Asker) -> None:
    base = datetime(2026, 3, 10, 12, 7, tzinfo=UTC)
    asker.store(*(event(at=base + timedelta(minutes=7 * number)) for number in range(10)))
    for minutes, expected in ((0, 0), (1, 1), (8, 2), (9, 2), (36, 6), (70, 10)):
        asked = {"from": base.isoformat(), "to": (base + timedelta(minutes=minutes)).isoformat()}
        assert asker.ask("/stats", asked)["events"] == expected


@pytest.mark.engine
def test_use_by_hour_of_the_week_follows_the_zone(asker: Asker) -> None:
    asker.store(event(at=datetime(2026, 3, 8, 18, 40, tzinfo=UTC)))  # a Sunday
    asked = {"from": "2026-03-01", "to": "2026-04-01"}
    assert asker.ask("/devices/summary", asked)["usage"] == [{"weekday": 7, "hour": 18, "events": 1}]
    asked["timezone"] = "Asia/Kathmandu"
    assert asker.ask("/devices/summary", asked)["usage"] == [{"weekday": 1, "hour": 0, "events": 1}]
    assert asker.ask("/devices/device", asked)["usage"] == [{"weekday": 1, "hour": 0, "events": 1}]


@pytest.mark.parametrize("name", ["right/UTC", "posix/Europe/Paris", "localtime", "Factory", "posixrules"])
def test_files_beside_the_zones_are_no_time_zones(name: str) -> None:
    with pytest.raises(QuestionError, match="unknown timezone"):
        find_zone(name)
