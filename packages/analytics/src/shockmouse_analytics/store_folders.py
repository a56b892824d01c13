"""The folders in which the queue on disk may stand, the best first: the state folder, then the temporary one.

Which one can be used is known by trying: the first that a store can be opened in, and after a failed write the next.
While others lock the queue a process keeps what it has apart, in a file of its own beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from .errors import StoreError
from .offline import OfflineStore
from .store_contents import count_events
from .store_file import BUSY_SECONDS, all_apart, apart, may_exist, set_aside

LOCKED_SECONDS = 1.0  # until what others hold is looked at again
APART_TRIES = 3  # as another process may take the file, before it is open, for one that was left


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
        lost: Callable[[int | None], None] = lambda events: None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open nothing yet; every store will wait for other processes for `busy_seconds`.

        `complain` is told of a folder that cannot be used, and why; `lost` of how many events a damaged store had that
        cannot be read any more, None where that is not known.
        """
        self.paths = [folder / name for folder in dict.fromkeys(folders)]  # they may be one
        self._owner, self._max_bytes, self.complain = owner, max_bytes, complain
        self._lost = lost
        self.locked: Path | None = None  # the store that others hold, at which the last open() ended
        self._busy_seconds = busy_seconds
        self._parts = 0  # files of this process alone so far
        self.unusable: dict[Path, int | None] = {}  # stores that it could not open, and how many events they hold

    def open(self, *, busy_seconds: float | None = None, avoid: Path | None = None) -> Iterator[OfflineStore]:
        """Yield the store of each folder that can be used, but that at `avoid`; a damaged file is replaced.

        With `busy_seconds` they wait so long for other processes.
        Nothing follows one that others hold too long: it will be free again, and events must not go where nobody looks
        for them.
        """
        self.locked, self.unusable = None, {}
        for path in self.paths:
            if path == avoid:
                continue
            try:
                store = self._open_or_replace(path, busy_seconds)
            except StoreError as exc:
                if exc.busy:
                    self.locked = path
                    return
                if may_exist(path):
                    self.unusable[path] = count_events(path, self._busy_seconds)
                self.complain(path.parent, exc)
            else:
                yield store

    def others(self, store: OfflineStore) -> list[Path]:
        """Return the files in worse folders than this store's, and those kept apart, which need not exist.

        None if this is not to stay.
        """
        if not self.is_home(store):
            return []
        after = self.paths.index(store.path) + 1 if store.path else 0
        return self.all_apart() + self.paths[after:]

    def all_apart(self) -> list[Path]:
        """Return the files that processes have kept apart, this one too."""
        return [path for best in self.paths for path in all_apart(best)]

    def is_home(self, store: OfflineStore) -> bool:
        """Return whether a store stands in one of the folders, or in memory where there are none."""
        return store.path in self.paths or not self.paths

    def is_apart(self, store: OfflineStore) -> bool:
        """Return whether a store is one that a process has kept apart."""
        return store.path is not None and store.path not in self.paths

    def open_other(self, path: Path) -> OfflineStore:
        """Return the store of a file that is not this process's; a damaged one is replaced. Raises StoreError."""
        return self._open_or_replace(path)

    def keep_apart(self) -> OfflineStore | None:
        """Return a new store of this process alone, for while others lock the queue; None if no folder takes it."""
        for queue in self.paths:
            for _ in range(APART_TRIES):
                self._parts += 1
                path = apart(queue, f"{self._owner}-{self._parts}")
                try:
                    store = self._open(path)
                except StoreError as exc:
                    if exc.busy:
                        continue
                    self.complain(path.parent, exc)
                    break
                if path.exists():
                    return store
                store.close()
        return None

    def let_go(self, store: OfflineStore, moved: Sequence[str] = ()) -> None:
        """Close a store, of which some batches are in another one now; an empty file of this process alone goes.

        If that fails they are in both, under one id.
        """
        try:
            if moved:
                with store.writing():
                    store.batches.remove(moved)
            self.discard(store)
        except StoreError:
            store.give_back()

    def in_memory(self, max_bytes: int) -> OfflineStore:
        """Return a store that lives as long as the process."""
        return OfflineStore(None, owner=self._owner, max_bytes=max_bytes)

    def discard(self, store: OfflineStore) -> bool:
        """Close a store that is not needed now; a file that was kept apart goes when it is empty. Raises StoreError.

        Nobody else may write into that at this moment. False: another process holds some of what was kept apart, to
        move it, and may fail.
        """
        if not self.is_apart(store):
            store.close()
            return True
        is_empty, is_held = not store.contents.events(), store.contents.next_attempt() is not None
        if is_empty:
            store.remove()
        else:
            store.close()
        return not is_held

    def _open(self, path: Path, busy_seconds: float | None = None) -> OfflineStore:
        waits = self._busy_seconds if busy_seconds is None else busy_seconds
        return OfflineStore(path, owner=self._owner, max_bytes=self._max_bytes, busy_seconds=waits)

    def _open_or_replace(self, path: Path, busy_seconds: float | None = None) -> OfflineStore:
        try:
            return self._open(path, busy_seconds)
        except StoreError as exc:
            if not exc.damaged:
                raise
        damaged = set_aside(path)
        store = self._open(path, busy_seconds)
        self.salvage(damaged, store)
        return store

    def salvage(self, damaged: Path, to: OfflineStore) -> None:
        """Bring what can be read of a damaged store into another one, and tell of the rest."""
        from .salvage import salvage  # for few programs

        try:
            lost = salvage(damaged, to, owner=self._owner)
        except StoreError:
            lost = None
        self._lost(lost)
