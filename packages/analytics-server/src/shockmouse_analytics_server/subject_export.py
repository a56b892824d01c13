"""Subject export: everything held about one user or device, as JSON Lines, the first line a manifest.

manifest   whose, when, the rows of each table, and the SHA-256 of all bytes after the manifest's line
lines      {"table": …, "row": {…}}: events, what is told of sessions and devices, rows that wait in the spool or lie in
           quarantine, visits that the spool remembers. Counts hold nothing of a person
Whose      as in erasure (subjects.py): of a device that several people share only what names this person
The lines are first written to a file that has no name and is gone with its end, so that manifest and lines agree in
constant memory.
"""

import asyncio
import contextlib
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from typing import IO

import msgspec
from msgspec import Raw, Struct

from . import audit, spool_search
from .clickhouse import Database
from .erasure_journal import Subject
from .erasure_work import Place, hashed
from .rollups import ROLLUPS, Rollup
from .rows import ROW_COLUMNS
from .spool_search import Ids
from .subjects import EVENTS_OF, OWN_DEVICES, find_ids, params_of

FORMAT = 1
CHUNK_BYTES = 256 << 10
SHOWN = {"session_started": "session_started_at"}  # as senders and all other answers name it
EVENTS = f"select * from events where {EVENTS_OF} order by at, event_id"  # noqa: S608
OF_PERSON = f"""
select {{columns}} from {{table}} final where project = {{{{project:String}}}} and
(device_id = {{{{device:String}}}} and device_id != '' or device_id in
({OWN_DEVICES.replace("{", "{{").replace("}", "}}")})
or {{user}} in {{{{users:Array(String)}}}}) order by device_id
"""  # noqa: S608
USER = {"sessions": "tupleElement(identified, 'user_id')", "devices": "finalizeAggregation(user_id)"}
COLUMNS = """
select name, startsWith(type, 'AggregateFunction') as is_state from system.columns
where database = {database:String} and table = {table:String} order by position
"""
SETTINGS = {"max_block_size": 8192, "log_queries": 0}


class Manifest(Struct, frozen=True):
    """The first line; `tables` counts the lines that follow, by table."""

    format: int
    subject: Subject
    user_ids: list[str]
    device_ids: list[str]
    exported_at: str
    tables: dict[str, int]
    bytes: int
    sha256: str


async def export_subject(place: Place, subject: Subject, who: str) -> AsyncIterator[bytes]:
    """Yield the export's bytes, manifest first; that it took place is in the audit log."""
    ids = await find_ids(place.database, subject)
    hashed, tables, size = hashlib.sha256(), dict[str, int](), 0
    with tempfile.TemporaryFile(dir=place.data_dir) as file:
        async for table, line in lines_of(place, subject, ids):
            hashed.update(line)
            tables[table] = tables.get(table, 0) + 1
            size += len(line)
            file.write(line)
        manifest = Manifest(
            FORMAT,
            subject,
            sorted(ids.users),
            sorted(ids.devices),
            audit.written(time.time()),
            tables,
            size,
            hashed.hexdigest(),
        )
        await note(place, subject, who, tables)
        yield msgspec.json.encode(manifest) + b"\n"
        file.seek(0)
        for chunk in chunks_of(file):
            yield chunk


async def note(place: Place, subject: Subject, who: str, tables: dict[str, int]) -> None:
    detail = {"subject": hashed(place.directory, subject), "tables": tables}
    await audit.note(place.database, subject.project, who, "export-subject", detail)


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


async def lines_of(place: Place, subject: Subject, ids: Ids) -> AsyncIterator[tuple[str, bytes]]:
    """Yield every line with its table.

    Rows go from the spool to ClickHouse meanwhile, so the spool is read first: none is in neither. What is in both by
    then is told once, as waiting.
    """
    params = params_of(subject, ids.users)
    waiting = set[tuple[bytes, bytes]]()
    for body in await asyncio.to_thread(lambda: list(spool_search.waiting_lines(place.spool.file, ids))):
        columns = columns_of(body)
        waiting.add(key_of(columns))
        yield "spool", line("spool", as_answered(columns))
    for _, body in await asyncio.to_thread(spool_search.quarantined_lines, place.spool.file, ids):
        yield "quarantine", line("quarantine", as_answered(columns_of(body)))
    async for row in rows_of(place.database, EVENTS, params):
        columns = msgspec.json.decode(row, type=dict[str, Raw])
        if key_of(columns) not in waiting:
            yield "events", line("events", as_answered(columns))
    for rollup in ROLLUPS:
        if rollup.is_by_device:
            async for row in rows_of(place.database, await told_of(place.database, rollup), params):
                yield rollup.table, line(rollup.table, row)
    for visit in await asyncio.to_thread(spool_search.visits_of, place.spool.file, ids):
        yield "visits", line("visits", msgspec.json.encode(visit))


async def told_of(database: Database, rollup: Rollup) -> str:
    """Return the select of the rollup's rows of a person, with states as the values that they stand for."""
    columns = await database.fetch(COLUMNS, params={"database": database.name, "table": rollup.table})
    told = ", ".join(value_of(row["name"], is_state=row["is_state"]) for row in columns)
    return OF_PERSON.format(columns=told, table=rollup.table, user=USER[rollup.table])


def value_of(column: str, *, is_state: bool) -> str:
    return f"finalizeAggregation({column}) as told_{column}" if is_state else column


async def rows_of(database: Database, sql: str, params: dict[str, object]) -> AsyncIterator[bytes]:
    """Yield the rows as JSON objects."""
    rest = b""
    async for chunk in database.stream(sql, format="JSONEachRow", params=params, settings=SETTINGS):
        *whole, rest = (rest + chunk).split(b"\n")
        for row in whole:
            yield row
    if rest:
        yield rest


def columns_of(body: bytes) -> dict[str, Raw]:
    """Return a spool's line by the columns' names."""
    return dict(zip(ROW_COLUMNS, msgspec.json.decode(body, type=list[Raw]), strict=False))


def key_of(columns: dict[str, Raw]) -> tuple[bytes, bytes]:
    """Return what tells an event from all others; ids are the same text in the spool and in ClickHouse."""
    return bytes(columns["batch_id"]), bytes(columns["event_id"])


def as_answered(columns: dict[str, Raw]) -> bytes:
    """Return an event's columns as other answers show them: the context, which is stored as text, is an object."""
    shown = {SHOWN.get(name, name): value for name, value in columns.items()}
    with contextlib.suppress(msgspec.DecodeError):  # of what lies in quarantine it may be anything
        text = msgspec.json.decode(shown.get("context", b""), type=str)
        shown["context"] = Raw(msgspec.json.format(text.encode(), indent=-1))
    return msgspec.json.encode(shown)


def line(table: str, row: bytes) -> bytes:
    return b'{"table":"%s","row":%s}\n' % (table.encode(), row)
