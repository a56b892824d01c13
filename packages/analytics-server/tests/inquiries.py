"""Random questions about random traffic, of every path, and what the recomputation says of each."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import reference
import reference_journeys as journeys
import reference_measures as measures
import traffic
from hypothesis import strategies as st
from msgspec import Struct
from reference import Row, World

KINDS = {"exclude": (False,), "include": (False, True), "only": (True,)}
INTERVALS = ["hour", "day", "week", "month"]
TOLD = ("step", "count", "conversion", "step_conversion", "median_seconds")
SESSION_TYPES = sorted(set(traffic.TYPES))


class Fit(Struct, frozen=True):
    """A filter and what it means."""

    text: str
    event: Callable[[Row], bool] = lambda row: True
    session: Callable[[list[Row]], bool] = lambda rows: True


class Part(Struct, frozen=True):
    """A step or an exclusion of a funnel, and what it means."""

    body: dict[str, Any]
    fits: Callable[[Row], bool]


class Inquiry(Struct, frozen=True):
    """What is asked: of a range between two times relative to the border, in seconds."""

    ends: list[int]
    bots: str
    zone: str
    fit: Fit
    interval: str
    cohorts: str
    metric: str
    dimension: str
    ranked: list[str]
    steps: list[int]
    excluded: list[tuple[int, int, int]]
    window_seconds: int
    by: str
    of: str | None
    anchor: tuple[str | None, str | None]
    is_next: bool
    of_pages: bool


def plan(row: Row) -> str:
    return measures.show(row.properties.get("plan"))


def is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def entry(column: str) -> Callable[[list[Row]], str]:
    """Return what a session's first page view says there."""
    return lambda rows: getattr(next(iter(reference.views_of(rows)), None), column, "")


EVERYTHING = Fit("")
FITS = [
    Fit("path:is:/a|/b", event=lambda row: row.path in ("/a", "/b")),
    Fit("path:is_not:/", event=lambda row: row.path != "/"),
    Fit("path:contains:a", event=lambda row: "a" in row.path.lower()),
    Fit("path:not_contains:A|x", event=lambda row: "a" not in row.path.lower()),
    Fit("type:is:page", event=lambda row: row.type == "page"),
    Fit("country:is:FR", event=lambda row: row.country == "FR"),
    Fit("user_id:is_set", event=lambda row: row.user_id != ""),
    Fit("property.plan:is:pro|true", event=lambda row: plan(row) in ("pro", "true")),
    Fit("property.plan:gte:7", event=lambda row: is_number(plan(row)) and float(plan(row)) >= 7),
    Fit("user_property.plan:lt:7", event=lambda row: is_number(plan(row)) and float(plan(row)) < 7),
    Fit("property.plan:gte:2026-01-31T10:00:00Z", event=lambda row: plan(row) == "2026-01-31T10:00:00Z"),
    Fit("property.plan:is_set", event=lambda row: plan(row) != ""),
    Fit("property.plan:is_not_set", event=lambda row: plan(row) == ""),
    Fit("property.plan:contains:X", event=lambda row: plan(row) == "['x','y']"),
    Fit("property.deep.a.b:is:0.4", event=lambda row: row.sample_rate == 0.4),
    Fit("entry_path:is:/a", session=lambda rows: reference.entry_path(rows) == "/a"),
    Fit("entry_utm_source:is:news", session=lambda rows: entry("utm_source")(rows) == "news"),
    Fit("exit_path:is_not:/", session=lambda rows: reference.exit_path(rows) != "/"),
]
DIMENSIONS: dict[str, Callable[[Row], str]] = {
    **{name: lambda row, name=name: getattr(row, name) for name in (
        "path", "host", "type", "name", "user_id", "device_id", "country", "browser", "browser_version", "os",
        "os_version", "device_type", "screen", "locale", "referrer_host", "utm_source", "app_version", "privacy", "bot",
    )},
    "property.plan": plan,
    "user_property.plan": plan,
    "property.deep.a.b": lambda row: measures.show(row.properties["deep"]["a.b"]).removesuffix(".0"),
    "property.missing": lambda row: "",
}  # fmt: skip
SESSION_DIMENSIONS = {
    "entry_path": reference.entry_path,
    "exit_path": reference.exit_path,
    "entry_referrer_host": entry("referrer_host"),
    "entry_utm_source": entry("utm_source"),
}
PARTS = [
    Part({"type": "page"}, lambda row: row.type == "page"),
    Part({"type": "page", "filters": ["path:is:/a"]}, lambda row: row.type == "page" and row.path == "/a"),
    Part({"name": "buy"}, lambda row: row.name == "buy"),
    Part({"type": "click"}, lambda row: row.type == "click"),
    Part({"filters": ["property.plan:is_set"]}, lambda row: plan(row) != ""),
]

inquiries = st.builds(
    Inquiry,
    ends=st.tuples(traffic.distances, traffic.distances).map(sorted),
    bots=st.sampled_from([*KINDS, "exclude"]),
    zone=st.sampled_from(traffic.ZONES),
    fit=st.just(EVERYTHING) | st.sampled_from(FITS),
    interval=st.sampled_from(INTERVALS),
    cohorts=st.sampled_from(INTERVALS[1:]),
    metric=st.sampled_from([*reference.COUNTS, *reference.MEANS]),
    dimension=st.sampled_from([*DIMENSIONS, *SESSION_DIMENSIONS]),
    ranked=st.permutations([*reference.COUNTS, *reference.MEANS])
    | st.permutations(reference.COUNTS)
    | st.permutations(["events", "pageviews"]),
    steps=st.lists(st.integers(0, len(PARTS) - 1), min_size=2, max_size=4),
    excluded=st.lists(st.tuples(st.integers(0, len(PARTS) - 1), st.integers(1, 3), st.integers(1, 3)), max_size=2),
    window_seconds=st.sampled_from([1, 3600, 7 * 86_400]),
    by=st.sampled_from(["device", "device", "user"]),
    of=st.sampled_from([None, None, "path", "country", "property.plan"]),
    anchor=st.sampled_from([("/", None), ("/a", None), (None, "buy"), (None, "")]),
    is_next=st.booleans(),
    of_pages=st.booleans(),
)


class Asked(Struct, frozen=True):
    """One request, and a check of its answer: it returns what was told and what is right, made alike."""

    path: str
    params: list[tuple[str, str]]
    check: Callable[[Any], tuple[Any, Any]]
    body: dict[str, Any] | None = None


def ask(inquiry: Inquiry, rows: list[Row], border: datetime) -> Iterator[Asked]:
    """Yield every question of the inquiry."""
    start, end = (border + timedelta(seconds=seconds) for seconds in inquiry.ends)
    visible = [row for row in rows if (row.bot != "") in KINDS[inquiry.bots]]
    world = World(visible, start, end, inquiry.fit.event, inquiry.fit.session)
    zone = ZoneInfo(inquiry.zone)
    common = [("from", start.isoformat()), ("to", end.isoformat()), ("bots", inquiry.bots), ("timezone", inquiry.zone)]
    common += [("filter", inquiry.fit.text)] if inquiry.fit.text else []
    before = World(visible, reference.clock_before(start, end, zone), start, inquiry.fit.event, inquiry.fit.session)

    def question(path: str, check: Callable[[Any], tuple[Any, Any]], *, body: Any = None, **params: object) -> Asked:
        return Asked(path, common + [(name, str(value)) for name, value in params.items()], check, body)

    yield question(
        "/stats",
        lambda told: (told, reference.stats(world) | {"previous": reference.stats(before)}),
        compare="previous",
    )
    yield question(
        "/timeseries",
        lambda told: (
            listed(told),
            [
                {"start": at, "value": row[inquiry.metric]}
                for at, row in reference.timeseries(world, zone=zone, interval=inquiry.interval).items()
            ],
        ),
        metric=inquiry.metric,
        interval=inquiry.interval,
    )
    yield question(
        "/breakdown",
        lambda told: groups(told, world, inquiry),
        dimension=inquiry.dimension,
        metrics=",".join(inquiry.ranked),
    )
    yield question("/sessions", lambda told: ([sketch(row) for row in listed(told)], sessions(world)))
    yield question("/events", lambda told: ([event(row) for row in listed(told)], events(world)))
    yield question("/devices", lambda told: (listed(told), measures.devices(world)))
    yield question("/devices/summary", lambda told: (told, measures.summary(world, zone)))
    yield question("/realtime", lambda told: (told, measures.realtime(world) | {"exact": True}))
    yield question("/properties", lambda told: seen_properties(told, measures.properties(world)))
    of = inquiry.of or "device_type"
    yield question("/vitals", lambda told: (listed(told), vitals(world, of)), dimension=of)
    yield funnel(inquiry, world, question)
    yield question(
        "/retention",
        lambda told: (listed(told), journeys.retention(world, zone, inquiry.cohorts)),
        interval=inquiry.cohorts,
    )
    page, name = inquiry.anchor
    yield question(
        "/paths",
        lambda told: (
            listed(told),
            journeys.paths(world, inquiry.anchor, is_next=inquiry.is_next, of_pages=inquiry.of_pages),
        ),
        direction="next" if inquiry.is_next else "previous",
        steps="pages" if inquiry.of_pages else "all",
        **({"page": page} if page is not None else {"event": name}),
    )
    yield question(
        "/export",
        lambda told: ([row["event_id"] for row in told], [row["event_id"] for row in events(world)[::-1]]),
        format="jsonl",
    )
    if newest := newest_session(world):
        device_id = newest[0].device_id
        yield question(f"/devices/{device_id}", lambda told: one_device(told, world, device_id, zone))
        if newest[0].has_own_session:
            yield question(
                f"/sessions/{newest[0].session_id}",
                lambda told: one_session(told, world, newest),
                device_id=device_id,
            )


def listed(told: Any) -> Any:
    """Return a list's rows; all of them were asked for, and none is approximate."""
    assert (told["next"], told["exact"]) == (None, True)
    return told["rows"]


def groups(told: Any, world: World, inquiry: Inquiry) -> tuple[Any, Any]:
    """Return a breakdown, by value: rows of the same rounded count stand in the order of what was rounded."""
    name, shown = inquiry.dimension, listed(told)
    found = (
        reference.breakdown_of_sessions(world, SESSION_DIMENSIONS[name])
        if name in SESSION_DIMENSIONS
        else reference.breakdown_of_events(world, DIMENSIONS[name])
    )
    ranks = [row[inquiry.ranked[0]] for row in shown]
    assert ranks == sorted(ranks, reverse=True)
    return sorted(shown, key=lambda row: row["value"]), [
        {name: value, "value": value} | {metric: found[value][metric] for metric in inquiry.ranked}
        for value in sorted(found)
    ]


def sketch(session: dict[str, Any]) -> dict[str, Any]:
    names = (
        "device_id", "user_id", "started_at", "ended_at", "duration_seconds", "entry_path", "exit_path", "bounce",
        "bot", "pageviews", "events", "host", "referrer_host", "utm_source", "country", "browser", "os", "device_type",
        "counts",
    )  # fmt: skip
    return {name: session[name] for name in names}


def sessions(world: World) -> list[dict[str, Any]]:
    newest = sorted(world.began(), key=lambda rows: rows[0].at, reverse=True)
    return [tell_session(rows) for rows in newest]


def tell_session(rows: list[Row]) -> dict[str, Any]:
    named = measures.last_with(rows, "user_id")
    return {
        "device_id": rows[0].device_id,
        "user_id": named.user_id if named else "",
        "started_at": measures.written(rows[0]),
        "ended_at": measures.written(rows[-1]),
        "duration_seconds": reference.visit_of(rows, rows).milliseconds / 1000,
        "entry_path": reference.entry_path(rows),
        "exit_path": reference.exit_path(rows),
        "bounce": reference.visit_of(rows, rows).is_bounce,
        "bot": any(row.bot for row in rows),
        "pageviews": len(reference.views_of(rows)),
        "events": len(rows),
        **{name: entry(name)(rows) for name in ("host", "referrer_host", "utm_source")},
        **{name: getattr(rows[0], name) for name in ("country", "browser", "os", "device_type")},
        "counts": {name: count for name in SESSION_TYPES if (count := sum(row.type == name for row in rows))},
    }


EVENT_COLUMNS = (
    "event_id", "type", "name", "device_id", "user_id", "privacy", "sample_rate", "bot", "host", "path", "country",
    "browser", "fingerprint_hash", "properties", "user_properties",
)  # fmt: skip


def event(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("at", *EVENT_COLUMNS)}


def tell_event(row: Row) -> dict[str, Any]:
    return {"at": measures.written(row)} | {name: getattr(row, name) for name in EVENT_COLUMNS}


def events(world: World) -> list[dict[str, Any]]:
    return [tell_event(row) for row in sorted(world.happened(), key=reference.order, reverse=True)]


def seen_properties(told: Any, expected: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Return names, types and counts as they are; of examples that up to five of the values were chosen."""
    shown, right = listed(told), []
    for row, one in zip(shown, expected, strict=False):
        values, examples = ([json.dumps(plainly(value)) for value in each["examples"]] for each in (one, row))
        are_right = set(examples) <= set(values) and len(examples) == min(len(set(values)), 5)
        right.append(one | {"examples": row["examples"] if are_right else values})
    return shown, right + expected[len(right) :]


def plainly(value: Any) -> Any:
    """Return a number as it is stored: a whole one without its point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def vitals(world: World, of: str) -> list[dict[str, Any]]:
    return [row | {of: row["value"]} for row in measures.vitals(world, DIMENSIONS[of])]


def funnel(inquiry: Inquiry, world: World, question: Callable[..., Asked]) -> Asked:
    steps = [PARTS[number] for number in inquiry.steps]
    bounds = [(PARTS[part], min(after, len(steps) - 1), longer) for part, after, longer in inquiry.excluded]
    exclusions = [(part, after, min(after + longer, len(steps))) for part, after, longer in bounds]
    body = {
        "steps": [part.body for part in steps],
        "exclude": [part.body | {"after": after, "before": before} for part, after, before in exclusions],
        "window_seconds": inquiry.window_seconds,
        "by": inquiry.by,
    } | ({"breakdown": inquiry.of} if inquiry.of else {})

    def check(told: Any) -> tuple[Any, Any]:
        expected = journeys.funnel(
            world,
            [part.fits for part in steps],
            [journeys.Exclusion(part.fits, after, before) for part, after, before in exclusions],
            window_ms=inquiry.window_seconds * 1000,
            by=f"{inquiry.by}_id",
            value=DIMENSIONS[inquiry.of] if inquiry.of else lambda row: "",
        )
        shown = [{name: row[name] for name in ("value", *TOLD) if name in row} for row in listed(told)]
        if inquiry.of:
            return shown, [{"value": value} | row for value, rows in expected.items() for row in rows]
        nobody = {"count": 0, "conversion": 0.0, "step_conversion": 0.0, "median_seconds": None}
        return shown, expected.get("") or [nobody | {"step": number + 1} for number in range(len(steps))]

    return question("/funnel", check, body=body)


def newest_session(world: World) -> list[Row] | None:
    return max(world.began(), key=lambda rows: rows[0].at, default=None)


def one_device(told: Any, world: World, device_id: str, zone: ZoneInfo) -> tuple[Any, Any]:
    """A device is told from its whole history; its sessions and use are those of the range, whatever the filter."""
    own = World([row for row in world.rows if row.device_id == device_id], world.start, world.end)
    rows = sorted(own.rows, key=reference.order)
    printed = measures.last_with(rows, "fingerprint_hash")
    shown = told | {"sessions": [sketch(row) for row in told["sessions"]]}
    return shown, measures.device(rows) | {
        "fingerprint_signals": printed.fingerprint if printed else {},
        "usage": measures.use_by_hour(own.happened(), zone),
        "sessions": sessions(own),
    }


def one_session(told: Any, world: World, newest: list[Row]) -> tuple[Any, Any]:
    """The latest session of that id in the range, whatever the filter, with all its events in order."""
    named = [rows for rows in World(world.rows, world.start, world.end).began()
             if (rows[0].device_id, rows[0].session_id) == (newest[0].device_id, newest[0].session_id)]  # fmt: skip
    rows = max(named, key=lambda rows: rows[0].at)
    shown = {"session": sketch(told["session"]), "events": [event(row) for row in told["events"]], "next": told["next"]}
    return shown, {"session": tell_session(rows), "events": [tell_event(row) for row in rows], "next": None}
