"""The schema: found in migrations/NNNN_noun.sql, planned, applied and verified.

Order       by number; a file is applied when the journal says so of the file, not only of its statements
Refused     an applied file that was changed; a schema that is newer than this release and does not know it any more
Compatible  `-- oldest: NNNN` in a file's head: servers that know this schema still run on the file's
"""

import contextlib
import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

from . import __version__
from .backfill import fill_partition, make_cut, partitions
from .clickhouse import Database
from .errors import DatabaseAwayError, DatabaseError, SchemaError
from .journal import TABLE, Entry, Journal, note, read
from .migration_lock import MigrationLock, migration_lock, this_process
from .statements import fill, manner, split

FOLDER = Path(__file__).parent / "migrations"
FILE = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")
OLDEST = re.compile(r"^-- oldest: (\d{4})$", re.MULTILINE)
EXPIRY_SECONDS = 30
OWN_TABLES = "migration_"
PART = ", partition "


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str
    oldest: int

    @property
    def file(self) -> str:
        """Return the file's name."""
        return f"{self.number:04d}_{self.name}.sql"


class Step(NamedTuple):
    """One statement that has not finished yet, filled for this server; without SQL there is nothing to run here."""

    migration: Migration
    statement: int
    sql: str
    manner: str  # how it is run: cut, backfill, or empty
    table: str  # of which table
    parts: frozenset[str]  # what of a backfill has finished
    cluster: str | None

    def __str__(self) -> str:
        return f"{self.migration.file}, statement {self.statement} of {len(self.migration.statements)}"


class Status(NamedTuple):
    """How far one migration is: applied, begun, missing, changed, or unknown to this release."""

    number: int
    name: str
    state: str
    at: str


Progress = Callable[[str], None]
LoaderWaits = Callable[[], AbstractAsyncContextManager[None]]


def silent(_: str) -> None:
    """Show no progress."""


def find(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations in order.

    Raises SchemaError: a file's name or text is not what a migration must be, or two have one number.
    """
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise SchemaError(f"the migrations in {folder} are not numbered 0001, 0002, … without a gap")
    return found


def _read(path: Path) -> Migration:
    match = FILE.fullmatch(path.name)
    if match is None:
        raise SchemaError(f"{path.name} is not named NNNN_noun.sql")
    text = path.read_text("utf-8").replace("\r\n", "\n")
    try:
        statements = tuple(split(text))
    except ValueError as exc:
        raise SchemaError(f"{path.name}: {exc}") from exc
    oldest = OLDEST.search(text)
    number = int(match[1])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Migration(number, match[2], statements, digest, int(oldest[1]) if oldest else number)


def check(journal: Journal, migrations: list[Migration]) -> None:
    """This release can work on the schema that the journal tells of.

    Raises SchemaError: an applied file was changed since, or a newer release has left this one behind.
    """
    for migration in migrations:
        applied = journal.finished(migration.number)
        if applied and applied.checksum != migration.checksum:
            raise SchemaError(f"{migration.file} was changed after release {applied.release} had applied it")
    newest = max(journal.entries, key=lambda entry: entry.number, default=None)
    known = migrations[-1].number if migrations else 0
    oldest = max((entry.oldest for entry in journal.entries if entry.number > known), default=0)
    if newest and oldest > known:
        raise SchemaError(
            f"the database has schema {newest.number}, made by release {newest.release}, which needs servers that know "
            f"schema {oldest}; this is release {__version__} with schema {known}: install {newest.release} or later"
        )


def missing(journal: Journal, migrations: list[Migration], cluster: str | None) -> list[Step]:
    """Return what has not finished, in order."""
    return [
        Step(
            migration,
            number,
            fill(statement, cluster),
            *manner(statement),
            frozenset(journal.parts(migration.number, number, migration.checksum)),
            cluster,
        )
        for migration in migrations
        if not journal.finished(migration.number)
        for number, statement in enumerate(migration.statements, 1)
        if number not in journal.done(migration.number, migration.checksum)
    ]


async def plan(database: Database | None, *, cluster: str | None = None, folder: Path = FOLDER) -> list[Step]:
    """Return the statements that up() would run; None is a database that is not there yet."""
    journal, migrations = await read(database) if database else Journal(()), find(folder)
    check(journal, migrations)
    return [step for step in missing(journal, migrations, cluster) if step.sql]


async def status(database: Database | None, *, folder: Path = FOLDER) -> list[Status]:
    """Return every migration that the files or the journal know; None is a database that is not there yet."""
    journal, migrations = await read(database) if database else Journal(()), find(folder)
    rows = [_status(journal, migration) for migration in migrations]
    known = {migration.number for migration in migrations}
    newer = {entry.number: entry for entry in journal.entries if entry.number not in known}
    return rows + [Status(entry.number, entry.name, "unknown", entry.written_at) for entry in newer.values()]


def _status(journal: Journal, migration: Migration) -> Status:
    applied = journal.finished(migration.number)
    if applied is None:
        state = "begun" if journal.started(migration.number) else "missing"
        return Status(migration.number, migration.name, state, "")
    state = "applied" if applied.checksum == migration.checksum else "changed"
    return Status(migration.number, migration.name, state, applied.written_at)


async def up(
    database: Database,
    *,
    cluster: str | None = None,
    wait_seconds: float = 60,
    expiry_seconds: float = EXPIRY_SECONDS,
    folder: Path = FOLDER,
    until: int | None = None,
    loader_waits: LoaderWaits = contextlib.nullcontext,
    progress: Progress = silent,
) -> list[int]:
    """Apply what is missing, up to a number; return those that this call has brought to their end.

    `loader_waits` holds off what loads into this database; it is entered for the moment in which a table is cut.

    Raises SchemaError: files and journal do not agree, or a statement was refused.
    Raises LockedError: another migrator did not finish within the wait.
    """
    migrations = find(folder)[:until]
    journal = await read(database)
    check(journal, migrations)
    if all(journal.finished(migration.number) for migration in migrations):
        return []
    await database.create(on_cluster=fill("{{on_cluster}}", cluster))
    await database.execute(fill(TABLE, cluster))
    async with migration_lock(
        database, cluster=cluster, wait_seconds=wait_seconds, expiry_seconds=expiry_seconds
    ) as lock:
        journal = await read(database)
        check(journal, migrations)
        unfinished = [migration for migration in migrations if not journal.finished(migration.number)]
        steps = missing(journal, unfinished, cluster)
        for migration in unfinished:
            own = [step for step in steps if step.migration == migration]
            await _apply(database, migration, own, lock, loader_waits, progress)
    return [migration.number for migration in unfinished]


async def _apply(
    database: Database,
    migration: Migration,
    steps: list[Step],
    lock: MigrationLock,
    loader_waits: LoaderWaits,
    progress: Progress,
) -> None:
    unwritten: list[Entry] = []  # a statement's end is written with the next one's start
    for step in steps:
        await note(database, [*unwritten, _entry(migration, step.statement, "started")], this_process())
        for part in await _parts(database, step):
            if not await lock.held():
                raise SchemaError(f"another migrator took over before {step}; it goes on from there")
            progress(f"{step} runs{part}")
            async with loader_waits() if step.manner == "cut" else contextlib.nullcontext():
                await _run(database, step, part)
            progress(f"{step} has run{part}")
            if part:
                await note(database, [_entry(migration, step.statement, part)], this_process())
        unwritten = [_entry(migration, step.statement, "finished")]
    await note(database, [*unwritten, _entry(migration, 0, "finished")], this_process())


async def _parts(database: Database, step: Step) -> list[str]:
    """Return the parts of a backfill that are missing; another statement is one part without a name."""
    if step.manner != "backfill":
        return [""]
    names = [f"{PART}{partition}" for partition in await partitions(database, step.table)]
    return [name for name in names if name not in step.parts]


async def _run(database: Database, step: Step, part: str = "") -> None:
    try:
        if step.manner == "backfill":
            token = f"{step.migration.checksum}:{step.statement}"
            await fill_partition(database, step.sql, part.removeprefix(PART), token)
            return
        if step.manner == "cut":
            view = step.sql.partition(" if not exists ")[2].split()[0]
            await make_cut(database, step.table, view, step.cluster)
        if step.sql:
            await database.execute(step.sql)
    except DatabaseAwayError as exc:
        raise DatabaseAwayError(f"{step}: {exc}", exc.code) from exc
    except DatabaseError as exc:
        raise SchemaError(f"{step}: {exc}") from exc


def _entry(migration: Migration, statement: int, state: str) -> Entry:
    return Entry(
        migration.number, migration.name, statement, state, migration.checksum, migration.oldest, __version__, ""
    )


async def verify(
    database: Database, *, cluster: str | None = None, wait_seconds: float = 60, folder: Path = FOLDER
) -> list[str]:
    """Return what differs between files, journal and the live tables, one line each; nothing when all agree.

    What the tables should be is what the applied files make in an empty database beside this one.
    """
    journal, migrations = await read(database), find(folder)
    lines = [f"{row.number:04d} {row.name} is {row.state}" for row in await status(database, folder=folder)
             if row.state != "applied"]  # fmt: skip
    applied = [migration for migration in migrations if journal.finished(migration.number)]
    if not applied:
        return lines
    async with migration_lock(database, cluster=cluster, wait_seconds=wait_seconds, expiry_seconds=EXPIRY_SECONDS):
        live, wanted = await _tables(database), await _wanted(database, applied, cluster)
    lines += [f"table {name} is missing" for name in sorted(wanted.keys() - live.keys())]
    lines += [f"table {name} is in no applied file" for name in sorted(live.keys() - wanted.keys())]
    return lines + [
        f"table {name} differs\n  file: {wanted[name]}\n  live: {live[name]}"
        for name in sorted(live.keys() & wanted.keys())
        if live[name] != wanted[name]
    ]


async def _tables(database: Database) -> dict[str, str]:
    """Return the live SHOW CREATE of each table, without the database's own name."""
    rows = await database.fetch(
        "select name, create_table_query as made from system.tables "
        "where database = {database:String} and not startsWith(name, {own:String})",
        params={"database": database.name, "own": OWN_TABLES},
    )
    name = database.name
    return {row["name"]: row["made"].replace(f"{name}.", "").replace(f"'{name}'", "''") for row in rows}


async def _wanted(database: Database, migrations: list[Migration], cluster: str | None) -> dict[str, str]:
    beside = database.beside("verify")
    on_cluster = fill("{{on_cluster}}", cluster)
    await beside.drop(on_cluster=on_cluster)
    await beside.create(on_cluster=on_cluster)
    try:
        for step in missing(Journal(()), migrations, cluster):
            if step.manner != "backfill":
                await _run(beside, step)
        return await _tables(beside)
    finally:
        await beside.drop(on_cluster=on_cluster)
