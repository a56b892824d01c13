"""The batches in a store: taken by whoever sends them, kept until they are acknowledged.

What changes them stands inside OfflineStore.writing().
"""

import sqlite3
from collections.abc import Callable, Sequence

from msgspec import Struct

from .errors import StoreError
from .event import Batch, is_packed, without
from .store_tables import FAR_SECONDS, LATE_SECONDS, LEASE_SECONDS

_TAKE = "select number, id, events, unclear_since from batches where state = 'waiting'"
_FREE = " and (lease_until <= :now or lease_until > :far)"


class Held(Struct, frozen=True):
    """A batch in hand; `unclear_since` is the wall time of its first attempt without a clear outcome."""

    batch: Batch
    unclear_since: float | None = None


class StoredBatches:
    """The batches as one process changes them."""

    def __init__(self, db: sqlite3.Connection, owner: str, clock: Callable[[], float]) -> None:
        self._db, self._owner, self._clock = db, owner, clock

    def add(self, held: Held, *, leased: bool) -> None:
        """Put a batch on disk; `leased` when it is being sent at this moment."""
        batch = held.batch
        lease = (self._owner, self._clock() + LEASE_SECONDS) if leased else (None, 0.0)
        self._db.execute(
            "insert or ignore into batches (id, origin, events, unclear_since, lease_owner, lease_until)"
            " values (?, ?, ?, ?, ?, ?)",
            (batch.id, self._owner, batch.events, held.unclear_since, *lease),
        )
        self._db.execute(
            "insert or ignore into contents select number, ? from batches where id = ?", (batch.content, batch.id)
        )

    def take(self, limit: int, *, due_only: bool, own_first: bool) -> list[Held]:
        """Return waiting batches, oldest first, and hold them; their outcome counts as unclear from now on.

        Without `due_only` those are taken too that should wait longer, and those tried least recently come first.
        """
        taken: list[Held] = []
        if own_first:
            taken += self._hold(_TAKE + _FREE + " and origin = :owner order by next_attempt, id limit :limit", limit)
        if due_only:
            query = _TAKE + _FREE + " and (next_attempt <= :now or next_attempt > :late) order by id limit :limit"
        else:
            query = _TAKE + _FREE + " order by next_attempt, id limit :limit"
        return taken + self._hold(query, limit - len(taken))

    def take_all(self) -> list[Held]:
        """Return and hold all waiting batches."""
        return self._hold(_TAKE + " order by id limit :limit", -1)

    def put_back(self, held: Held, *, next_attempt: float, reason: str) -> None:
        """Let go of a batch until `next_attempt`, a wall time; it is added when it is not on disk yet."""
        self.add(held, leased=False)
        self._db.execute(
            "update batches set next_attempt = ?, unclear_since = ?, reason = ?, lease_owner = null, lease_until = 0"
            " where id = ?",
            (next_attempt, held.unclear_since, reason, held.batch.id),
        )

    def set_aside(self, held: Held, reason: str) -> None:
        """Keep a batch that the server refuses, for the person who looks into it; it is not sent again."""
        self.add(held, leased=False)
        self._db.execute("update batches set state = 'rejected', reason = ? where id = ?", (reason, held.batch.id))

    def remove(self, ids: Sequence[str]) -> None:
        """Forget batches: they are acknowledged, or replaced."""
        self._db.executemany("delete from batches where id = ?", [(id_,) for id_ in ids])

    def release(self) -> None:
        """Let go of what this process holds."""
        self._db.execute("update batches set lease_owner = null, lease_until = 0 where lease_owner = ?", (self._owner,))

    def free(self) -> None:
        """Let go of what anybody holds: they are gone."""
        self._db.execute("update batches set lease_owner = null, lease_until = 0")

    def expire(self, retry_seconds: float) -> int:
        """Drop batches whose outcome has been unclear for so long that the server may have forgotten their ids.

        Return the number of their events.
        """
        before = self._clock() - retry_seconds
        rows = self._db.execute(
            "delete from batches where state = 'waiting' and unclear_since < ? and lease_until <= ? returning events",
            (before, self._clock()),
        ).fetchall()
        return sum(row[0] for row in rows)

    def drop_oldest(self) -> int | None:
        """Drop the oldest batch that nobody holds; return the number of its events, None if there is no such batch."""
        rows = self._db.execute(
            "delete from batches where id = (select id from batches where lease_until <= ? order by id limit 1)"
            " returning events",
            (self._clock(),),
        ).fetchall()
        return int(rows[0][0]) if rows else None

    def leave_out(self, is_unwanted: Callable[[bytes], bool]) -> dict[str, int]:
        """Leave events out of all batches; return how many there were in which.

        A batch keeps its id, so that one which may have arrived already cannot be stored a second time.
        """
        left_out: dict[str, int] = {}
        for number, id_, events in self._db.execute("select number, id, events from batches").fetchall():
            batch = Batch(id=id_, content=self._content(number, events), events=events)
            kept = without(batch, is_unwanted)
            if kept is batch:
                continue
            left_out[id_] = events - kept.events
            if kept.events:
                self._db.execute("update batches set events = ? where number = ?", (kept.events, number))
                self._db.execute("update contents set content = ? where number = ?", (kept.content, number))
            else:
                self.remove([id_])
        return left_out

    def _hold(self, query: str, limit: int) -> list[Held]:
        now = self._clock()
        values = {
            "now": now,
            "far": now + FAR_SECONDS,
            "late": now + LATE_SECONDS,
            "owner": self._owner,
            "limit": limit,
        }
        rows = self._db.execute(query, values).fetchall()
        self._db.executemany(
            "update batches set lease_owner = ?, lease_until = ?, unclear_since = coalesce(unclear_since, ?)"
            " where number = ?",
            [(self._owner, now + LEASE_SECONDS, now, row[0]) for row in rows],
        )
        return [
            Held(Batch(id=id_, content=self._content(number, events), events=events), unclear_since)
            for number, id_, events, unclear_since in rows
        ]

    def _content(self, number: int, events: int) -> bytes:
        """Return what a batch has packed. Raises StoreError: it is damaged, which SQLite does not look for."""
        found = self._db.execute("select content from contents where number = ?", (number,)).fetchone()
        if found is None or not is_packed(found[0], events):
            raise StoreError("the events of a batch are damaged", damaged=True)
        content: bytes = found[0]
        return content
