"""Accepted batches on local disk until ClickHouse has them.

Entry      one validated batch: rows ready for ClickHouse, and rows whose device or session is still to be found
append     one transaction for a group of entries: batch ids, visits, rows encoded and cut into pieces, then fsync
Promise    append() returns after fsync; every batch is stored once, however often and by however many it is appended
The file itself is described in spool_file.py.
"""

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from msgspec import Struct

from . import visits
from .errors import SpoolFullError
from .pieces import Lines, encode_rows, store_pieces
from .rows import Row, Unplaced
from .sampling import keeps
from .spool_file import SpoolFile

BATCH_MEMORY_SECONDS = 72 * 60 * 60
RESERVE_BYTES = 64 << 20
FORGOTTEN_AT_ONCE = 2000  # so that nobody waits long for the write lock
SPARE_BYTES = 256 << 20
PROBE_BYTES = 64 << 10  # a small batch

REMEMBER = "insert into batches (project, batch_id, digest, events, at) values (?, ?, ?, ?, ?) on conflict do nothing"
LEAVE_OUT = "update batches set events = events - ? where batch_id = ? and project = ?"
RECALL = "select digest, events from batches where batch_id = ? and project = ?"
FORGET = "delete from batches where number in (select number from batches order by number limit ?) and at < ?"
# Batch ids are numbered without gaps and forgotten in order: counting millions would hold up the commits.
COUNT = """
select coalesce((select max(number) from batches) - (select min(number) from batches) + 1, 0), rows, bytes,
(select at from pieces order by number limit 1),
(select count(*) from segments), (select count(*) from quarantine) from waiting
"""


class Entry(Struct):
    """One batch on its way in; `rows` know their device and session, `unplaced` do not."""

    project: str
    batch_id: UUID
    digest: bytes
    rows: list[Row]
    unplaced: list[Unplaced]
    received_at: float


class Appended(Struct, frozen=True):
    """A batch is on disk: `accepted` rows now, or `duplicates` since an earlier time.

    sampled_out: events of devices that are not of the share that their sender wants kept.
    """

    accepted: int
    duplicates: int
    sampled_out: int = 0


class BatchReused(Struct, frozen=True):
    """The batch id was used before with other events; nothing was stored."""


class SpoolStatus(Struct, frozen=True):
    """What lies in the spool; `oldest_at` is when the oldest waiting rows were received."""

    batches: int
    rows: int
    bytes: int
    oldest_at: float | None
    segments: int
    quarantined: int


class Spool:
    """The spool as one process uses it: many threads, one at a time."""

    def __init__(self, path: Path, *, max_bytes: int, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Open the spool; beyond `max_bytes` of waiting rows, or with less than the reserve free on disk, it is full.

        Raises SpoolBrokenError: the file cannot be used.
        """
        self.file = SpoolFile(path)
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def append(self, entries: Sequence[Entry]) -> list[Appended | BatchReused]:
        """Store the batches in one transaction; returning means they are on disk.

        Raises SpoolFullError, SpoolBrokenError, LockedError; nothing of the group is stored then.
        """
        encoded = [encode_rows(entry.rows) for entry in entries]
        self._check_disk(sum(len(lines.body) for each in encoded for lines in each))
        answers: list[Appended | BatchReused] = []
        kept: list[Lines] = []
        with self.file.transaction() as connection:
            for entry, lines in zip(entries, encoded, strict=True):
                answer = remember(connection, entry)
                if isinstance(answer, Appended) and answer.accepted:
                    rows = placed_rows(connection, entry)
                    answer = leave_out(connection, entry, len(entry.unplaced) - len(rows), answer)
                    kept += lines
                    kept += encode_rows(rows)
                answers.append(answer)
            if kept and store_pieces(connection, kept, entries[0].received_at) > self._max_bytes:
                raise full(self._max_bytes)
        return answers

    def _check_disk(self, added_bytes: int) -> None:
        # The log and the file may each need the room, before a checkpoint lets go of the log.
        needed = self._reserve_bytes + 2 * added_bytes
        disk = os.statvfs(self.file.path.parent)
        if disk.f_bavail * disk.f_frsize < needed and disk.f_bavail * disk.f_frsize + self._unused_bytes() < needed:
            raise SpoolFullError(f"less than {self._reserve_bytes >> 20} MiB are free on {self.file.path.parent}")

    def _unused_bytes(self) -> int:
        """Return how much of the file is free for new rows."""
        with self.file.reading() as connection:
            (pages,) = connection.execute("pragma freelist_count").fetchone()
            (page_bytes,) = connection.execute("pragma page_size").fetchone()
        return int(pages * page_bytes)

    def probe(self) -> None:
        """Write and fsync; returning means that appending a small batch would have worked just now.

        Raises SpoolFullError, SpoolBrokenError, LockedError.
        """
        self._check_disk(PROBE_BYTES)
        with self.file.transaction() as connection:
            (stored,) = connection.execute("select bytes from waiting").fetchone()
            if stored + PROBE_BYTES > self._max_bytes:
                raise full(self._max_bytes)
            connection.execute("update waiting set probe = ?", (time.time(),))

    def status(self) -> SpoolStatus:
        """Return what lies in the spool now."""
        with self.file.reading() as connection:
            return SpoolStatus(*connection.execute(COUNT).fetchone())

    def forget(self, now: float) -> int:
        """Let go of some batch ids older than 72 h, some visits of a week, and some unused pages; return how many."""
        with self.file.transaction() as connection:
            batches = connection.execute(FORGET, (FORGOTTEN_AT_ONCE, now - BATCH_MEMORY_SECONDS)).rowcount
            return batches + visits.forget(connection, now, FORGOTTEN_AT_ONCE) + shrink(connection)


def remember(connection: sqlite3.Connection, entry: Entry) -> Appended | BatchReused:
    """Keep the batch id, or say what became of it the first time."""
    events = len(entry.rows) + len(entry.unplaced)
    batch_id = entry.batch_id.bytes
    state = (entry.project, batch_id, entry.digest, events, entry.received_at)
    if connection.execute(REMEMBER, state).rowcount:
        return Appended(events, 0)
    digest, stored = connection.execute(RECALL, (batch_id, entry.project)).fetchone()
    return Appended(0, stored) if digest == entry.digest else BatchReused()


def placed_rows(connection: sqlite3.Connection, entry: Entry) -> list[Row]:
    """Return the rows whose device or session had to be found, without those that sampling by the device leaves out."""
    visits.place(connection, entry.unplaced, entry.received_at)
    return [each.row for each in entry.unplaced if not each.devices or keeps(each.row.device_id, each.row.sample_rate)]


def leave_out(connection: sqlite3.Connection, entry: Entry, events: int, answer: Appended) -> Appended:
    """Have the batch remembered as stored without so many of its events; return the answer that says so."""
    if not events:
        return answer
    connection.execute(LEAVE_OUT, (events, entry.batch_id.bytes, entry.project))
    return Appended(answer.accepted - events, 0, events)


def shrink(connection: sqlite3.Connection) -> int:
    """Give some pages back to the disk when more lie unused than a busy hour needs; return how many."""
    (page_bytes,) = connection.execute("pragma page_size").fetchone()
    (unused,) = connection.execute("pragma freelist_count").fetchone()
    surplus = min(unused - SPARE_BYTES // page_bytes, FORGOTTEN_AT_ONCE)
    if surplus <= 0:
        return 0
    connection.execute(f"pragma incremental_vacuum({surplus})").fetchall()
    return int(surplus)


def full(max_bytes: int) -> SpoolFullError:
    return SpoolFullError(f"{max_bytes >> 20} MiB are waiting for ClickHouse, the spool's limit")
