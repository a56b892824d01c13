"""The folders in which the queue on disk may stand, the best first: the state folder, then the temporary one.

Which one can be used is known by trying: the first that a store can be opened in, and after a failed write the next. A
queue that an earlier run had to keep in a worse folder is found there, to be moved to the better one.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .errors import StoreError
from .offline import OfflineStore
from .store_file import BUSY_SECONDS, set_aside


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

    def open(self, busy_seconds: float = BUSY_SECONDS, *, avoid: Path | None = None) -> Iterator[OfflineStore]:
        """Yield the store of each folder that can be used, but that at `avoid`; a damaged file is replaced.

        Nothing follows one that others hold too long: it will be free again, and events must not go where nobody looks
        for them.
        """
        for path in self._paths:
            if path == avoid:
                continue
            try:
                store = self._open_or_replace(path, busy_seconds)
            except StoreError as exc:
                if exc.busy:
                    return
                self._complain(path.parent, exc)
            else:
                yield store

    def left_behind(self, store: OfflineStore) -> Iterator[OfflineStore]:
        """Yield the stores that stand in worse folders than this one does; one that cannot be opened is left there."""
        after = self._paths.index(store.path) + 1 if store.path in self._paths else len(self._paths)
        for path in self._paths[after:]:
            try:
                if path.exists():
                    yield self._open(path, BUSY_SECONDS)
            except (StoreError, OSError) as exc:
                self._complain(path.parent, exc if isinstance(exc, StoreError) else StoreError(str(exc)))

    def in_memory(self, max_bytes: int) -> OfflineStore:
        """Return a store that lives as long as the process."""
        return OfflineStore(None, owner=self._owner, max_bytes=max_bytes)

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
