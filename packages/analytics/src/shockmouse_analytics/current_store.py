"""The store that this process uses: the best one that can be had, and another one until that can be used again.

Failing   when the disk fails the store of another folder takes its place, else one in memory until a disk can be used
Locked    while others hold the store one in a file of this process alone takes its place, which a later run finds. That
          happens after TURN_SECONDS, so that what is tracked is on disk in time; the store is tried again soon, as
          processes like this one hold it too, and only after BUSY_SECONDS others are said to lock it
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from .counts import Counts
from .errors import StoreError
from .left_behind import LeftBehind
from .left_files import LeftFile, LeftFiles
from .offline import OfflineStore
from .store_file import BUSY_SECONDS, set_aside
from .store_folders import LOCKED_SECONDS, StoreFolders

RETURN_SECONDS = 2.0
LONGEST_RETURN_SECONDS = 60.0
SOON_SECONDS = 0.1  # until a store is tried again that others may hold for a moment only

Move = Callable[[OfflineStore], None]


class CurrentStore:
    """Chooses the store; what is in it, and what has to be moved, is the ledger's."""

    store: OfflineStore

    def __init__(self, *, folders: StoreFolders, counts: Counts, has_disk: bool, memory_bytes: int) -> None:
        self._folders, self._counts = folders, counts
        self.left_behind = LeftBehind(folders)
        self.has_disk, self._memory_bytes = has_disk, memory_bytes
        self.left_files = LeftFiles()
        self._locked_at: float | None = None  # monotonic time since which others hold the store
        self.return_at: float | None = None  # monotonic time at which the disk is tried again
        self._return_seconds = RETURN_SECONDS
        self._failed: Path | None = None  # the store that has just failed, not to be tried next
        self._failed_at = 0.0

    def open(self) -> None:
        """Open the best store there is."""
        opened, locked = next(self._folders.open(), None), self._folders.locked
        self._know_lock(is_locked=locked is not None)
        self.store = opened or self._elsewhere()
        if self.has_disk and opened is None:
            self._return_later()
        if locked is not None:
            self.left_files.leave(locked, LeftFile(events=None))
        for path, events in self._folders.unusable.items():
            if os.path.lexists(path):  # else the folder is another account's, and what may lie there
                self.left_files.leave(path, LeftFile(events=events))
        self.left_behind.look(self.store)

    def leave(self, exc: StoreError, left: LeftFile | None) -> bool:
        """Go on elsewhere until a disk is found; return whether what lies in the file stays there, as `left` tells.

        It does not where the file is damaged: that is set aside.
        """
        path = self.store.path
        where = path.parent if path else "memory"
        if not exc.busy:
            self._counts.warn(f"folder {where}", f"events cannot be kept in {where} ({exc})")
        self.store.close()
        damaged = set_aside(path) if path is not None and exc.damaged else None
        self._know_lock(is_locked=exc.busy)
        self.store = self._elsewhere()
        if damaged is not None:
            self._folders.salvage(damaged, self.store)
        self.left_behind.stop()
        self._return_later()
        if path is not None and not exc.busy:
            self._avoid(None if exc.damaged else path)
        if path is None or left is None or exc.damaged:
            return False
        self.left_files.leave(path, left)
        return True

    def return_if_due(self, move: Move) -> bool:
        """Try to return to a disk when it is time to; return whether the store is another one now.

        `move` brings all to the store that it is given, and calls settle(); it raises StoreError where it cannot.
        """
        if self.return_at is None or time.monotonic() < self.return_at:
            return False
        before = self.store
        if self.return_to_disk(move):
            self.return_at, self._return_seconds = None, RETURN_SECONDS
        else:
            self._return_later()
        return self.store is not before

    def return_to_disk(self, move: Move, *, busy_seconds: float | None = None) -> bool:
        """Return to the best disk that can be used; return whether there is one, and no others hold it.

        With `busy_seconds` others are waited for so long.
        """
        avoid, self._failed = self._failed, None
        for store in self._folders.open(busy_seconds=busy_seconds, avoid=avoid):
            try:
                move(store)
            except StoreError as exc:
                store.close()
                if exc.busy:
                    self._know_lock(is_locked=True)
                    return False
                self._counts.warn("memory", f"events stay in {self.store.path or 'memory'} ({exc})")
            else:
                self._know_lock(is_locked=False)
                self._counts.pass_over("memory", "locked")
                self.left_behind.look(self.store)
                return True
        self._know_lock(is_locked=self._folders.locked is not None)
        if self.is_locked_out and self.store.path is None and (kept_apart := self._folders.keep_apart()):
            move(kept_apart)
        return False

    @property
    def is_locked_out(self) -> bool:
        """Whether the store is elsewhere because others hold the right one; it will be free again."""
        return self._locked_at is not None

    @property
    def patience_seconds(self) -> float:
        """For how long the others who hold the store are not said to lock it; 0 if they are."""
        held_seconds = time.monotonic() - self._locked_at if self._locked_at is not None else 0.0
        return max(BUSY_SECONDS - held_seconds, 0.0)

    def settle(self, store: OfflineStore, moved: Iterable[str]) -> None:
        """Use this store from now on; these batches have been moved there."""
        before, self.store = self.store, store
        self.left_files.return_to(store.path)
        self._folders.let_go(before, list(moved))

    def close(self) -> None:
        """Let go of the store."""
        self._folders.let_go(self.store)

    def _elsewhere(self) -> OfflineStore:
        """Return a store for until the disk can be used: a file of this process alone if others hold it, or memory."""
        kept_apart = self._folders.keep_apart() if self.is_locked_out else None
        return kept_apart or self._folders.in_memory(self._memory_bytes)

    def _know_lock(self, *, is_locked: bool) -> None:
        if not is_locked:
            self._locked_at = None
        elif self._locked_at is None:
            self._locked_at = time.monotonic()

    def _avoid(self, path: Path | None) -> None:
        """Try another folder first; at once, unless one has failed just before."""
        at, failed_at = time.monotonic(), self._failed_at
        self._failed, self._failed_at = path, at
        if at - failed_at > RETURN_SECONDS:
            self.return_at = at

    def _return_later(self) -> None:
        if not self.is_locked_out:
            self.return_at = time.monotonic() + self._return_seconds
            self._return_seconds = min(self._return_seconds * 2, LONGEST_RETURN_SECONDS)
        elif self.patience_seconds:
            self.return_at = time.monotonic() + SOON_SECONDS
        else:
            self.return_at = time.monotonic() + LOCKED_SECONDS
            self._counts.warn(
                "locked", f"another program locks the queue: events are kept in {self.store.path or 'memory'}"
            )
