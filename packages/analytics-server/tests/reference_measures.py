"""What vitals, the last minutes, properties and devices must be, computed again in plain Python."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from reference import World, half_up, order, percentile, sessions_of, utc, views_of, weigh, weight

LEVELS = {"p50": Fraction(1, 2), "p75": Fraction(3, 4), "p95": Fraction(95, 100), "p99": Fraction(99, 100)}
TYPES = {str: "string", int: "number", float: "number", bool: "boolean", list: "list"}
LATEST_AGENT = (
    "country", "browser", "browser_version", "os", "os_version", "device_type", "screen", "locale", "timezone",
    "app_version", "privacy",
)  # fmt: skip


def show(value: Any) -> str:
    """Return a property as filters see it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(f"'{one}'" if isinstance(one, str) else show(one) for one in value) + "]"
    return "" if value is None else str(value)


def measured(row: Any) -> float | None:
    """Return what a performance event measured."""
    text = show(row.properties.get("value")) or show(row.properties.get("duration_ms"))
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def vitals(world: World, value: Callable[[Any], str]) -> list[dict[str, Any]]:
    """Return percentiles by measure and value, the most frequent first."""
    groups: dict[tuple[str, str], list[tuple[float, Fraction]]] = defaultdict(list)
    for row in world.happened():
        if row.type == "performance" and (found := measured(row)) is not None:
            groups[row.name, value(row)].append((found, weight(row)))
    counts = {key: sum((one[1] for one in group), Fraction(0)) for key, group in groups.items()}
    return [
        {"name": name, "value": of, "events": half_up(counts[name, of])}
        | {level: percentile(groups[name, of], share) for level, share in LEVELS.items()}
        for name, of in sorted(groups, key=lambda key: (-counts[key], *key))
    ]


def people(rows: Iterable[Any]) -> Fraction:
    """Return the weighted devices: each with the least of its weights."""
    lightest: dict[str, Fraction] = {}
    for row in rows:
        lightest[row.device_id] = min(lightest.get(row.device_id, weight(row)), weight(row))
    return sum(lightest.values(), Fraction(0))


def realtime(world: World) -> dict[str, Any]:
    rows = world.happened()
    pages: dict[str, list[Any]] = defaultdict(list)
    for row in views_of(rows):
        pages[row.path].append(row)
    ranked = sorted(pages, key=lambda path: (-people(pages[path]), -weigh(pages[path]), path))
    seconds = (world.end - world.start).total_seconds()
    return {
        "visitors": half_up(people(rows)),
        "events": half_up(weigh(rows)),
        "pageviews": half_up(weigh(views_of(rows))),
        "events_per_second": float(weigh(rows)) / seconds if seconds else 0.0,
        "pages": [
            {"path": path, "visitors": half_up(people(pages[path])), "pageviews": half_up(weigh(pages[path]))}
            for path in ranked
        ],
    }


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from leaves(f"{name}.{key}", inner)


def properties(world: World) -> list[dict[str, Any]]:
    """Return names, types, counts and every value; what is null is not there."""
    found: dict[str, list[Any]] = defaultdict(list)
    counts: dict[str, Fraction] = defaultdict(Fraction)
    for row in world.happened():
        for name, value in [*leaves("property", row.properties), *leaves("user_property", row.user_properties)]:
            if value is not None:
                found[name].append(value)
                counts[name] += weight(row)
    return [
        {
            "name": name,
            "types": sorted({TYPES[type(value)] for value in found[name]}),
            "events": half_up(counts[name]),
            "examples": found[name],
        }
        for name in sorted(found, key=lambda name: (-counts[name], name))
    ]


def histories(world: World) -> dict[str, list[Any]]:
    """Return all that is known of the devices with a session that began in the range and fits, oldest event first."""
    chosen = {rows[0].device_id for rows in world.began()}
    found: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(world.rows, key=order):
        if row.device_id in chosen:
            found[row.device_id].append(row)
    return found


def last_with(rows: list[Any], column: str) -> Any:
    """Return the latest event that says something there."""
    return next((row for row in reversed(rows) if getattr(row, column)), None)


def device(rows: list[Any]) -> dict[str, Any]:
    """Return a device as lists tell it, from all its events."""
    printed = last_with(rows, "fingerprint_hash")
    return {
        "device_id": rows[0].device_id,
        "user_id": getattr(last_with(rows, "user_id"), "user_id", ""),
        "first_seen_at": written(rows[0]),
        "last_seen_at": written(rows[-1]),
        "events": len(rows),
        "pageviews": len(views_of(rows)),
        "bot": any(row.bot for row in rows),
        **{name: getattr(rows[-1], name) for name in LATEST_AGENT},
        "fingerprint_hash": printed.fingerprint_hash if printed else "",
    }


def devices(world: World) -> list[dict[str, Any]]:
    """Return the devices of the range, the newest first."""
    ordered = sorted(histories(world).values(), key=lambda rows: (rows[0].at, rows[0].device_id), reverse=True)
    return [device(rows) for rows in ordered]


def use_by_hour(rows: list[Any], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the events by hour of the week, weighted."""
    hours: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in rows:
        local = utc(row.at).astimezone(zone)
        hours[local.isoweekday(), local.hour].append(row)
    return [
        {"weekday": weekday, "hour": hour, "events": half_up(weigh(hours[weekday, hour]))}
        for weekday, hour in sorted(hours)
    ]


def summary(world: World, zone: ZoneInfo) -> dict[str, Any]:
    """Return what the fingerprints of the range's devices share."""
    found = histories(world)
    weights = {name: min(map(weight, rows)) for name, rows in found.items()}
    prints = {name: last_with(rows, "fingerprint_hash") for name, rows in found.items()}
    hashes: dict[str, list[str]] = defaultdict(list)
    signals: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    modes: dict[str, Fraction] = defaultdict(Fraction)
    for name, rows in found.items():
        modes[rows[-1].privacy] += weights[name]
        if prints[name] is not None:
            hashes[prints[name].fingerprint_hash].append(name)
            for signal in prints[name].fingerprint.items():
                signals[signal] += weights[name]
    counts = {hashed: sum((weights[name] for name in names), Fraction(0)) for hashed, names in hashes.items()}
    shared = {hashed for hashed, names in hashes.items() if len(names) > 1}
    return {
        "devices": half_up(sum(weights.values(), Fraction(0))),
        "devices_with_fingerprint": half_up(sum(counts.values(), Fraction(0))),
        "distinct_hashes": len(hashes),
        "shared_hashes": len(shared),
        "devices_sharing_a_hash": half_up(sum((counts[hashed] for hashed in shared), Fraction(0))),
        "signals": [
            {"signal": signal, "value": value, "devices": half_up(signals[signal, value])}
            for signal, value in sorted(signals, key=lambda pair: (pair[0], -signals[pair], pair[1]))
        ],
        "hashes": [
            {"hash": hashed, "devices": half_up(counts[hashed])}
            for hashed in sorted(counts, key=lambda hashed: (-counts[hashed], hashed))
        ],
        "privacy": [
            {"value": mode, "devices": half_up(modes[mode])}
            for mode in sorted(modes, key=lambda mode: (-modes[mode], mode))
        ],
        "usage": use_by_hour(world.happened(), zone),
    }


def written(row: Any) -> str:
    return write(utc(row.at))


def write(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_of(world: World, device_id: str, session_id: str) -> list[Any]:
    """Return the events of the latest session of that id, oldest first."""
    found = [rows for key, rows in sessions_of(world.rows).items() if key[1:] == (device_id, session_id)]
    return max(found, key=lambda rows: rows[0].at)
