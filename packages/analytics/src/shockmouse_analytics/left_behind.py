"""Files in which events had to be left: in a worse folder, or apart because others had locked the queue.

They are brought home into the store in use, one file at a time. What a living process keeps apart is left to it, or to
the next run.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import StoreError
from .offline import OfflineStore
from .store_folders import LOCKED_SECONDS, StoreFolders

Clean = Callable[[OfflineStore], dict[str, int]]


class LeftBehind:
    """Looks at each file once; what others hold at that moment is looked at again."""

    def __init__(self, folders: StoreFolders) -> None:
        self._folders = folders
        self._paths: list[Path] = []
        self.home_at: float | None = None  # monotonic time at which bring_home() has something to do
        self.has_looked_everywhere = False  # at each file that there was
        self.missed_at: float | None = None  # monotonic time at which it was known that it has not

    def look(self, store: OfflineStore) -> None:
        """Begin to look at each file there is beside this store, see bring_home(); at none if it is not to stay."""
        self._paths = [path for path in self._folders.others(store) if os.path.lexists(path)]
        self.home_at = time.monotonic() if self._paths else None
        self.missed_at = None
        self.has_looked_everywhere = not self._paths and self._folders.is_home(store)

    def stop(self) -> None:
        """Look at nothing: there is no disk to bring it to."""
        self._paths, self.home_at, self.has_looked_everywhere, self.missed_at = [], None, False, None

    def bring_home(self, to: OfflineStore, clean: Clean) -> dict[str, int]:
        """Move what lies in the next file to the store; if that fails it stays there for the next run.

        `clean` leaves out, inside a transaction, what is not wanted of it, and makes batches of its groups; what it
        returns is returned: how many events were left out, by reason.
        """
        path, dropped = self._paths.pop(0), Counter[str]()
        try:
            other = self._folders.open_other(path)
        except StoreError as exc:
            is_later = self._failed(path, exc)
        else:
            try:
                is_later = self._bring(other, to, lambda store: dropped.update(clean(store)))
            except StoreError as exc:
                other.give_back()
                is_later = self._failed(path, exc)
        if is_later:
            self.look(to)
            self.home_at = self.home_at and time.monotonic() + LOCKED_SECONDS
        elif not self._paths:
            self.home_at, self.has_looked_everywhere = None, self.missed_at is None
        return dropped

    def clear(self, store: OfflineStore) -> tuple[int, list[Path]]:
        """Forget what lies in all files; return how many events that were, and the files that could not be reached.

        None can where this store is not to stay.
        """
        if not self._folders.is_home(store):
            others = {*self._folders.all_apart(), *self._folders.paths[1:]} - {store.path}
            return 0, [path for path in others if os.path.lexists(path)]
        forgotten, held = 0, set(self._folders.others(store))
        for other in self.stores(store):
            try:
                with other.writing():
                    forgotten += other.clear()
                held.discard(other.path or Path())
                if not self._folders.is_apart(other) or other.is_alone():
                    self._folders.discard(other)
                else:
                    other.close()
            except StoreError:
                other.give_back()
        return forgotten, [path for path in held if os.path.lexists(path)]

    def stores(self, store: OfflineStore) -> Iterator[OfflineStore]:
        """Yield all that can be opened."""
        for path in self._folders.others(store):
            try:
                if os.path.lexists(path):
                    yield self._folders.open_other(path)
            except StoreError as exc:
                self._failed(path, exc)

    def _bring(self, other: OfflineStore, to: OfflineStore, clean: Callable[[OfflineStore], None]) -> bool:
        """Return whether the file is to be looked at again. Raises StoreError."""
        is_apart = self._folders.is_apart(other)
        if is_apart and not other.is_alone():
            other.close()
            self.missed_at = time.monotonic()
            return False
        with other.writing():
            if is_apart:
                other.free()
            clean(other)
        other.hand_over(to)
        if other.contents.next_orphan() is not None:
            self.missed_at = time.monotonic()
        return not self._folders.discard(other)

    def _failed(self, path: Path, exc: StoreError) -> bool:
        """Return whether others hold the file; else say what is wrong, if it is still there."""
        if not exc.busy and os.path.lexists(path):
            self._folders.complain(path.parent, exc)
            self.missed_at = time.monotonic()
        return exc.busy
