"""Users who are to be forgotten where this process could not look yet, so that what waits of them is never sent.

File    queue-<hash>.forget-<16 hexadecimal digits>, 0600, beside the queue: `[at, key, hash]` as JSON
at      wall time in seconds: events of until then are meant; what the user does later is new
key     32 hexadecimal digits, random for each file
hash    HMAC-SHA256 of the user's id, hexadecimal. The id itself is not written; who may read the folder can try ids,
        but may read the events too
End     when each file of the queue has been looked at, by whichever process
"""

import hmac
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from .event import users_of
from .store_file import beside


class Tombstone(Struct, frozen=True, array_like=True):
    """One user, whose events up to `at` are to be forgotten."""

    at: float
    key: str
    user_hash: str


class Tombstones:
    """Those of this run, and those that earlier runs and other processes have left."""

    def __init__(self, queues: Sequence[Path]) -> None:
        """Read nothing yet. `queues` are the files beside which they may lie, the best first."""
        self._queues = queues
        self._known: dict[Tombstone, Path | None] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    @contextmanager
    def learning(self) -> Iterator[bool]:
        """Know those on disk too, if what is done inside succeeds; says whether there are some that were not known.

        Inside, they are to be left out of the store in use.
        """
        before = dict(self._known)
        for queue in self._queues:
            for path in beside(queue, f"{queue.stem}.forget-*"):
                with suppress(OSError, msgspec.DecodeError):  # removed, or written at this moment
                    self._known[msgspec.json.decode(path.read_bytes(), type=Tombstone)] = path
        try:
            yield self._known.keys() != before.keys()
        except BaseException:
            self._known = before
            raise

    def add(self, user_id: str) -> None:
        """Have what there is of this user at this moment be forgotten; it is on disk for the next run, if it can be."""
        key = os.urandom(16).hex()
        tombstone = Tombstone(time.time(), key, _hash(key, user_id))
        self._known[tombstone] = self._write(tombstone)

    def cover(self, event: bytes) -> bool:
        """Return whether an encoded event is to be forgotten."""
        users, happened_at = users_of(event)
        at = happened_at.timestamp() if happened_at else 0.0
        return any(_hash(one.key, user) == one.user_hash for one in self._known if at <= one.at for user in users)

    def end(self, until: float) -> None:
        """Forget those of until this wall time: each file has been looked at."""
        for tombstone, path in list(self._known.items()):
            if tombstone.at <= until:
                del self._known[tombstone]
                if path is not None:
                    _remove(path)

    def _write(self, tombstone: Tombstone) -> Path | None:
        """Return the file that it is in now; None where no folder takes one."""
        for queue in self._queues:
            path = queue.with_name(f"{queue.stem}.forget-{os.urandom(8).hex()}")
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(msgspec.json.encode(tombstone))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                _remove(path)
            else:
                return path
        return None


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _hash(key: str, user_id: str) -> str:
    return hmac.digest(key.encode(), user_id.encode("utf-8", "surrogatepass"), "sha256").hex()
