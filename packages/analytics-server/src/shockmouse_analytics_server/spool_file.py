"""The spool's SQLite file: opened and laid out, one transaction at a time, every disk error mapped.

File       spool.sqlite in the data folder, 0600: WAL, synchronous=FULL, one per node, shared by its processes
batches    project and batch id, digest of the event ids, events stored; remembered for 72 h
pieces     rows of one partition and one commit, encoded for ClickHouse, one a line; numbered in the order of commits
segments   slices of the pieces, each one INSERT: see segments.py
quarantine rows that ClickHouse refused: see quarantine.py
visits     sessions that the server derives or remembers: see visits.py
waiting    one row: the next piece's number, rows in pieces, bytes in pieces and quarantine, time of the last probe
Failure    a full disk undoes the transaction and the file stays good; any other disk error may have left a failed
           fsync behind, so the file is not touched again by this process. Opening it anew copies the log into the
           file with fresh writes before anything is added.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from . import visits
from .errors import LockedError, ServerError, SpoolBrokenError, SpoolFullError, in_words

BUSY_MS = 10_000
RETRY_SECONDS = 0.02
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
SCHEMA_VERSION = 1

# Pages of 4, 8 and 16 KiB took 460, 500 and 590 thousand events/s in groups of 16 batches of 100; the larger ones write
# more for single events.
NEW_FILE = """
pragma page_size = 8192;
pragma auto_vacuum = incremental;
"""
# The log is copied into the file at 16 MiB: at 64 MiB appending was 12 % faster, but the disk's reserve is no more than
# that. fullfsync means something on macOS only. secure_delete=fast overwrites what is deleted in pages that are written
# anyway; unused pages are given back when an erasure asks for it.
PRAGMAS = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma fullfsync = on;
pragma checkpoint_fullfsync = on;
pragma secure_delete = fast;
pragma wal_autocheckpoint = 2000;
"""
# Waits for others only shortly: they may be at work on the file.
FRESH_LOG = f"""
pragma busy_timeout = 1000;
pragma wal_checkpoint(truncate);
pragma busy_timeout = {BUSY_MS};
"""
SCHEMA = """
create table if not exists batches
(
    number integer primary key, project text not null, batch_id blob not null, digest blob not null,
    events integer not null, at real not null, unique (batch_id, project)
);
create table if not exists pieces
(
    number integer primary key, partition integer not null, rows integer not null, bytes integer not null,
    at real not null, body blob not null
);
create table if not exists segments
(
    number integer primary key, id text not null, depth integer not null, partition integer not null,
    first integer not null, last integer not null, start integer not null, rows integer not null,
    sha256 text not null, block integer not null
);
create index if not exists segments_by_range on segments (partition, last);
create table if not exists quarantine
(
    number integer primary key, project text not null, event_id text not null, partition integer not null,
    reason text not null, at real not null, body blob not null
);
create table if not exists waiting (piece integer not null, rows integer not null, bytes integer not null, probe real);
insert into waiting select 1, 0, 0, 0 where not exists (select 1 from waiting);
"""
LAY_OUT = f"begin immediate; {SCHEMA} {visits.SCHEMA} pragma user_version = {SCHEMA_VERSION}; commit;"


class SpoolFile:
    """One process's connection to the spool; its threads take turns."""

    def __init__(self, path: Path) -> None:
        """Open the file, laid out when it is new, its log checkpointed.

        Raises SpoolBrokenError: it cannot be opened, is damaged, or belongs to a newer release.
        """
        self.path = path
        self._turn = threading.Lock()
        self._broken = ""
        with self._mapped_errors():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._lay_out()
            except BaseException:
                self._connection.close()
                raise

    def _lay_out(self) -> None:
        """Lay the file out; SQLite waits for nobody where it changes to the log, so that the waiting is done here."""
        deadline = time.monotonic() + BUSY_MS / 1000
        while True:
            try:
                return self._lay_out_once()
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF not in BUSY or time.monotonic() > deadline:
                    raise
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            time.sleep(RETRY_SECONDS)

    def _lay_out_once(self) -> None:
        self._connection.execute(f"pragma busy_timeout = {BUSY_MS}")
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise SpoolBrokenError(f"{self.path} has layout {version}; this release knows {SCHEMA_VERSION}")
        if version < SCHEMA_VERSION:
            self._connection.executescript(NEW_FILE)
        self._connection.executescript(PRAGMAS)
        if version < SCHEMA_VERSION:
            self._connection.executescript(LAY_OUT)
        self._connection.executescript(FRESH_LOG)

    def check(self, seconds: float) -> None:
        """Look the file's pages through, as far as this time goes. Raises SpoolBrokenError: one is damaged."""
        deadline = time.monotonic() + seconds
        with self._turn, self._mapped_errors():
            self._connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
            try:
                (found,) = self._connection.execute("pragma quick_check(1)").fetchone()
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                found = "ok"
            finally:
                self._connection.set_progress_handler(None, 0)
        if found != "ok":
            raise SpoolBrokenError(f"{self.path}: {found}")

    def checkpoint(self) -> None:
        """The log is copied into the file and empty, once nobody reads it.

        Raises LockedError: somebody did for 10 s.
        """
        with self._turn, self._mapped_errors():
            (busy, *_) = self._connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy:
            raise LockedError(f"{self.path}: the log is in use")

    def close(self) -> None:
        with self._turn:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; leaving the block commits and fsyncs, an exception undoes everything.

        Raises SpoolFullError, SpoolBrokenError, LockedError: another process kept the lock for 10 s.
        """
        with self._turn, self._mapped_errors():
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give one consistent view of the file that keeps no writer waiting.

        Raises SpoolBrokenError.
        """
        with self._turn, self._mapped_errors():
            self._connection.execute("begin")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        if self._broken:
            raise SpoolBrokenError(self._broken)
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            error = self._error(exc)
            if error is None:
                raise
            raise error from exc

    def _error(self, exc: sqlite3.Error | OSError) -> ServerError | None:
        """Return what the error means; None for a mistake in our own statements."""
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return SpoolFullError(f"{self.path}: the disk is full")
        if code in BUSY:
            return LockedError(f"{self.path}: another process keeps it locked")
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH):
            return None
        self._broken = f"{self.path}: {in_words(exc)}; restart, and see `doctor` when it comes again"
        return SpoolBrokenError(self._broken)
