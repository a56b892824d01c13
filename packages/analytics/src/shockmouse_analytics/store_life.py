"""What is done with events when the store becomes another one: at the start, where it fails, on return, at the end."""

import logging
import math
import time
from collections.abc import Callable, Sequence

from .counts import Counts
from .errors import StoreError
from .event import Batch
from .ledger import Ledger
from .left_files import LeftFile
from .offline import OfflineStore

logger = logging.getLogger("shockmouse_analytics")

LAST_BUSY_SECONDS = 1.0  # at the end there is no later time to try


class StoreLife:
    """Opens, changes and closes the ledger's store; used by the same loop."""

    def __init__(self, *, ledger: Ledger, counts: Counts, has_withdrawn: Callable[[], bool]) -> None:
        """`has_withdrawn` tells whether the person has refused, so that what is found is to be forgotten."""
        self._ledger, self._counts, self._has_withdrawn = ledger, counts, has_withdrawn
        self._current, self._left_files = ledger.current, ledger.left_files

    def open(self) -> None:
        """Open the store; may touch the disk for the first time."""
        ledger = self._ledger
        ledger.begin()
        self._current.open()
        ledger.look()
        with ledger.tombstones.learning() as has_new:
            if has_new:
                with ledger.saving():
                    left_out = ledger.clean(self._current.store)
                self._counts.drop("forgotten", sum(left_out.values()))

    def give_up_disk(self, exc: StoreError) -> None:
        """Go on elsewhere until a disk is found. What is on disk stays there; what flies is in memory as well."""
        ledger = self._ledger
        is_in_memory = self._current.store.path is None
        kept = self._current.store.batches.take_all() if is_in_memory else []
        left = None if is_in_memory else self._left_file()
        if self._current.leave(exc, left):
            ledger.leave(ledger.pending.grouped)
        ledger.pending.grouped = 0  # of a store that is gone: the events are pending still
        ledger.acknowledged.clear()
        for flight in ledger.flying.values():
            if flight.stored and exc.busy:
                flight.since = math.inf  # it is on disk: there
            flight.stored = False
        with ledger.saving():
            for held in kept:
                self._current.store.batches.add(held, leased=False)

    def return_to_disk(self) -> None:
        """Move what is kept elsewhere to the disk, when it is time to try and a disk can be used."""
        if self._current.return_if_due(self._move_to):
            self._ledger.look()

    def bring_home(self) -> None:
        """Move here what an earlier run had to leave in another file, one file at a time, when it is time to.

        By then others may have done it, and this process's own events must not wait for it.
        """
        left_behind = self._current.left_behind
        if left_behind.home_at is None or left_behind.home_at > time.monotonic():
            return
        for reason, events in left_behind.bring_home(self._current.store, self._clean).items():
            self._counts.drop(reason, events)
        self._ledger.look()

    def close(self, passed: Sequence[Batch] = ()) -> None:
        """Put everything on disk, others' batches too, and let go of it, so that the next process finds it at once."""
        ledger = self._ledger
        try:
            self._save_all(passed, is_locked=False)
        except StoreError as exc:
            try:
                self.give_up_disk(exc)
                self._save_all(passed, is_locked=exc.busy)
            except StoreError as last:
                lost = max(ledger.unsaved - self._left_files.copies, 0) + sum(batch.events for batch in passed)
                self._counts.drop("store_failed", lost)
                logger.warning("%d events could not be kept on disk: %s", lost, last)
        if self._current.store.path is None:
            self._counts.drop("not_kept", max(ledger.stored - self._left_files.copies, 0))
            ledger.stored = self._left_files.copies
        self._current.close()

    def _save_all(self, passed: Sequence[Batch], *, is_locked: bool) -> None:
        is_in_memory = self._current.has_disk and self._current.store.path is None
        if (is_in_memory or self._current.is_locked_out) and not is_locked:
            busy_seconds = LAST_BUSY_SECONDS if is_in_memory else self._current.patience_seconds
            self._current.return_to_disk(self._move_to, busy_seconds=busy_seconds)
        self._current.store.wait_for_others(LAST_BUSY_SECONDS)
        self._ledger.keep(passed)
        self._ledger.save(cut_all=True, everything=True)
        self._ledger.own_stored = self._current.store.contents.own_events()

    def _left_file(self) -> LeftFile:
        """Return what lies in the store at this moment."""
        ledger = self._ledger
        copies = {id_: flight.held.batch.events for id_, flight in ledger.flying.items() if flight.stored}
        events = max(ledger.stored - sum(copies.values()) - sum(ledger.acknowledged.values()), 0)
        try:
            own_ids = self._current.store.contents.own_ids("waiting")
            has_own = bool(own_ids - copies.keys() - ledger.acknowledged.keys())
        except StoreError:
            has_own = events > 0
        own = has_own or ledger.pending.grouped > 0
        return LeftFile(events=events, has_own=own, copies=copies, done=dict(ledger.acknowledged))

    def _move_to(self, store: OfflineStore) -> None:
        """Move all that this process has to another store, and use that. Raises StoreError: it uses the same as before.

        What lies in the other one since it was left counts again.
        """
        ledger, before, left = self._ledger, self._current.store, self._left_files.at(store.path)
        unwanted = 0
        with ledger.tombstones.learning(), store.writing():
            if before.path is not None:
                ledger.save(cut_all=True)  # what is collected there becomes batches, to be moved as the others
            with before.writing():
                kept = before.batches.take_all()
            if left.unwanted:
                store.batches.remove([*left.done, *left.copies])  # acknowledged, or counted where they land
                unwanted = store.clear()
            store.release()
            for held in kept:
                store.batches.add(held, leased=held.batch.id in ledger.flying)
            left_out = ledger.clean(store)  # makes batches of our own groups too, from before the disk failed
        self._counts.drop("opted_out", unwanted)
        moved = [held.batch.id for held in kept]
        counted = {*left.done, *left.copies, *moved}  # acknowledged, or counted in memory
        self._counts.drop("forgotten", sum(events for id_, events in left_out.items() if id_ not in counted))
        self._current.settle(store, moved)
        if not left.unwanted:
            self._take_back(left, moved)
        ledger.settle(moved)
        ledger.pending.grouped = 0  # they were in memory only

    def _take_back(self, left: LeftFile, moved: Sequence[str]) -> None:
        """Count what lies in the store as before it was left, but for what has just been moved there."""
        flying = self._ledger.flying
        self._ledger.acknowledged |= {id_: events for id_, events in left.done.items() if id_ not in moved}
        for id_ in left.copies.keys() & flying.keys():
            flying[id_].stored = True

    def _clean(self, other: OfflineStore) -> dict[str, int]:
        """Forget what is to be forgotten of a file that was left behind; return how many events, by reason."""
        is_unwanted = self._left_files.at(other.path).unwanted or self._has_withdrawn()
        unwanted = other.clear() if is_unwanted else 0
        forgotten = sum(self._ledger.clean(other).values())
        self._left_files.return_to(other.path)
        return {"opted_out": unwanted, "forgotten": forgotten}
