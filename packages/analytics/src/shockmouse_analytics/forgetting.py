"""Forgetting what waits: all of it after a refusal, or what is one user's."""

from .counts import Counts
from .event import is_of_user, without_user
from .ledger import Ledger
from .left_files import LeftFile
from .store_batches import Held


class Forgetting:
    """Forgets events in memory and on disk; used by the ledger's loop."""

    def __init__(self, *, ledger: Ledger, counts: Counts) -> None:
        self._ledger, self._counts = ledger, counts

    def purge(self) -> None:
        """Forget every event in memory and on disk; of those on their way nothing is kept. Raises StoreError."""
        ledger, folders = self._ledger, self._ledger.current.folders
        self._counts.drop("opted_out", ledger.pending.unsaved)
        ledger.leave(len(ledger.pending))
        for flight in ledger.flying.values():
            flight.forgotten = True
        with ledger.saving():
            stored = ledger.current.store.clear()
        elsewhere, held = folders.clear_left_behind(ledger.current.store)
        self._counts.drop("opted_out", stored + elsewhere)
        for path in held:
            ledger.left_files.leave(path, LeftFile(events=None))
        if held:
            folders.look_for_left_behind(ledger.current.store)

    def forget(self, user_id: str) -> None:
        """Forget the events of this user in memory and on disk; what is on its way is not tried again with them.

        Raises StoreError.
        """
        ledger, pending, forgotten = self._ledger, self._ledger.pending, 0
        with ledger.saving():
            # Events that another process took, after a long sleep of this one, are in batches now.
            gone = pending.grouped - ledger.current.store.groups.uncollect() if pending.grouped else 0
            ledger.adopt_in(ledger.current.store)
            forgotten += ledger.current.store.batches.leave_out(user_id)
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
