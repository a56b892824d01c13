"""Every question over random data answers what a plain recomputation of the same events says.

Data       visits around midnights, changes of month and of daylight-saving time; events that come late, before their
           session's first; sampled devices, bots, devices and sessions that share ids
Compared   whole answers; counts exactly, means to the last digits of floating point
"""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import reference
from asking import Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

BORDERS = [  # midnights, changes of month, partition and clock, in some zone; UTC's month most often
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 3, 31, 22, tzinfo=UTC),
    datetime(2026, 3, 31, 18, 30, tzinfo=UTC),
    datetime(2026, 4, 4, 14, tzinfo=UTC),
]
ZONES = ["UTC", "Europe/Paris", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland"]
TYPES = ["page", "page", "screen", "track", "click", "form", "performance", "identify"]
PATHS = ["/", "/a", "/b", "/A b"]
KINDS = {"exclude": (False,), "include": (False, True), "only": (True,)}
INTERVALS = ["hour", "day", "week", "month"]


PROJECTS = itertools.count()


class Happening(Struct, frozen=True):
    """One event of a visit, some seconds from the visit's start; a late one may lie before it."""

    seconds: int
    type: str
    path: str
    plan: str
    rate: float
    is_bot: bool


class Stay(Struct, frozen=True):
    """One visit of a device, some seconds from the border."""

    start: int
    device: int
    session: int
    happenings: list[Happening]


class Inquiry(Struct, frozen=True):
    """What is asked: of a range between two times relative to the border, in seconds."""

    ends: list[int]
    bots: str
    zone: str
    fit: "Fit"
    interval: str
    metric: str
    dimension: str
    ranked: list[str]


class Fit(Struct, frozen=True):
    """A filter and what it means."""

    text: str
    event: Callable[[Row], bool] = lambda row: True
    session: Callable[[list[Row]], bool] = lambda rows: True


def plan(row: Row) -> str:
    return str(json.loads(bytes(row.properties)).get("plan", ""))


EVERYTHING = Fit("")
FITS = [
    Fit("path:is:/a|/b", event=lambda row: row.path in ("/a", "/b")),
    Fit("path:is_not:/", event=lambda row: row.path != "/"),
    Fit("path:contains:a", event=lambda row: "a" in row.path.lower()),
    Fit("path:not_contains:A|x", event=lambda row: "a" not in row.path.lower()),
    Fit("type:is:page", event=lambda row: row.type == "page"),
    Fit("property.plan:is:pro", event=lambda row: plan(row) == "pro"),
    Fit("property.plan:gte:7", event=lambda row: plan(row) == "7"),
    Fit("property.plan:is_set", event=lambda row: plan(row) != ""),
    Fit("property.plan:is_not_set", event=lambda row: plan(row) == ""),
    Fit("entry_path:is:/a", session=lambda rows: reference.entry_path(rows) == "/a"),
    Fit("exit_path:is_not:/", session=lambda rows: reference.exit_path(rows) != "/"),
]
DIMENSIONS: dict[str, Callable[[Row], str]] = {
    "path": lambda row: row.path,
    "type": lambda row: row.type,
    "device_id": lambda row: row.device_id,
    "property.plan": plan,
}
SESSION_DIMENSIONS = {"entry_path": reference.entry_path, "exit_path": reference.exit_path}

near = st.integers(-3, 3)
distances = near | near | st.integers(-1800, 1800) | st.integers(-100_000, 100_000) | st.integers(-900_000, 900_000)
offsets = st.integers(0, 3) | st.integers(0, 5400) | st.integers(-80_000, 80_000)
happenings = st.builds(
    Happening,
    seconds=offsets,
    type=st.sampled_from(TYPES),
    path=st.sampled_from(PATHS),
    plan=st.sampled_from(["", "pro", "free", "7"]),
    rate=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.4, 0.1]),
    is_bot=st.sampled_from([False] * 7 + [True]),
)
stays = st.builds(
    Stay, start=distances, device=st.integers(0, 3), session=st.integers(0, 2),
    happenings=st.lists(happenings, min_size=1, max_size=5),
)  # fmt: skip
inquiries = st.builds(
    Inquiry,
    ends=st.tuples(distances, distances).map(sorted),
    bots=st.sampled_from([*KINDS, "exclude"]),
    zone=st.sampled_from(ZONES),
    fit=st.just(EVERYTHING) | st.sampled_from(FITS),
    interval=st.sampled_from(INTERVALS),
    metric=st.sampled_from([*reference.COUNTS, *reference.MEANS]),
    dimension=st.sampled_from([*DIMENSIONS, *SESSION_DIMENSIONS]),
    ranked=st.permutations([*reference.COUNTS, *reference.MEANS]) | st.permutations(reference.COUNTS),
)


def rows_of(history: list[Stay], border: datetime, project: str) -> list[Row]:
    """Return the events; no two at the same millisecond, so that first and last have one meaning."""
    numbers = itertools.count()
    return [
        event(
            project=project,
            at=border + timedelta(seconds=stay.start + happening.seconds, milliseconds=next(numbers)),
            session_started=border + timedelta(seconds=stay.start),
            device_id=f"device-{stay.device}",
            session_id=f"session-{stay.session}",
            type=happening.type,
            path=happening.path,
            properties={"plan": int(happening.plan) if happening.plan.isdigit() else happening.plan},
            sample_rate=happening.rate,
            bot="crawler" if happening.is_bot else "",
        )
        for stay in history
        for happening in stay.happenings
    ]


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    border=st.sampled_from(BORDERS),
    history=st.lists(stays, min_size=1, max_size=12),
    asked=st.lists(inquiries, min_size=3, max_size=3),
)
def test_answers_equal_a_recomputation(
    asker: Asker, border: datetime, history: list[Stay], asked: list[Inquiry]
) -> None:
    project = f"p{next(PROJECTS)}"
    asker.add_project(project)
    rows = rows_of(history, border, project)
    for half in filter(None, (rows[::2], rows[1::2])):  # two parts, so that views are merged by the questions
        asker.store(*half)
    for inquiry in asked:
        compare(asker, rows, border, inquiry, project)


def compare(asker: Asker, rows: list[Row], border: datetime, asked: Inquiry, key: str) -> None:
    """Every question answers what the reference says."""
    start, end = (border + timedelta(seconds=seconds) for seconds in asked.ends)
    visible = [row for row in rows if (row.bot != "") in KINDS[asked.bots]]
    world = reference.World(visible, start, end, asked.fit.event, asked.fit.session)
    common = {"from": start.isoformat(), "to": end.isoformat(), "bots": asked.bots, "timezone": asked.zone}
    common |= {"filter": asked.fit.text} if asked.fit.text else {}
    stats, series, groups, listed, happened = asker.ask_all(
        [
            ("/stats", common),
            ("/timeseries", common | {"interval": asked.interval, "metric": asked.metric}),
            ("/breakdown", common | {"dimension": asked.dimension, "metrics": ",".join(asked.ranked)}),
            ("/sessions", common),
            ("/events", common),
        ],
        key=key,
    )

    assert stats == pytest.approx(reference.stats(world), rel=1e-12)
    if not asked.fit.text:
        assert stats["visitors"] <= stats["sessions"] <= stats["events"]
    expected = reference.timeseries(world, zone=ZoneInfo(asked.zone), interval=asked.interval)
    assert [row["start"] for row in series["rows"]] == list(expected)
    assert [row["value"] for row in series["rows"]] == pytest.approx(
        [row[asked.metric] for row in expected.values()], rel=1e-12
    )
    expected_groups = (
        reference.breakdown_of_sessions(world, SESSION_DIMENSIONS[asked.dimension])
        if asked.dimension in SESSION_DIMENSIONS
        else reference.breakdown_of_events(world, DIMENSIONS[asked.dimension])
    )
    assert [row.pop(asked.dimension) for row in groups["rows"]] == [row["value"] for row in groups["rows"]]
    assert {row.pop("value"): row for row in groups["rows"]} == {
        value: pytest.approx({name: row[name] for name in asked.ranked}, rel=1e-12)
        for value, row in expected_groups.items()
    }
    assert [sketch(session) for session in listed["rows"]] == newest_sessions(world)
    assert [row["event_id"] for row in happened["rows"]] == [
        row.event_id for row in sorted(world.happened(), key=lambda row: -row.at)
    ]


def sketch(session: dict[str, Any]) -> dict[str, Any]:
    names = ("device_id", "session_id", "started_at", "ended_at", "entry_path", "exit_path", "bounce", "bot", "counts")
    return {name: session[name] for name in names}


def newest_sessions(world: reference.World) -> list[dict[str, Any]]:
    return [
        {
            "device_id": rows[0].device_id,
            "session_id": rows[0].session_id,
            "started_at": written(rows[0]),
            "ended_at": written(rows[-1]),
            "entry_path": reference.entry_path(rows),
            "exit_path": reference.exit_path(rows),
            "bounce": reference.visit_of(rows, rows).is_bounce,
            "bot": any(row.bot for row in rows),
            "counts": {name: count for name in sorted(TYPES) if (count := sum(row.type == name for row in rows))},
        }
        for rows in sorted(world.began(), key=lambda rows: -rows[0].at)
    ]


def written(row: Row) -> str:
    return reference.utc(row.at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
