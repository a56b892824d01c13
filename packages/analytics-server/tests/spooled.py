"""Rows and batches for the tests of spool and loader, and what ClickHouse has made of them."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct

from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.rows import ROW_COLUMNS, Row, Unplaced
from shockmouse_analytics_server.spool import Entry, Spool

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
MONTH = 31 * 24 * 3600.0

TOTALS = """
select (select count() from events) as events, (select uniqExact(event_id) from events) as ids,
(select sum(events) from sessions final) as sessions, (select sum(events) from devices final) as devices,
(select sum(events) from counts_by_quarter) as counts,
(select sum(events) from counts_by_value where dimension = 'path') as values,
(select sum(events) from counts_by_week where dimension = 'path') as weeks,
(select count() from events where type != 'performance')
    + (select sum(events) from measures_by_value where dimension = '') as measures,
(select count() from events where type in ('page', 'screen', 'performance'))
    + (select sum(events) from counts_by_name) as names
"""


class Totals(Struct, frozen=True):
    """How many events each table has counted; `ids` are the distinct ones in events."""

    events: int
    ids: int
    sessions: int
    devices: int
    counts: int
    values: int
    weeks: int
    measures: int
    names: int

    @classmethod
    def of(cls, events: int) -> "Totals":
        """What is right for so many events."""
        return cls(*[events] * 9)


async def totals(database: Database) -> Totals:
    (row,) = await database.fetch(TOTALS)
    return Totals(**{name: int(value) for name, value in row.items()})


def make_row(**overrides: Any) -> Row:
    """Return a page view of one device and session; `overrides` are its columns."""
    at = overrides.get("at", NOON)
    fields: dict[str, Any] = dict.fromkeys(ROW_COLUMNS, "")
    fields |= {
        "project": "default",
        "at": at,
        "event_id": str(uuid.uuid4()),
        "batch_id": str(uuid.uuid4()),
        "type": "page",
        "session_id": "session",
        "session_started": at,
        "device_id": "device",
        "sample_rate": 1.0,
        "sent_at": None,
        "received_at": NOON,
        "path": "/pricing",
        "seq": 0,
        "fingerprint": {},
        "user_properties": Raw(b"{}"),
        "properties": Raw(b'{"plan":"pro","seats":3}'),
        "context": "{}",
        "retention": 0,
        "rollup_retention": 0,
    }
    return Row(**{**fields, **overrides})


def make_measure() -> Row:
    """Return a performance event, which stands in one more table than others."""
    return make_row(type="performance", name="LCP", properties=Raw(b'{"value":1840.5}'))


def make_deed() -> Row:
    """Return a named event that is no page view, which stands in one more table as well."""
    return make_row(type="track", name="Order placed")


def make_entry(events: int = 1, *, batch_id: uuid.UUID | None = None, **overrides: Any) -> Entry:
    """Return a batch of such rows; `overrides` are columns of each."""
    batch_id = batch_id or uuid.uuid4()
    return entry_of([make_row(batch_id=str(batch_id), **overrides) for _ in range(events)], batch_id=batch_id)


def entry_of(rows: list[Row], *, batch_id: uuid.UUID | None = None, received_at: float = NOON) -> Entry:
    digest = hashlib.sha256("".join(row.event_id for row in rows).encode()).digest()
    return Entry(rows[0].project, batch_id or uuid.UUID(rows[0].batch_id), digest, rows, [], received_at)


def unplaced_entry(rows: list[Unplaced], *, received_at: float = NOON) -> Entry:
    return Entry(rows[0].row.project, uuid.uuid4(), uuid.uuid4().bytes, [], rows, received_at)


def open_spool(folder: Path, *, max_bytes: int = 1 << 30, reserve_bytes: int = 0) -> Spool:
    return Spool(folder / "spool.sqlite", max_bytes=max_bytes, reserve_bytes=reserve_bytes)
