"""The schema: found in migrations/NNNN_noun.sql, planned, applied and verified.

Journal    migration_journal: one row when a statement starts, one when it has finished; statement 0 is the whole file
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from .clickhouse import Database
from .errors import SchemaError
from .statements import fill, split

FOLDER = Path(__file__).parent / "migrations"
FILE = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")
JOURNAL = """
create table if not exists migration_journal {{on_cluster}}
(
    number    UInt32,
    name      String,
    statement UInt32, -- from 1; 0 is the whole file
    state     LowCardinality(String), -- started, finished
    checksum  String,
    release   String,
    owner     String,
    at        DateTime64(3, 'UTC')
)
engine = {{EverywhereMergeTree}}
order by (number, statement, at)
settings fsync_after_insert = 1, fsync_part_directory = 1
"""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def find(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations in order."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE.fullmatch(path.name)
        if match is None:
            raise SchemaError(f"{path.name} is not named NNNN_noun.sql")
        text = path.read_text("utf-8").replace("\r\n", "\n")
        digest = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(int(match[1]), match[2], tuple(split(text)), digest))
    return found


async def up(database: Database, *, cluster: str | None = None, wait_seconds: float = 60) -> list[int]:
    """Apply what is missing; return the numbers of the migrations that ran."""
    on_cluster = fill("{{on_cluster}}", cluster)
    await database.create(on_cluster=on_cluster)
    await database.execute(fill(JOURNAL, cluster))
    rows = await database.fetch("select number from migration_journal where statement = 0 and state = 'finished'")
    done = {row["number"] for row in rows}
    missing = [migration for migration in find() if migration.number not in done]
    for migration in missing:
        for number, statement in enumerate(migration.statements, 1):
            if sql := fill(statement, cluster):
                await database.execute(sql)
            await _note(database, migration, number)
        await _note(database, migration, 0)
    return [migration.number for migration in missing]


async def _note(database: Database, migration: Migration, statement: int) -> None:
    columns: Sequence[str] = ("number", "name", "statement", "state", "checksum")
    row = (migration.number, migration.name, statement, "finished", migration.checksum)
    await database.insert("migration_journal", columns, msgspec.json.encode(row))
