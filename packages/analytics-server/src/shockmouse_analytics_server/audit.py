"""The audit log: who erased, exported, made or changed what, and when; rows of ClickHouse, kept for three years.

who        the prefix of the key that asked, or `command`
detail     JSON; a person appears in it as a keyed hash only
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from .clickhouse import Database

COLUMNS = ("at", "project", "who", "action", "detail")
READ = """
select toUnixTimestamp64Milli(at) / 1000 as at, project, who, action, detail from audit_log
where project = {project:String} order by at
"""
READ_RECEIPTS = """
select detail from audit_log where project = {project:String} and action = 'erase'
and JSONExtractString(detail, {member:String}) = {text:String} order by at
"""


class Entry(Struct, frozen=True):
    """One thing that was done."""

    at: str
    project: str
    who: str
    action: str
    detail: dict[str, Any]


async def note(database: Database, project: str, who: str, action: str, detail: Mapping[str, object]) -> None:
    """It is written down."""
    row = (round(time.time(), 3), project, who, action, msgspec.json.encode(detail).decode())
    await database.insert("audit_log", COLUMNS, msgspec.json.encode(row))


async def entries(database: Database, project: str) -> list[Entry]:
    """Return what was done, the oldest first."""
    rows = await database.fetch(READ, params={"project": project})
    return [Entry(written(row["at"]), row["project"], row["who"], row["action"], decode(row["detail"])) for row in rows]


async def receipt(database: Database, project: str, erasure: str) -> dict[str, Any] | None:
    """Return what the log has of an erasure of the project."""
    found = await _receipts(database, project, "erasure", erasure)
    return found[0] if found else None


async def receipts_of(database: Database, project: str, subject: str) -> list[dict[str, Any]]:
    """Return what the log has of all erasures of a subject, named by its hash, the oldest first."""
    return await _receipts(database, project, "subject", subject)


async def _receipts(database: Database, project: str, member: str, text: str) -> list[dict[str, Any]]:
    rows = await database.fetch(READ_RECEIPTS, params={"project": project, "member": member, "text": text})
    return [decode(row["detail"]) for row in rows]


async def has(database: Database, erasure: str) -> bool:
    """Tell whether an erasure is in the log already."""
    sql = "select 1 as one from audit_log where action = 'erase' and JSONExtractString(detail, 'erasure') = {id:String}"
    return bool(await database.fetch(sql, params={"id": erasure}))


def decode(detail: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(detail)
    return found


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
