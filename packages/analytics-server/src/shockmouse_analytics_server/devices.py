"""/devices: the visitors of a range; /devices/{id}: one of them; /devices/summary: what their fingerprints share.

A list and the summary tell of the devices with a session that began in the range, newest device first. What is told of
a device (first and last seen, counts, its latest agent and fingerprint) is of its whole history, as stored.
"""

import asyncio
from typing import Any

import msgspec

from .clickhouse import Database
from .errors import QuestionError
from .filters import Conditions
from .question import DEFAULT_LIMIT, MAX_LIMIT, Millis, Question, next_cursor, parse_integer, parse_page
from .ranges import show_times
from .totals import roll_up, round_count

ORDER = ("first_seen_at_ms", "device_id")
LATEST = 2**62


async def devices(
    database: Database, question: Question, given: dict[str, str]
) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of devices and the cursor to the next."""
    question, page = parse_page(question, given, (Millis, str))
    after_ms, after_device = page.after or (LATEST, "")
    params = {"after_ms": after_ms, "after_device": after_device, "rows": page.limit + 1}
    sql = question.sql("devices", chosen=question.sql("devices_page"))
    found = await database.fetch(sql, params=question.params() | params)
    following = next_cursor(question, page, found, *ORDER)
    for row in found:
        del row["fingerprint_signals"]
    return [show_times(row) for row in found], following


async def device(database: Database, question: Question, device_id: str) -> dict[str, object]:
    """Return one device with its signals, and its use by hour of the week within the range.

    Raises QuestionError: the project has no such device.
    """
    params = question.params() | {"device_id": device_id}
    only = Conditions(event=("device_id = {device_id:String}",), params={"device_id": device_id})
    of_device = msgspec.structs.replace(question, conditions=only)
    found, usage = await asyncio.gather(
        database.fetch(question.sql("devices", chosen="{device_id:String}"), params=params),
        use_by_hour(database, of_device),
    )
    if not found:
        raise QuestionError(f"there is no device {device_id[:64]!r}", code="not_found", status=404)
    return {**show_times(found[0]), "usage": usage}


async def summary(database: Database, question: Question, given: dict[str, str]) -> dict[str, object]:
    """Return devices by signal value, fingerprint hash and privacy mode, and use by hour of the week."""
    rows = {"rows": parse_integer("limit", given, DEFAULT_LIMIT, 1, MAX_LIMIT)}
    params = question.params() | rows

    def ask(name: str) -> Any:
        return database.fetch(question.sql(name, devices=question.sql("devices_in_range")), params=params)

    totals, signals, hashes, privacy, usage = await asyncio.gather(
        ask("devices_counted"),
        ask("devices_by_signal"),
        ask("devices_by_hash"),
        ask("devices_by_privacy"),
        use_by_hour(database, question),
    )
    return {
        **{name: round_count(count) for name, count in totals[0].items()},
        "signals": [rounded(row) for row in signals],
        "hashes": [rounded(row) for row in hashes],
        "privacy": [rounded(row) for row in privacy],
        "usage": usage,
    }


async def use_by_hour(database: Database, question: Question) -> list[dict[str, object]]:
    """Return events by hour of the week of the zone's clock, from Monday 0 o'clock; empty hours are left out."""
    params = question.params() | {"zone": question.range.zone.key}
    if question.is_filtered:
        source = question.sql("events_counted")
    else:
        source, inner = roll_up(question)
        params |= inner
    rows = await database.fetch(question.sql("events_by_week_hour", events=source), params=params)
    return [{**row, "events": round_count(row["events"])} for row in rows]


def rounded(row: dict[str, Any]) -> dict[str, object]:
    return {**row, "devices": round_count(row["devices"])}
