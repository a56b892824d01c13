"""Forgetting what waits: all of it after a refusal, or what is one user's.

What can be reached goes at once. What cannot, because a disk fails or others lock a file, goes as soon as this process
gets at it: after a refusal the whole file is emptied, of a user a tombstone says what to leave out, also to the next
run. Whoever asked is told when nothing is left.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future

from msgspec import Struct

from .counts import Counts
from .errors import StoreError
from .event import Batch, is_of_user, without_user
from .flushes import tell
from .ledger import Ledger
from .left_files import LeftFile
from .store_batches import Held
from .store_folders import LOCKED_SECONDS
from .store_life import StoreLife
from .store_tables import LONGEST_GROUP_SECONDS

STORES = 3  # one that fails, one that takes its place, and memory


class _Wish(Struct):
    """Somebody waits until something is forgotten."""

    future: Future[bool]
    is_granted: Callable[[], bool]


class Forgetting:
    """Forgets events in memory and on disk; used by the ledger's loop."""

    def __init__(self, *, ledger: Ledger, life: StoreLife, counts: Counts) -> None:
        self._ledger, self._life, self._counts = ledger, life, counts
        self._current, self._tombstones = ledger.current, ledger.tombstones
        self._wishes: list[_Wish] = []

    @property
    def again_at(self) -> float | None:
        """The monotonic time at which answer() looks again at what could not be reached."""
        missed_at = self._current.left_behind.missed_at
        if missed_at is None or not (self._tombstones or self._ledger.left_files.has_unwanted):
            return None
        return missed_at + LOCKED_SECONDS

    def purge(self, future: Future[bool], *, is_patient: bool) -> None:
        """Forget every event that waits; the future says whether nothing is left, at once unless it `is_patient`."""
        self._in_some_store(self._purge)
        left_files = self._ledger.left_files
        left_files.refuse()
        if left_files.is_empty or not is_patient:
            tell(future, left_files.is_empty)
        else:
            self._wishes.append(_Wish(future, lambda: left_files.is_empty))

    def forget(self, user_id: str, passed: list[Batch], future: Future[bool]) -> None:
        """Forget this user's events that wait; the future says True when none are left.

        Batches of others that are in memory only are among them; they are on disk then.
        """
        self._tombstones.add(user_id)
        self._in_some_store(lambda: self._forget(user_id, passed))
        self._current.left_behind.look(self._current.store)
        self._wishes.append(_Wish(future, self._has_looked_everywhere))

    def answer(self) -> None:
        """Tell those whose wish is granted, and look again at what could not be reached when it is time to."""
        again_at = self.again_at
        if again_at is not None and again_at <= time.monotonic():
            self._ledger.left_files.forget_gone()
            self._current.left_behind.look(self._current.store)
        if self._tombstones and self._has_looked_everywhere():
            # What a process that was killed has collected is nobody's to look at for some time.
            has_more = self._current.store.contents.has_groups_of_others()
            self._tombstones.end(time.time() - (LONGEST_GROUP_SECONDS if has_more else 0.0))
        for wish in list(self._wishes):
            if wish.is_granted() or wish.future.cancelled():
                self._wishes.remove(wish)
                tell(wish.future, True)

    def end(self) -> None:
        """Tell all others that it is not done."""
        for wish in self._wishes:
            tell(wish.future, False)

    def _has_looked_everywhere(self) -> bool:
        return self._current.left_behind.has_looked_everywhere and self._ledger.left_files.is_empty

    def _in_some_store(self, work: Callable[[], None]) -> None:
        """Do this with the store, or with the one that takes its place if it fails."""
        for _ in range(STORES):
            try:
                work()
            except StoreError as exc:
                self._life.give_up_disk(exc)
            else:
                return

    def _purge(self) -> None:
        """Forget every event in memory and in the store; of those on their way nothing is kept. Raises StoreError."""
        ledger, store = self._ledger, self._current.store
        self._counts.drop("opted_out", ledger.pending.unsaved)
        ledger.leave(len(ledger.pending))
        for flight in ledger.flying.values():
            flight.forgotten = True
        with ledger.saving():
            stored = store.clear()
        elsewhere, held = self._current.left_behind.clear(store)
        self._counts.drop("opted_out", stored + elsewhere)
        for path in set(held) - ledger.left_files.by_path().keys():
            ledger.left_files.leave(path, LeftFile(events=None))
        if held:
            self._current.left_behind.look(store)

    def _forget(self, user_id: str, passed: list[Batch]) -> None:
        """Forget the user's events in memory and in the store; what is on its way is not tried again with them.

        Raises StoreError.
        """
        ledger, pending, store = self._ledger, self._ledger.pending, self._current.store
        ledger.keep(passed)
        passed.clear()
        with ledger.saving():
            # Events that another process took, after a long sleep of this one, are in batches now.
            gone = pending.grouped - store.groups.uncollect() if pending.grouped else 0
            forgotten = ledger.adopt_in(store)
            forgotten += sum(store.batches.leave_out(lambda event: is_of_user(event, user_id)).values())
        ledger.leave(gone)
        pending.grouped = 0
        count = pending.leave_out(lambda event: is_of_user(event, user_id))
        ledger.left += count
        for flight in ledger.flying.values():
            kept = without_user(flight.held.batch, user_id)
            if kept is not flight.held.batch:
                count += 0 if flight.stored else flight.held.batch.events - kept.events
                flight.held, flight.forgotten = Held(kept, flight.attempted_at), not kept.events
        self._counts.drop("forgotten", forgotten + count)
