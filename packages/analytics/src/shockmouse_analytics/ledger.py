"""Where every undelivered event of this process is: pending in memory, flying to the server, or in the store.

Durable  save() puts on disk what has been in memory only for PERSIST_SECONDS, in one transaction
Once     a group becomes a batch on disk before that batch is sent; memory changes only after the transaction
Fallback when the disk fails the store of another folder takes its place, else one in memory until a disk can be used;
         while others lock the store one in a file of this process alone takes it, which a later run finds
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from .counts import Counts
from .errors import StoreError
from .event import Batch, Boot, cut_batch, halve, is_of_user, without_user
from .gzip_member import plain_bytes
from .left_files import LeftFile, LeftFiles
from .offline import OfflineStore
from .pending import Pending
from .steps import Steps
from .store_batches import Held
from .store_file import BUSY_SECONDS, set_aside
from .store_folders import LOCKED_SECONDS, StoreFolders
from .store_groups import Group

logger = logging.getLogger("shockmouse_analytics")

PERSIST_SECONDS = 0.1
GROUP_LEASE_SECONDS = 1.0  # beyond the time after which a group becomes a batch
RETURN_SECONDS = 2.0
LOCKED_BUSY_SECONDS = 0.05  # for a lock that is tried every second, as nothing is put on disk meanwhile
LAST_BUSY_SECONDS = 1.0  # at the end there is no later time to try
LONGEST_RETURN_SECONDS = 60.0


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
        has_disk: bool,
        folders: StoreFolders,
    ) -> None:
        self._steps, self._boot, self._counts = steps, boot, counts
        self._limits, self._has_disk, self._folders = limits, has_disk, folders
        self.pending = Pending(flush_events=limits.flush_events, batch_bytes=limits.batch_bytes)
        self.flying: dict[str, Flight] = {}
        self.acknowledged: dict[str, int] = {}  # batches that are on disk still, and their events
        self.left = 0  # how many events have left `pending`
        self.stored = 0  # events in the store
        self._own_stored = 0  # of which this process cut the batch; known once it is closed
        self.left_files = LeftFiles()
        self.is_on_disk = True  # whether the store outlives the process
        self.is_locked_out = False  # elsewhere, because others hold the store; it will be free again
        self.store_next: float | None = None  # wall time at which a batch in the store may be taken
        self.orphan_next: float | None = None  # wall time at which a group in the store may be adopted
        self.return_at: float | None = None  # monotonic time at which the disk is tried again
        self._return_seconds = RETURN_SECONDS
        self._failed: Path | None = None  # the store that has just failed, not to be tried next
        self._failed_at = 0.0

    def open(self) -> None:
        """Open the store and read what identifies the device: the first use of the disk."""
        self._head = self._steps.head()
        opened, locked = next(self._folders.open(), None), self._folders.locked
        self._store = opened or self._elsewhere(is_locked=locked is not None)
        if self._has_disk and opened is None:
            self.is_locked_out = locked is not None
            self._return_later()
        if locked is not None:
            self.left_files.leave(locked, LeftFile(None, False, {}, {}))
        for path, events in self._folders.unusable.items():
            self.left_files.leave(path, LeftFile(events, False, {}, {}))
        self._folders.look_for_left_behind(self._store)
        self.look()

    def close(self, passed: Sequence[Batch] = ()) -> None:
        """Put everything on disk, others' batches too, and let go of it, so that the next process finds it at once."""
        try:
            self._save_all(passed, is_locked=False)
        except StoreError as exc:
            try:
                self.give_up_disk(exc)
                self._save_all(passed, is_locked=exc.busy)
            except StoreError as last:
                lost = max(self.unsaved - self.left_files.copies, 0) + sum(batch.events for batch in passed)
                self._counts.drop("store_failed", lost)
                logger.warning("%d events could not be kept on disk: %s", lost, last)
        if self._store.path is None:
            self._counts.drop("not_kept", max(self.stored - self.left_files.copies, 0))
            self.stored = self.left_files.copies
        self._folders.let_go(self._store)

    def _save_all(self, passed: Sequence[Batch], *, is_locked: bool) -> None:
        if self._has_disk and self._store.path is None and not is_locked:
            self._move_to_disk(LAST_BUSY_SECONDS)
        self._store.wait_for_others(LAST_BUSY_SECONDS)
        self.keep(passed)
        self.save(cut_all=True, everything=True)
        self._own_stored = self._store.contents.own_events()

    def remains(self, *, own: bool) -> dict[Path, int]:
        """Return how many events wait in which file once it is closed, or only those of this process."""
        found = self.left_files.by_path(own=own)
        if self._store.path is not None:
            found[self._store.path] = self._own_stored if own else self.stored
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
        self._leave(len(events))
        return flight

    def take(self, most: int, *, before_due: bool, own_first: bool) -> list[Flight]:
        """Take the oldest batches from the store, those that should wait longer too if `before_due`."""
        with self._saving():
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
        with self._saving():
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
        self._leave(cut)
        pending.grouped = len(pending)
        for flight in flights:
            flight.stored = True
        self._settle(flight.held.batch.id for flight in flights)

    def adopt(self) -> None:
        """Make batches of what a process that is gone had collected."""
        with self._saving():
            self._adopt_in(self._store)

    def keep(self, batches: Sequence[Batch]) -> None:
        """Put batches that others have cut on disk; one that is there already stays as it is."""
        if batches:
            with self._saving():
                for batch in batches:
                    self._store.batches.add(Held(batch), leased=False)

    def purge(self) -> None:
        """Forget every event in memory and on disk; of those on their way nothing is kept."""
        self._counts.drop("opted_out", self.pending.unsaved)
        self._leave(len(self.pending))
        for flight in self.flying.values():
            flight.forgotten = True
        with self._saving():
            stored = self._store.clear()
        elsewhere, held = self._folders.clear_left_behind(self._store)
        self._counts.drop("opted_out", stored + elsewhere)
        for path in held:
            self.left_files.leave(path, LeftFile(None, False, {}, {}))
        if held:
            self._folders.look_for_left_behind(self._store)

    def forget(self, user_id: str) -> None:
        """Forget the events of this user in memory and on disk; what is on its way is not tried again with them."""
        pending, forgotten = self.pending, 0
        with self._saving():
            # Events that another process took, after a long sleep of this one, are in batches now.
            gone = pending.grouped - self._store.groups.uncollect() if pending.grouped else 0
            self._adopt_in(self._store)
            forgotten += self._store.batches.leave_out(user_id)
        self._leave(gone)
        pending.grouped = 0
        count = pending.leave_out(lambda event: is_of_user(event, user_id))
        self.left += count
        for flight in self.flying.values():
            kept = without_user(flight.held.batch, user_id)
            if kept is not flight.held.batch:
                count += 0 if flight.stored else flight.held.batch.events - kept.events
                flight.held, flight.forgotten = Held(kept, flight.attempted_at), not kept.events
        self._counts.drop("forgotten", forgotten + count)

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
        with self._saving():
            self._store.batches.put_back(held, next_attempt=next_attempt, reason=reason)
        self._settle([held.batch.id])

    def set_aside(self, held: Held, reason: str) -> None:
        """Keep the batch in the store, not to be sent again."""
        with self._saving():
            self._store.batches.set_aside(held, reason)
        self._settle([held.batch.id])

    def halve(self, batch: Batch) -> tuple[str, str]:
        """Replace the batch by two in the store, and return their ids."""
        with self._saving():
            first, second = halve(batch, (self._new_id(), self._new_id()))
            self._store.batches.remove([batch.id])
            for half in (first, second):
                self._store.batches.add(Held(half), leased=False)
        self.left_files.settle([batch.id])
        self.pending.batch_bytes = max(plain_bytes(batch.content) // 2, 1)
        return first.id, second.id

    # --- the store

    def give_up_disk(self, exc: StoreError) -> None:
        """Go on elsewhere until a disk is found. What is on disk stays there; what flies is in memory as well."""
        path, kept = self._store.path, self._store.batches.take_all() if self._store.path is None else []
        where = path.parent if path else "memory"
        self._counts.warn(f"folder {where}", f"events cannot be kept in {where} ({exc})")
        left = self._left_file() if path else None
        self._store.close()
        if path is not None and exc.damaged:
            set_aside(path)
        self._store = self._elsewhere(is_locked=exc.busy)
        self._folders.leave_left_behind()
        if path is not None and left is not None and not exc.damaged:
            self.left_files.leave(path, left)
            self._leave(self.pending.grouped)
        elif left is not None:
            self._counts.drop("store_failed", max((left.events or 0) - self.pending.grouped, 0))
        self.pending.grouped = 0  # of a store that is gone: the events are pending still
        self.acknowledged.clear()
        for flight in self.flying.values():
            flight.stored = False
        self._add_all(kept)
        self.is_locked_out = exc.busy
        self._return_later()
        at, failed_at = time.monotonic(), self._failed_at
        if path is not None and not exc.busy:
            self._failed, self._failed_at = None if exc.damaged else path, at
            if at - failed_at > RETURN_SECONDS:
                self.return_at = at  # another folder may do

    def _elsewhere(self, *, is_locked: bool) -> OfflineStore:
        """Return a store for until the disk can be used: a file of this process alone if others lock it, or memory."""
        kept_apart = self._folders.keep_apart() if is_locked else None
        return kept_apart or self._folders.in_memory(self._limits.queue_bytes)

    def _left_file(self) -> LeftFile:
        """Return what lies in the store at this moment."""
        copies = {id_: flight.held.batch.events for id_, flight in self.flying.items() if flight.stored}
        events = max(self.stored - sum(copies.values()) - sum(self.acknowledged.values()), 0)
        try:
            has_own = bool(self._store.contents.own_ids("waiting") - copies.keys() - self.acknowledged.keys())
        except StoreError:
            has_own = events > 0
        return LeftFile(events, has_own or self.pending.grouped > 0, copies, dict(self.acknowledged))

    def return_to_disk(self) -> None:
        """Move what is kept elsewhere to the disk, when it is time to try and a disk can be used."""
        if self.return_at is None or time.monotonic() < self.return_at:
            return
        if self._move_to_disk(LOCKED_BUSY_SECONDS if self.is_locked_out else BUSY_SECONDS):
            self.return_at, self._return_seconds = None, RETURN_SECONDS
        else:
            self._return_later()

    def _move_to_disk(self, busy_seconds: float) -> bool:
        avoid, self._failed = self._failed, None
        for store in self._folders.open(busy_seconds, avoid=avoid):
            try:
                self._move_to(store)
            except StoreError as exc:
                self._counts.warn("memory", f"events stay in {self._store.path or 'memory'} ({exc})")
                store.close()
                if exc.busy:
                    self.is_locked_out = True
                    return False
            else:
                self.is_locked_out = False
                self._counts.pass_over("memory")
                self._folders.look_for_left_behind(self._store)
                self.look()
                return True
        self.is_locked_out = self._folders.locked is not None
        if self.is_locked_out and self._store.path is None and (kept_apart := self._folders.keep_apart()):
            self._move_to(kept_apart)
            self.look()
        return False

    def _move_to(self, store: OfflineStore) -> None:
        before, left = self._store, self.left_files.at(store.path)
        unwanted = 0
        with store.writing():
            if before.path is not None:
                self.save(cut_all=True)  # what is collected there becomes batches, to be moved as the others
            with before.writing():
                kept = before.batches.take_all()
            if left.unwanted:
                store.batches.remove([*left.done, *left.copies])  # acknowledged, or counted where they land
                unwanted = store.clear()
            store.release()
            self._adopt_in(store)  # our own groups too, from before the disk failed
            for held in kept:
                store.batches.add(held, leased=held.batch.id in self.flying)
        self._store = store
        self._counts.drop("opted_out", unwanted)
        self.left_files.return_to(store.path)
        moved = [held.batch.id for held in kept]
        if not left.unwanted:
            self._take_back(left, moved)
        self._settle(moved)
        self.pending.grouped = 0  # they were in memory only
        self._folders.let_go(before, moved)

    def _take_back(self, left: LeftFile, moved: Sequence[str]) -> None:
        """Count what lies in the store as before it was left, but for what has just been moved there."""
        self.acknowledged |= {id_: events for id_, events in left.done.items() if id_ not in moved}
        for id_ in left.copies.keys() & self.flying.keys():
            self.flying[id_].stored = True

    def bring_home(self) -> None:
        """Move here what an earlier run had to leave in another file, one file at a time, when it is time to.

        By then others may have done it, and this process's own events must not wait for it.
        """
        if self._folders.home_at is not None and self._folders.home_at <= time.monotonic():
            self._counts.drop("opted_out", self._folders.bring_home(self._store, self._adopt_in, self._is_unwanted))
            self.look()

    def _is_unwanted(self, path: Path | None) -> bool:
        unwanted = self.left_files.at(path).unwanted or self._steps.has_withdrawn()
        self.left_files.return_to(path)
        return unwanted

    @property
    def home_at(self) -> float | None:
        """The monotonic time at which bring_home() has something to do."""
        return self._folders.home_at

    def _adopt_in(self, store: OfflineStore) -> None:
        for group in store.groups.adopt():
            batch = self._batch([group.content])
            store.batches.add(Held(Batch(id=batch.id, content=batch.content, events=group.events)), leased=False)

    def _return_later(self) -> None:
        if self.is_locked_out:
            self.return_at = time.monotonic() + LOCKED_SECONDS
            return
        self.return_at = time.monotonic() + self._return_seconds
        self._return_seconds = min(self._return_seconds * 2, LONGEST_RETURN_SECONDS)

    def _add_all(self, kept: Sequence[Held]) -> None:
        with self._saving():
            for held in kept:
                self._store.batches.add(held, leased=False)

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
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

    def _settle(self, batch_ids: Iterable[str]) -> None:
        """Count copies in files that were left no more, if the batches are on disk now."""
        if self._store.path is not None:
            self.left_files.settle(batch_ids)

    def _leave(self, count: int) -> None:
        self.pending.remove(count)
        self.left += count

    def _batch(self, events: list[bytes]) -> Batch:
        return cut_batch(self._new_id(), self._head, self._steps.with_fingerprint(events))

    def _new_id(self) -> str:
        return self._boot.event_id(int(time.time() * 1000), self._boot.next())
