"""Undelivered batches on disk, shared by the processes that send to one project of one server.

File      queue-<hash of endpoint and project>.sqlite, see store_file.py; its tables, see store_tables.py
Memory    without a path the same tables live in memory, for as long as the process does
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import StoreError
from .store_batches import StoredBatches
from .store_contents import StoreContents
from .store_file import BUSY_SECONDS, connect, remove, using_sqlite
from .store_groups import StoredGroups
from .store_tables import SCHEMA


class OfflineStore:
    """One connection to the queue on disk; belongs to the thread that uses it, and to one process."""

    def __init__(
        self,
        path: Path | None,
        *,
        owner: str,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open or make the file; every call waits so long for other processes. Raises StoreError."""
        self.path = path
        self._max_bytes = max_bytes
        self._db = connect(path, SCHEMA, busy_seconds)
        self._check()
        self.batches = StoredBatches(self._db, owner, clock)
        self.groups = StoredGroups(self._db, owner, clock)
        self.contents = StoreContents(self._db, owner, clock)

    def _check(self) -> None:
        """Raise StoreError where an index hides batches, which no question would notice; 4 ms for 1,000 batches."""
        try:
            with using_sqlite():
                (said,) = self._db.execute("pragma integrity_check(batches)").fetchone()
            if said != "ok":
                raise StoreError(said.lower(), damaged=True)
        except StoreError:
            self.close()
            raise

    def wait_for_others(self, busy_seconds: float) -> None:
        """Let later calls wait so long for other processes."""
        with using_sqlite():
            self._db.execute(f"pragma busy_timeout = {int(busy_seconds * 1000)}")

    def is_alone(self) -> bool:
        """Return whether nobody else has the file open; nobody can open it from then on, until it is closed.

        It is no more in WAL mode then, to be emptied and closed; if False, to be closed at once.
        """
        self.wait_for_others(0)
        try:
            with using_sqlite():
                self._db.execute("pragma locking_mode = exclusive")  # what is locked stays so
                self._db.execute("pragma journal_mode = delete")  # who has a file with a log open holds a lock on it
        except StoreError as exc:
            if not exc.busy:
                raise
            return False
        return True

    def close(self) -> None:
        """Close the file; leases end by themselves or by release()."""
        with using_sqlite():
            self._db.close()

    def remove(self) -> None:
        """Remove the file and close it. Raises StoreError.

        In this order, so that whoever waits for the lock of is_alone() finds that the file is gone. Windows removes
        none that somebody has open.
        """
        if os.name == "nt":
            self.close()
        if self.path is not None:
            remove(self.path)
        self.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make what is done inside one transaction, on disk when it ends. Raises StoreError."""
        with using_sqlite():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")
                raise

    def give_back(self) -> None:
        """Let go of everything held as far as that can be done, and close the file."""
        with contextlib.suppress(StoreError), self.writing():
            self.release()
        with contextlib.suppress(StoreError):
            self.close()

    def release(self) -> None:
        """Let go of everything held, so that the next process need not wait; groups included."""
        self.batches.release()
        self.groups.release()

    def free(self) -> None:
        """Let go of what anybody holds: they are gone."""
        self.batches.free()
        self.groups.free()

    def trim(self) -> int:
        """Drop the oldest batches until the bound in bytes is kept; return the number of their events."""
        dropped = 0
        while self.contents.used_bytes() > self._max_bytes and (events := self.batches.drop_oldest()) is not None:
            dropped += events
        return dropped

    def clear(self) -> int:
        """Forget everything; return the number of events."""
        events = self.contents.events()
        self._db.execute("delete from batches")
        self._db.execute("delete from groups")
        return events

    def hand_over(self, to: "OfflineStore") -> None:
        """Move the batches that nobody holds to another store. Raises StoreError.

        Whatever happens in between, a batch is in one of them at least, under one id.
        """
        with self.writing():
            moved = self.batches.take(-1, due_only=False, own_first=False)
        with to.writing():
            for held in moved:
                to.batches.add(held, leased=False)
        with self.writing():
            self.batches.remove([held.batch.id for held in moved])
