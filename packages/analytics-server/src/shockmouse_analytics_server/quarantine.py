"""Rows that ClickHouse refused, each with its reason, kept in the spool until they are replayed.

A row comes here in the transaction that removes its segment, and leaves in the one that makes it a piece again: it is
always in one place. ClickHouse never stored it, so a replay, which has a token of its own, cannot count it twice.
"""

import sqlite3

from msgspec import Struct

from .pieces import Lines, name_of, store_pieces
from .segments import Segment, remove
from .spool_file import SpoolFile

REPLAYED_AT_ONCE = 500
KEEP = "insert into quarantine (project, event_id, partition, reason, at, body) values (?, ?, ?, ?, ?, ?)"
LIST = "select number, project, event_id, reason, at, body from quarantine order by number limit ?"
REASONS = """
select reason, count(*), max(at) from quarantine where project = ? group by reason order by count(*) desc limit ?
"""
TAKE = "select number, partition, body from quarantine where number <= ? order by number limit ?"


class Quarantined(Struct, frozen=True):
    """One refused row; it came here `at` epoch seconds, `body` is its line as ClickHouse was given it."""

    number: int
    project: str
    event_id: str
    reason: str
    at: float
    body: bytes


class Reason(Struct, frozen=True):
    """Why rows of a project wait here, how many, and when the last came, in epoch seconds."""

    reason: str
    rows: int
    last_at: float


def set_aside(file: SpoolFile, segment: Segment, reason: str, now: float) -> None:
    """Move the only row of a refused segment here, unless another loader has."""
    row = name_of(segment.body)
    with file.transaction() as connection:
        if not remove(connection, segment):
            return
        kept = (row.project, row.event_id, segment.range.partition, reason, now, segment.body)
        connection.execute(KEEP, kept)
        connection.execute("update waiting set bytes = bytes + ?", (len(segment.body),))


def reasons(file: SpoolFile, project: str, limit: int) -> list[Reason]:
    """Return the reasons of a project's rows here, the most frequent first."""
    with file.reading() as connection:
        found = connection.execute(REASONS, (project, limit)).fetchall()
    return [Reason(*each) for each in found]


def listed(file: SpoolFile, limit: int) -> list[Quarantined]:
    """Return the rows that wait here, oldest first."""
    with file.reading() as connection:
        found = connection.execute(LIST, (limit,)).fetchall()
    return [Quarantined(*each) for each in found]


def replay(file: SpoolFile, now: float) -> int:
    """Make pieces of all rows that are here now, so that the loader tries them again; return how many."""
    with file.reading() as connection:
        (newest,) = connection.execute("select coalesce(max(number), 0) from quarantine").fetchone()
    replayed = 0
    while count := _replay_some(file, newest, now):
        replayed += count
    return replayed


def _replay_some(file: SpoolFile, newest: int, now: float) -> int:
    with file.transaction() as connection:
        taken = connection.execute(TAKE, (newest, REPLAYED_AT_ONCE)).fetchall()
        store_pieces(connection, [Lines(partition, 1, body) for _, partition, body in taken], now)
        _forget(connection, [number for number, _, _ in taken], sum(len(body) for _, _, body in taken))
    return len(taken)


def _forget(connection: sqlite3.Connection, numbers: list[int], size: int) -> None:
    connection.executemany("delete from quarantine where number = ?", [(number,) for number in numbers])
    connection.execute("update waiting set bytes = bytes - ?", (size,))
