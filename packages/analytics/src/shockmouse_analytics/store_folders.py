"""The folders in which the queue on disk may stand, the best first: the state folder, then the temporary one.

Which one can be used is known by trying: the first that a store can be opened in, and after a failed write the next. A
queue that an earlier run had to keep in a worse folder is found there, to be moved to the better one. So is what a
process has kept apart, in a file of its own, because others had locked the queue until it ended or was killed.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from .errors import StoreError
from .offline import OfflineStore
from .store_contents import count_events
from .store_file import BUSY_SECONDS, all_apart, apart, remove, set_aside

LOCKED_SECONDS = 1.0  # until what others hold is looked at again


class Queues(Struct, frozen=True):
    """The queues of one project of one server, the best first; `closed` says in words where one cannot be opened."""

    stores: list[OfflineStore]
    closed: str


class StoreFolders:
    """Opens the queue of one project of one server for one process."""

    def __init__(
        self,
        folders: Sequence[Path],
        name: str,
        *,
        owner: str,
        max_bytes: int,
        complain: Callable[[Path, StoreError], None],
    ) -> None:
        """Open nothing yet. `complain` is told of a folder that cannot be used, and why."""
        self._paths = [folder / name for folder in folders]
        self._owner, self._max_bytes, self._complain = owner, max_bytes, complain
        self.locked: Path | None = None  # the store that others hold, at which the last open() ended
        self._parts = 0  # files of this process alone so far
        self._left_behind: Iterator[OfflineStore] = iter(())
        self.home_at: float | None = None  # monotonic time at which bring_home() has something to do
        self.unusable: dict[Path, int | None] = {}  # stores that it could not open, and how many events they hold

    def open(self, busy_seconds: float = BUSY_SECONDS, *, avoid: Path | None = None) -> Iterator[OfflineStore]:
        """Yield the store of each folder that can be used, but that at `avoid`; a damaged file is replaced.

        Nothing follows one that others hold too long: it will be free again, and events must not go where nobody looks
        for them.
        """
        self.locked, self.unusable = None, {}
        for path in self._paths:
            if path == avoid:
                continue
            try:
                store = self._open_or_replace(path, busy_seconds)
            except StoreError as exc:
                if exc.busy:
                    self.locked = path
                    return
                if os.path.lexists(path):
                    self.unusable[path] = count_events(path)
                self._complain(path.parent, exc)
            else:
                yield store

    def look_for_left_behind(self, store: OfflineStore) -> None:
        """Begin to bring home what earlier runs left elsewhere, see bring_home()."""
        self._left_behind = self.left_behind(store)
        self.home_at = time.monotonic()

    def leave_left_behind(self) -> None:
        """Bring nothing home: there is no disk to bring it to."""
        self._left_behind, self.home_at = iter(()), None

    def bring_home(
        self, to: OfflineStore, adopt: Callable[[OfflineStore], None], is_unwanted: Callable[[Path | None], bool]
    ) -> int:
        """Move what lies in one file to the store; if that fails it stays there for the next run.

        Of an unwanted file all is forgotten instead; return how many events that were.

        `adopt` makes batches of groups in it. What others hold is for later; a file that another process keeps apart
        at this moment is for that one, or for the next run.
        """
        other = next(self._left_behind, None)
        if other is None:
            self.home_at = None
            return 0
        forgotten = 0
        try:
            is_apart = self._is_apart(other)
            if is_apart and not other.is_alone():
                other.close()
                return 0
            with other.writing():
                if is_apart:
                    other.free()
                if is_unwanted(other.path):
                    forgotten = other.clear()
                adopt(other)
            other.hand_over(to)
            is_later = not self._discard(other)
        except StoreError as exc:
            other.give_back()
            is_later = exc.busy
            if other.path is not None and not exc.busy:
                self._complain(other.path.parent, exc)
        if is_later:
            self.look_for_left_behind(to)
            self.home_at = time.monotonic() + LOCKED_SECONDS
        return forgotten

    def clear_left_behind(self, store: OfflineStore) -> tuple[int, list[Path]]:
        """Forget what lies in all other files; return how many events that were, and the files that others hold."""
        forgotten, held = 0, set(self._others(store))
        for other in self.left_behind(store):
            try:
                with other.writing():
                    forgotten += other.clear()
                held.discard(other.path or Path())
                self._discard(other)
            except StoreError:
                other.give_back()
        return forgotten, [path for path in held if path.exists()]

    def _others(self, store: OfflineStore) -> list[Path]:
        if store.path not in self._paths:
            return []
        after = self._paths.index(store.path) + 1
        return [path for best in self._paths for path in all_apart(best)] + self._paths[after:]

    def left_behind(self, store: OfflineStore) -> Iterator[OfflineStore]:
        """Yield the stores in worse folders than this one's, and what was kept apart; what cannot be opened is left.

        Nothing if this one is in memory.
        """
        for path in self._others(store):
            try:
                if path.exists():
                    yield self._open_or_replace(path, BUSY_SECONDS)
            except (StoreError, OSError) as exc:
                error = exc if isinstance(exc, StoreError) else StoreError(str(exc))
                if not error.busy and os.path.lexists(path):  # else somebody else has just emptied or removed it
                    self._complain(path.parent, error)

    def keep_apart(self) -> OfflineStore | None:
        """Return a new store of this process alone, for while others lock the queue; None if no folder takes it."""
        self._parts += 1
        for path in self._paths:
            try:
                return self._open(apart(path, f"{self._owner}-{self._parts}"), BUSY_SECONDS)
            except StoreError as exc:
                self._complain(path.parent, exc)
        return None

    def let_go(self, store: OfflineStore, moved: Sequence[str] = ()) -> None:
        """Close a store, of which some batches are in another one now; an empty file of this process alone goes.

        If that fails they are in both, under one id.
        """
        try:
            if moved:
                with store.writing():
                    store.batches.remove(moved)
            self._discard(store)
        except StoreError:
            store.give_back()

    def in_memory(self, max_bytes: int) -> OfflineStore:
        """Return a store that lives as long as the process."""
        return OfflineStore(None, owner=self._owner, max_bytes=max_bytes)

    def _discard(self, store: OfflineStore) -> bool:
        """Close a store that was left behind; a file that was kept apart goes when it is empty. Raises StoreError.

        False: another process holds some of what was kept apart, to move it, and may fail.
        """
        if store.path is None or store.path in self._paths:
            store.close()
            return True
        is_empty, is_held = not store.contents.events(), store.contents.next_attempt() is not None
        store.close()
        if is_empty:
            remove(store.path)
        return not is_held

    def _is_apart(self, store: OfflineStore) -> bool:
        return store.path is not None and store.path not in self._paths

    def _open(self, path: Path, busy_seconds: float) -> OfflineStore:
        return OfflineStore(path, owner=self._owner, max_bytes=self._max_bytes, busy_seconds=busy_seconds)

    def _open_or_replace(self, path: Path, busy_seconds: float) -> OfflineStore:
        try:
            return self._open(path, busy_seconds)
        except StoreError as exc:
            if not exc.damaged:
                raise
        set_aside(path)
        return self._open(path, busy_seconds)
