"""Where every undelivered event of this process is: pending in memory, flying to the server, or in the store.

Durable  save() puts on disk what has been in memory only for PERSIST_SECONDS, in one transaction
Once     a group becomes a batch on disk before that batch is sent; memory changes only after the transaction
Store    which one that is, current_store.py says; what is done when it becomes another one, store_life.py
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from .counts import Counts
from .current_store import CurrentStore
from .event import Batch, Boot, cut_batch, halve, split
from .gzip_member import plain_bytes
from .offline import OfflineStore
from .pending import Pending
from .steps import Steps
from .store_batches import Held
from .store_groups import Group
from .store_tables import GROUP_LEASE_SECONDS
from .tombstones import Tombstones

PERSIST_SECONDS = 0.1


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of a batch, of the memory and of patience."""

    flush_events: int
    flush_seconds: float
    batch_bytes: int
    queue_bytes: int
    retry_seconds: float


class Flight(Struct):
    """A batch on its way; `since` is the monotonic time at which its oldest event that is not on disk was tracked."""

    held: Held
    since: float
    stored: bool
    attempted_at: float
    forgotten: bool = False


class Ledger:
    """Moves events between memory and disk; used by one loop only."""

    def __init__(
        self,
        *,
        steps: Steps,
        boot: Boot,
        counts: Counts,
        limits: Limits,
        current: CurrentStore,
        tombstones: Tombstones,
    ) -> None:
        self._steps, self._boot, self._counts, self._limits = steps, boot, counts, limits
        self.current, self.tombstones = current, tombstones
        self.pending = Pending(flush_events=limits.flush_events, batch_bytes=limits.batch_bytes)
        self.flying: dict[str, Flight] = {}
        self.acknowledged: dict[str, int] = {}  # batches that are on disk still, and their events
        self.left = 0  # how many events have left `pending`
        self.stored = 0  # events in the store
        self.own_stored = 0  # of which this process cut the batch; known once it has ended
        self.left_files = current.left_files
        self.is_on_disk = True  # whether the store outlives the process
        self.store_next: float | None = None  # wall time at which a batch in the store may be taken
        self.orphan_next: float | None = None  # wall time at which a group in the store may be adopted

    def begin(self) -> None:
        """Read what identifies the device: the first use of the disk."""
        self._head = self._steps.head()

    def remains(self, *, own: bool) -> dict[Path, int]:
        """Return how many events wait in which file once that is closed, or only those of this process."""
        found = self.left_files.by_path(own=own)
        if self._store.path is not None:
            found[self._store.path] = self.own_stored if own else self.stored
        return {path: events for path, events in found.items() if events}

    @property
    def on_disk(self) -> int:
        """How many events are on disk and not acknowledged; from any thread."""
        return (self._waiting() if self.is_on_disk else 0) + self.left_files.events

    @property
    def in_memory(self) -> int:
        """How many events are in memory only; from any thread."""
        in_store = 0 if self.is_on_disk else self._waiting()
        return max(self.unsaved + in_store - self.left_files.copies, 0)

    def _waiting(self) -> int:
        return self.stored - sum(list(self.acknowledged.values()))

    @property
    def unsaved(self) -> int:
        """How many events are in no store."""
        return self.pending.unsaved + sum(f.held.batch.events for f in list(self.flying.values()) if not f.stored)

    def cut(self) -> Flight:
        """Take the oldest pending events as a batch that is in memory only; none of them may be in a group."""
        events, since = self.pending.first(), self.pending.unsaved_since
        flight = Flight(Held(self._batch(events)), since, stored=False, attempted_at=time.time())
        self.flying[flight.held.batch.id] = flight
        self.leave(len(events))
        return flight

    def take(self, most: int, *, before_due: bool, own_first: bool) -> list[Flight]:
        """Take the oldest batches from the store, those that should wait longer too if `before_due`."""
        with self.saving():
            self._counts.drop("retry_expired", self._store.batches.expire(self._limits.retry_seconds))
            taken = self._store.batches.take(most, due_only=not before_due, own_first=own_first)
        flights = [
            Flight(held, time.monotonic(), stored=True, attempted_at=time.time())
            for held in taken
            if held.batch.id not in self.flying  # a lease of our own that ran out
        ]
        self.flying.update({flight.held.batch.id: flight for flight in flights})
        return flights

    def is_saving_due(self, at: float, *, hurried: bool) -> bool:
        """Return whether save() has something to do at this monotonic time."""
        before = at - PERSIST_SECONDS
        return (
            (self.pending.unsaved > 0 and self.pending.unsaved_since <= before)
            or self.pending.bytes > self._limits.queue_bytes // 2
            or (self.pending.unsaved == 0 and len(self.pending) > 0 and (hurried or self.pending.is_full()))
            or any(not flight.stored and flight.since <= before for flight in self.flying.values())
            or (bool(self.acknowledged) and not self.flying)
        )

    def save(self, *, cut_all: bool, everything: bool = False) -> None:
        """Put on disk what is only in memory: flights, full batches, and the rest as a group; or all as batches."""
        pending, before = self.pending, time.monotonic() - PERSIST_SECONDS
        flights = [f for f in self.flying.values() if not f.stored and (everything or f.since <= before)]
        cuts = cut_all or pending.is_full()
        with self.saving():
            # Events that another process took, after a long sleep of this one, are not ours any more.
            gone = pending.grouped - self._store.groups.uncollect() if pending.grouped and cuts else 0
            parts = pending.batches(gone, everything=cut_all) if cuts else []
            cut = gone + sum(map(len, parts))
            for flight in flights:
                self._store.batches.add(Held(flight.held.batch, flight.attempted_at), leased=True)
            for part in parts:
                self._store.batches.add(Held(self._batch(part)), leased=False)
            rest = pending.rest(cut if cuts else pending.grouped)
            if rest:
                lease_seconds = GROUP_LEASE_SECONDS + self._limits.flush_seconds
                self._store.groups.collect(Group(len(rest), b",".join(rest)), lease_seconds=lease_seconds)
            if everything:
                self._store.release()
        self.leave(cut)
        pending.grouped = len(pending)
        for flight in flights:
            flight.stored = True
        self.settle(flight.held.batch.id for flight in flights)

    def adopt(self) -> None:
        """Make batches of what a process that is gone had collected."""
        with self.saving():
            forgotten = self.adopt_in(self._store)
        self._counts.drop("forgotten", forgotten)

    def keep(self, batches: Sequence[Batch]) -> None:
        """Put batches that others have cut on disk; one that is there already stays as it is."""
        if batches:
            with self.saving():
                for batch in batches:
                    self._store.batches.add(Held(batch), leased=False)

    def own_ids(self) -> set[str]:
        """Return the batches of this process that are not acknowledged, but those that are set aside."""
        return (self._store.contents.own_ids("waiting") - self.acknowledged.keys()) | self.flying.keys()

    def has_set_aside(self) -> bool:
        """Return whether a batch of this process was refused."""
        return bool(self._store.contents.own_ids("rejected"))

    def last_number(self) -> int:
        """Return the number of the youngest batch in the store."""
        return self._store.contents.last_number()

    def has_free(self, last: int) -> bool:
        """Return whether a batch up to this number is neither acknowledged nor in the hands of another process."""
        if not last:
            return False
        free = self._store.contents.free_ids(last, len(self.acknowledged) + 1)
        return bool(free - self.acknowledged.keys())

    # --- what became of a flight

    def acknowledge(self, flight: Flight) -> None:
        """Forget the batch: the server has it."""
        if flight.stored:
            self.acknowledged[flight.held.batch.id] = flight.held.batch.events
        self.left_files.settle([flight.held.batch.id])

    def put_back(self, held: Held, *, next_attempt: float, reason: str) -> None:
        """Keep the batch in the store until it is tried again."""
        with self.saving():
            self._store.batches.put_back(held, next_attempt=next_attempt, reason=reason)
        self.settle([held.batch.id])

    def set_aside(self, held: Held, reason: str) -> None:
        """Keep the batch in the store, not to be sent again."""
        with self.saving():
            self._store.batches.set_aside(held, reason)
        self.settle([held.batch.id])

    def halve(self, batch: Batch) -> tuple[str, str]:
        """Replace the batch by two in the store, and return their ids."""
        with self.saving():
            first, second = halve(batch, (self._new_id(), self._new_id()))
            self._store.batches.remove([batch.id])
            for half in (first, second):
                self._store.batches.add(Held(half), leased=False)
        self.left_files.settle([batch.id])
        self.pending.batch_bytes = max(plain_bytes(batch.content) // 2, 1)
        return first.id, second.id

    # --- the store

    @property
    def _store(self) -> OfflineStore:
        return self.current.store

    def adopt_in(self, store: OfflineStore) -> int:
        """Make batches of the groups in a store, inside its writing(), that nobody holds.

        Return how many of their events are of users who are to be forgotten, and were left out.
        """
        forgotten = 0
        for group in store.groups.adopt():
            events = [group.content]
            if self.tombstones:
                events = [event for event in split(group.content) if not self.tombstones.cover(event)]
                forgotten += group.events - len(events)
                group = Group(len(events), b",".join(events))
            if events:
                batch = self._batch(events)
                store.batches.add(Held(Batch(id=batch.id, content=batch.content, events=group.events)), leased=False)
        return forgotten

    def clean(self, store: OfflineStore) -> dict[str, int]:
        """Make batches of what nobody holds in a store, inside its writing(), without users who are to be forgotten.

        Return how many of whose events were left out, by batch, and under "" those of groups.
        """
        left_out = {"": self.adopt_in(store)}
        if self.tombstones:
            left_out |= store.batches.leave_out(self.tombstones.cover)
        return left_out

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """One transaction, which also forgets what was acknowledged and keeps the store within its bounds."""
        with self._store.writing():
            self._store.batches.remove(list(self.acknowledged))
            yield
            trimmed = self._store.trim()
        self.acknowledged.clear()
        self._counts.drop("offline_full", trimmed)
        self.look()

    def look(self) -> None:
        """See what is in the store: other processes use it too."""
        self.is_on_disk = self._store.path is not None
        self.store_next = self._store.contents.next_attempt()
        self.orphan_next = self._store.contents.next_orphan()
        self.stored = self._store.contents.events()

    def settle(self, batch_ids: Iterable[str]) -> None:
        """Count copies in files that were left no more, if the batches are on disk now."""
        if self._store.path is not None:
            self.left_files.settle(batch_ids)

    def leave(self, count: int) -> None:
        """Know that so many of the oldest pending events are in batches now."""
        self.pending.remove(count)
        self.left += count

    def _batch(self, events: list[bytes]) -> Batch:
        return cut_batch(self._new_id(), self._head, self._steps.with_fingerprint(events))

    def _new_id(self) -> str:
        return self._boot.event_id(int(time.time() * 1000), self._boot.next())
