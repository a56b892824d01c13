"""Everything a node needs to go on elsewhere, in one folder.

manifest.json     format, release, schema, and of each file: SHA-256 and size; of each table: rows (merged) and columns;
                  last its own SHA-256, as written here without it
tables/NAME.N     one partition of one table in ClickHouse's Native format, views left out: their targets are there
spool.sqlite      batches that ClickHouse does not have yet, batch ids, quarantine, derived sessions
directory.sqlite  the mirror of projects and keys, from which ingestion starts while ClickHouse is away
Promise           an accepted event is in exactly one of tables and spool: the loader waits while they are copied, and
                  what it had begun to store is in every view. Nobody is half erased: erasures and a backup wait for
                  each other
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from . import __version__, erasure_journal, migrate
from .clickhouse import Database
from .counters import Counters
from .errors import DatabaseError, LockedError, SchemaError, UsageError, in_words
from .folder import counters_path, directory_path, erasing_lock, loader_lock, loading_lock, serve_lock, spool_path
from .journal import UNKNOWN_DATABASE, read
from .loader import REST_LOOK_SECONDS, REST_SECONDS, Loader
from .locks import hold
from .spool import Spool

FORMAT = 1
ERASING_SECONDS = 3600.0
CUT_OFF_SECONDS = 30.0
RETRY_SECONDS = 0.5
TRIES = 5
CHUNK_BYTES = 1 << 20
# A restored table knows no token: a segment that was tried before is looked up by its batch ids first.
FORGET_TOKENS = "update segments set block = 4611686018427387904"
TABLES = """
select name, engine like '%MergeTree' and engine not in ('MergeTree', 'ReplicatedMergeTree') as merges
from system.tables where database = {database:String} and not startsWith(name, 'migration_')
and (engine like '%MergeTree' or engine = 'Distributed') and not endsWith(name, '_local') order by name
"""
COLUMNS = """
select name from system.columns where database = {database:String} and table = {table:String}
and default_kind not in ('MATERIALIZED', 'ALIAS') order by position
"""
VIEWS = """
select name, create_table_query as made from system.tables
where database = {database:String} and engine = 'MaterializedView' order by name
"""


class File(Struct, frozen=True):
    """One file of a backup."""

    path: str
    bytes: int
    sha256: str


class Table(Struct, frozen=True):
    """One table: its rows as a question with `final` counts them, its columns in the files' order."""

    name: str
    rows: int
    columns: list[str]
    files: list[File]


class Manifest(Struct, frozen=True):
    """What a backup holds."""

    format: int
    release: str
    schema: int
    made_at: str
    tables: list[Table]
    files: list[File]
    sha256: str = ""

    def sealed(self) -> "Manifest":
        """Return it with the SHA-256 of all the rest."""
        bare = msgspec.json.encode(msgspec.structs.replace(self, sha256=""))
        return msgspec.structs.replace(self, sha256=hashlib.sha256(bare).hexdigest())


Progress = Callable[[str], None]


async def backup(database: Database, data_dir: Path, target: Path, *, progress: Progress = migrate.silent) -> Manifest:
    """Fill the new folder `target`; the manifest is written last, and without it there is no backup.

    Raises UsageError: the folder is there and not empty.
    """
    await asyncio.to_thread(make_folder, target)
    migrate.check(journal := await read(database), migrate.find())
    schema = max((entry.number for entry in journal.entries if entry.statement == 0), default=0)
    async with no_erasure(data_dir, progress=progress), loading_rests(database, data_dir):
        tables = [await dump(database, name, merges, target, progress) for name, merges in await tables_of(database)]
        progress("spool and directory")
        paths = [path for path in (spool_path(data_dir), directory_path(data_dir)) if path.exists()]
        for path in paths:
            await asyncio.to_thread(copy_sqlite, path, target / path.name)
    files = [await asyncio.to_thread(digest, target, target / path.name) for path in paths]
    manifest = Manifest(FORMAT, __version__, schema, datetime.now(UTC).isoformat(), tables, files).sealed()
    await asyncio.to_thread(write_synced, target / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def make_folder(target: Path) -> None:
    """The folder is there, empty and only ours."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder: give the name of a new one")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    (target / "tables").mkdir(mode=0o700)


@contextlib.asynccontextmanager
async def no_erasure(
    data_dir: Path, *, patience_seconds: float = CUT_OFF_SECONDS, progress: Progress = migrate.silent
) -> AsyncIterator[None]:
    """Inside, nobody is being erased: neither at this moment nor by an erasure that was cut off.

    Raises LockedError: one was cut off, and nobody goes on with it.
    """
    if await asyncio.to_thread(is_erasing, data_dir):
        progress("an erasure is under way: its end is waited for")
    deadline = time.monotonic() + patience_seconds
    while True:
        async with hold(erasing_lock(data_dir), ERASING_SECONDS):
            if not await asyncio.to_thread(is_erasing, data_dir):
                yield
                return
        if time.monotonic() > deadline:
            raise LockedError(
                "an erasure was cut off and does not go on: start serve, or give that command again, first"
            )
        await asyncio.sleep(RETRY_SECONDS)  # serve goes on with it


def is_erasing(data_dir: Path) -> bool:
    path = directory_path(data_dir)
    return path.exists() and bool(erasure_journal.unfinished(path))


@contextlib.asynccontextmanager
async def loading_rests(database: Database, data_dir: Path) -> AsyncIterator[None]:
    """Inside, nothing goes from the spool to ClickHouse, and nothing is in events and not in every view.

    Raises LockedError, DatabaseError.
    """
    if not spool_path(data_dir).exists():
        async with loader_waits(data_dir):
            yield
        return
    with Spool(spool_path(data_dir), max_bytes=0) as spool, Counters(counters_path(data_dir)) as counters:
        async with Loader(spool, database, loading_lock(data_dir), counters).at_rest():
            yield


@contextlib.asynccontextmanager
async def loader_waits(data_dir: Path) -> AsyncIterator[None]:
    """Inside, nothing goes from the spool to ClickHouse. Raises LockedError."""
    async with hold(loading_lock(data_dir), REST_SECONDS, retry_seconds=REST_LOOK_SECONDS):
        yield


async def tables_of(database: Database) -> list[tuple[str, bool]]:
    """Return the tables that hold data, and which of them are read with `final`."""
    rows = await database.fetch(TABLES, params={"database": database.name})
    return [(row["name"], bool(row["merges"])) for row in rows]


async def dump(database: Database, name: str, merges: bool, target: Path, progress: Progress) -> Table:
    """Return the table as it lies in its files.

    Raises LockedError: it changed whenever it was read.
    """
    columns = await database.fetch(COLUMNS, params={"database": database.name, "table": name})
    names = [row["name"] for row in columns]
    for _ in range(TRIES):
        rows = await count(database, name, merges)
        files = [await dump_partition(database, name, names, one, target) for one in await partitions(database, name)]
        if rows == await count(database, name, merges):
            progress(f"{name}: {rows} rows")
            return Table(name, rows, names, files)
    raise LockedError(f"{name} changes while it is read: something other than the loader writes to it")


async def count(database: Database, name: str, merges: bool) -> int:
    """Return the table's rows, merged."""
    (row,) = await database.fetch(f"select count() as n from {name}{' final' if merges else ''}")  # noqa: S608
    return int(row["n"])


async def partitions(database: Database, name: str) -> list[str]:
    """Return the ids of the partitions that have rows."""
    rows = await database.fetch(f"select distinct _partition_id as id from {name} order by id")  # noqa: S608
    return [row["id"] for row in rows]


async def dump_partition(database: Database, name: str, columns: list[str], partition: str, target: Path) -> File:
    """Return the file that has one partition's rows."""
    path = target / "tables" / f"{name}.{partition}"
    sql = f"select {', '.join(columns)} from {name} where _partition_id = {{partition:String}}"  # noqa: S608
    with open_private(path) as file:
        async for chunk in database.stream(sql, format="Native", params={"partition": partition}):
            file.write(chunk)
    await asyncio.to_thread(sync_path, path)
    return await asyncio.to_thread(digest, target, path)


async def restore(
    database: Database,
    data_dir: Path,
    source: Path,
    *,
    cluster: str | None = None,
    manifest: Manifest | None = None,
    progress: Progress = migrate.silent,
) -> Manifest:
    """Database and data folder, both empty before, have what the backup has; every count is compared.

    The manifest is that of read_manifest, where it was read already.

    Raises UsageError: the backup is not whole, or the target is not empty. LockedError: `serve` runs.
    """
    if manifest is None:
        manifest = await asyncio.to_thread(read_manifest, source)
    async with (
        hold(serve_lock(data_dir), 0, "; stop serve first"),
        hold(loader_lock(data_dir), 0),
        loader_waits(data_dir),
    ):
        await refuse_used(database, data_dir)
        await migrate.up(database, cluster=cluster, until=manifest.schema)
        async with views_away(database):
            for table in manifest.tables:
                await load(database, table, source, progress)
        await migrate.up(database, cluster=cluster)
        progress("spool and directory")
        for file in manifest.files:
            await asyncio.to_thread(place_sqlite, source / file.path, data_dir / file.path)
    return manifest


def read_manifest(source: Path) -> Manifest:
    """Return the manifest of a backup whose every file is as it says.

    Raises UsageError: it is not whole. SchemaError: it is of a later release.
    """
    try:
        manifest = msgspec.json.decode((source / "manifest.json").read_bytes(), type=Manifest)
    except OSError as exc:
        raise UsageError(f"{source} is not a whole backup: {in_words(exc)}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{source} is not a whole backup: its manifest.json is damaged") from exc
    if manifest.format != FORMAT:
        raise UsageError(f"{source} has format {manifest.format}; this release reads {FORMAT}")
    if manifest != manifest.sealed():
        raise UsageError(f"{source / 'manifest.json'} is damaged: nothing was restored")
    known = len(migrate.find())
    if manifest.schema > known:
        raise SchemaError(
            f"the backup has schema {manifest.schema}, made by release {manifest.release}; "
            f"this is release {__version__} with schema {known}: install {manifest.release} or later"
        )
    for file in [*manifest.files, *(file for table in manifest.tables for file in table.files)]:
        path = source / file.path
        if not path.is_file() or digest(source, path) != file:
            raise UsageError(f"{path} is missing or damaged: nothing was restored")
    return manifest


async def refuse_used(database: Database, data_dir: Path) -> None:
    """Raises UsageError: something is there already."""
    for path in (spool_path(data_dir), directory_path(data_dir)):
        if path.exists() and await asyncio.to_thread(has_rows, path):
            raise UsageError(f"{path} has data: restore into a new data folder")
    try:
        tables = await tables_of(database)
    except DatabaseError as exc:
        if exc.code == UNKNOWN_DATABASE:
            return
        raise
    for name, _ in tables:
        if await count(database, name, merges=False):
            raise UsageError(f"table {database.name}.{name} has rows: restore into an empty database")


@contextlib.asynccontextmanager
async def views_away(database: Database) -> AsyncIterator[None]:
    """Inside there is no view that would count the events again, and no row ends with its retention."""
    away = []
    try:
        for view in await database.fetch(VIEWS, params={"database": database.name}):
            await database.execute(f"drop view {view['name']} sync")
            away.append(view)
        for name, _ in await tables_of(database):
            await database.execute(f"system stop ttl merges {name}")
        yield
    finally:
        for name, _ in await tables_of(database):
            await database.execute(f"system start ttl merges {name}")
        for view in away:
            await database.execute(view["made"])


async def load(database: Database, table: Table, source: Path, progress: Progress) -> None:
    """The table has the backup's rows. Raises SchemaError: they are not as many."""
    for file in table.files:
        with (source / file.path).open("rb") as rows:
            await database.insert_file(
                table.name, table.columns, rows, format="Native", settings={"distributed_foreground_insert": 1}
            )
    merges = dict(await tables_of(database))[table.name]
    found = await count(database, table.name, merges)
    if found != table.rows:
        raise SchemaError(f"{table.name} has {found} rows after the restore, {table.rows} were in the backup")
    progress(f"{table.name}: {found} rows")


def has_rows(path: Path) -> bool:
    """Tell whether a SQLite file has anything that a new one has not."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        kept = [name for name in names if name != "waiting" and not name.startswith("sqlite_")]
        return any(connection.execute(f'select 1 from "{name}" limit 1').fetchone() for name in kept)  # noqa: S608


def copy_sqlite(source: Path, target: Path) -> None:
    """The target has the source as it is at this moment, on disk."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("pragma journal_mode = delete")
    sync_path(target)


def place_sqlite(source: Path, target: Path) -> None:
    """The data folder has the file, whole or not at all."""
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    shutil.copyfile(source, new)
    new.chmod(0o600)
    with contextlib.closing(sqlite3.connect(new)) as connection:
        if connection.execute("select 1 from sqlite_master where name = 'segments'").fetchone():
            connection.execute(FORGET_TOKENS)
        connection.commit()
    sync_path(new)
    for left in (target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
        left.unlink(missing_ok=True)
    new.replace(target)
    sync_path(target.parent)


def digest(folder: Path, path: Path) -> File:
    """Return the file's size and SHA-256, under its name in the folder."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return File(str(path.relative_to(folder)), file.tell(), found.hexdigest())


def write_synced(path: Path, data: bytes) -> None:
    """The file is on disk, and its folder knows it."""
    with open_private(path) as file:
        file.write(data)
    sync_path(path)
    sync_path(path.parent)


def open_private(path: Path) -> BinaryIO:
    """Return a new file that only this user reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def sync_path(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
