"""The groups in a store: events that wait on disk until their batch is full.

What changes them stands inside OfflineStore.writing().
"""

import sqlite3
from collections.abc import Callable

from msgspec import Struct

from .errors import StoreError
from .event import is_joined
from .store_tables import LONGEST_GROUP_SECONDS


class Group(Struct, frozen=True):
    """Some encoded events joined by commas, as they stand in a batch."""

    events: int
    content: bytes


class StoredGroups:
    """The groups as one process changes them."""

    def __init__(self, db: sqlite3.Connection, owner: str, clock: Callable[[], float]) -> None:
        self._db, self._owner, self._clock = db, owner, clock

    def collect(self, group: Group, *, lease_seconds: float) -> None:
        """Put events on disk whose batch is not full yet, and hold all groups of this process."""
        until = self._clock() + lease_seconds
        self._db.execute("update groups set lease_until = ? where owner = ?", (until, self._owner))
        self._db.execute(
            "insert into groups (owner, lease_until, events, content) values (?, ?, ?, ?)",
            (self._owner, until, group.events, group.content),
        )

    def leave(self, group: Group) -> None:
        """Put a group on disk that nobody holds."""
        self._db.execute(
            "insert into groups (owner, lease_until, events, content) values ('', 0, ?, ?)",
            (group.events, group.content),
        )

    def uncollect(self) -> int:
        """Forget this process's groups: they are in a batch now. Return how many of their events were still here.

        After a long sleep another process may have taken the oldest of them.
        """
        rows = self._db.execute("delete from groups where owner = ? returning events", (self._owner,)).fetchall()
        return sum(row[0] for row in rows)

    def adopt(self) -> list[Group]:
        """Return the groups that nobody holds any more, and forget them: the caller makes batches of them at once.

        Raises StoreError: one is damaged, which would spoil the batch that others come into with it.
        """
        rows = self._db.execute(
            "delete from groups where lease_until <= :now or lease_until > :late returning number, events, content",
            {"now": self._clock(), "late": self._clock() + LONGEST_GROUP_SECONDS},
        ).fetchall()
        if not all(is_joined(content, events) for _, events, content in rows):
            raise StoreError("the events of a group are damaged", damaged=True)
        return [Group(events, content) for _, events, content in sorted(rows)]

    def release(self) -> None:
        """Let go of what this process holds."""
        self._db.execute("update groups set lease_until = 0 where owner = ?", (self._owner,))

    def free(self) -> None:
        """Let go of what anybody holds: they are gone."""
        self._db.execute("update groups set lease_until = 0")
