"""What has been done to the schema: one row when a statement starts, one when it has finished, written before the next.

Table      migration_journal; statement 0 is the whole file, written when its last statement has finished
Resuming   a file that started and did not finish goes on after its last finished statement; if it was changed since,
           from its first, for every statement is safe to run again
"""

from typing import NamedTuple

import msgspec

from .clickhouse import Database
from .errors import DatabaseError

UNKNOWN_TABLE, UNKNOWN_DATABASE = 60, 81
COLUMNS = ("number", "name", "statement", "state", "checksum", "oldest", "release", "owner")
# The journal makes itself: it is older than every migration.
TABLE = """
create table if not exists migration_journal {{on_cluster}}
(
    number    UInt32,
    name      String,
    statement UInt32, -- from 1; 0 is the whole file
    state     LowCardinality(String), -- started, finished, or the part of a backfill that has finished
    checksum  String, -- SHA-256 of the file
    oldest    UInt32, -- the lowest schema whose servers run on this one
    release   String,
    owner     String,
    at        DateTime64(3, 'UTC') default now64(3, 'UTC')
)
engine = {{EverywhereMergeTree}}
order by (number, statement, at)
settings fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1
"""
READ = """
select number, name, statement, state, checksum, oldest, release, toString(at) as written_at
from migration_journal order by at desc limit 1 by number, statement, state
"""


class Entry(NamedTuple):
    """One statement of one file in one state; `checksum` is the file's at that time."""

    number: int
    name: str
    statement: int
    state: str
    checksum: str
    oldest: int
    release: str
    written_at: str


class Journal(NamedTuple):
    """Everything noted so far."""

    entries: tuple[Entry, ...]

    def finished(self, number: int) -> Entry | None:
        """Return the note that the whole file is applied."""
        return next((entry for entry in self.entries if entry.number == number and entry.statement == 0), None)

    def done(self, number: int, checksum: str) -> set[int]:
        """Return the finished statements of a file with this text."""
        wanted = (number, "finished", checksum)
        return {entry.statement for entry in self.entries if (entry.number, entry.state, entry.checksum) == wanted}

    def parts(self, number: int, statement: int, checksum: str) -> set[str]:
        """Return what is noted of one statement of a file with this text: its states, and a backfill's parts."""
        wanted = (number, statement, checksum)
        return {entry.state for entry in self.entries if (entry.number, entry.statement, entry.checksum) == wanted}

    def started(self, number: int) -> bool:
        """Tell whether anything of the file may have run."""
        return any(entry.number == number for entry in self.entries)


async def read(database: Database) -> Journal:
    """Return the journal; it is empty where there is no database yet."""
    try:
        rows = await database.fetch(READ)
    except DatabaseError as exc:
        if exc.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE):
            return Journal(())
        raise
    return Journal(tuple(Entry(**row) for row in rows))


async def note(database: Database, entries: list[Entry], owner: str) -> None:
    """The entries are on disk, all of them in one write."""
    rows = [(*entry[:-1], owner) for entry in entries]
    await database.insert("migration_journal", COLUMNS, b"\n".join(map(msgspec.json.encode, rows)))
