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
READ_RECEIPT = """
select detail from audit_log where project = {project:String} and action = 'erase'
and JSONExtractString(detail, 'erasure') = {id:String}
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
    rows = await database.fetch(READ_RECEIPT, params={"project": project, "id": erasure})
    return decode(rows[0]["detail"]) if rows else None


async def has(database: Database, erasure: str) -> bool:
    """Tell whether an erasure is in the log already."""
    sql = "select 1 as one from audit_log where action = 'erase' and JSONExtractString(detail, 'erasure') = {id:String}"
    return bool(await database.fetch(sql, params={"id": erasure}))


def decode(detail: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(detail)
    return found


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
