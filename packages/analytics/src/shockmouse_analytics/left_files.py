"""What lies in files of the store that this process had to leave: full, failing, or locked by others for too long.

It waits there until this process can return, or for a later run. A batch that was in hand when the file was left is in
memory as well: the file holds a copy, which counts no more once it is acknowledged or on another disk.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct


class LeftFile(Struct, kw_only=True):
    """One file; batches by id, with their events.

    events   that are nowhere else, of all processes; None where that cannot be read
    has_own  whether some of these are this process's
    copies   batches that are in memory too
    done     batches to be removed from the file, should the process return to it
    unwanted the person has refused since: then all of it is to be removed
    """

    events: int | None
    has_own: bool = False
    copies: dict[str, int] = {}
    done: dict[str, int] = {}
    unwanted: bool = False


class LeftFiles:
    """Written by one loop; the counts may be read by any thread."""

    def __init__(self) -> None:
        self._files: dict[Path, LeftFile] = {}

    @property
    def events(self) -> int:
        """How many undelivered events lie in the files."""
        return sum(self.by_path().values())

    @property
    def copies(self) -> int:
        """How many of them are in memory as well."""
        return sum(sum(list(file.copies.values())) for file in list(self._files.values()))

    @property
    def has_events(self) -> bool:
        """Whether something lies there that is nowhere else, or may."""
        return any(file.events != 0 for file in self._files.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies there."""
        return not (self.events or self.has_events)

    @property
    def has_own(self) -> bool:
        """Whether some of that is this process's."""
        return any(file.has_own for file in self._files.values())

    def by_path(self, *, own: bool = False) -> dict[Path, int]:
        """Return how many undelivered events lie in each file; of `own`, in those where this process has some."""
        files = [(path, file, sum(list(file.copies.values()))) for path, file in list(self._files.items())]
        return {path: (file.events or 0) + copies for path, file, copies in files if not own or file.has_own or copies}

    def leave(self, path: Path, file: LeftFile) -> None:
        """Remember what lies in a file."""
        self._files[path] = file

    def at(self, path: Path | None) -> LeftFile:
        """Return what lies in the file, which may be none that was left."""
        found = self._files.get(path) if path else None
        return found or LeftFile(events=0)

    def return_to(self, path: Path | None) -> None:
        """Forget what lay in the file, which is in use again."""
        if path:
            self._files.pop(path, None)

    def refuse(self) -> None:
        """Have each file emptied, should the process return to it."""
        for file in self._files.values():
            file.unwanted = True

    @property
    def has_unwanted(self) -> bool:
        """Whether some of them are to be emptied."""
        return any(file.unwanted for file in self._files.values())

    def forget_gone(self) -> None:
        """Forget files that are not there any more: others have emptied them."""
        for path in [path for path in self._files if not os.path.lexists(path)]:
            del self._files[path]

    def settle(self, batch_ids: Iterable[str]) -> None:
        """Count copies of these batches no more: the server has them, or another disk."""
        ids = set(batch_ids)
        for file in self._files.values():
            file.done |= {id_: file.copies.pop(id_) for id_ in ids & file.copies.keys()}
