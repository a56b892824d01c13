"""What becomes of a batch whose attempt has an outcome: acknowledged, halved, set aside, or tried again later."""

import logging
import time

from .counts import Counts
from .errors import DeliveryError, RejectedError, ThrottledError, TooLargeError, UnreachableError
from .flushes import Flushes
from .ledger import Flight, Ledger
from .store_batches import Held
from .transport import Answer, Breaker

logger = logging.getLogger("shockmouse_analytics")

REUSED = "batch_id_reused"  # after an unclear attempt: it came, and then a user's events were left out here
WAITING = tuple(kind.__name__ for kind in (UnreachableError, ThrottledError, TooLargeError, RejectedError))


class Landing:
    """Settles flights, and remembers why one failed."""

    def __init__(self, *, ledger: Ledger, counts: Counts, breaker: Breaker, flushes: Flushes) -> None:
        self._ledger, self._counts, self._breaker, self._flushes = ledger, counts, breaker, flushes
        self._trouble: DeliveryError | None = None  # why the last batch failed, None if it did not
        self._told_why = ""  # why events wait, as the last warning of it said
        self.last_error: DeliveryError | None = None
        self.is_ending = False  # what waits is told at the end

    def land(self, flight: Flight, outcome: Answer | DeliveryError) -> None:
        """Settle what the outcome says of the batch. Raises StoreError: to be called again with another store."""
        if isinstance(outcome, Answer):
            self._counts.acknowledge(outcome.accepted + outcome.duplicates, outcome.rejected_by_code())
            self._finish(flight)
        elif isinstance(outcome, RejectedError) and outcome.code == REUSED and flight.held.unclear_since is not None:
            self._counts.acknowledge(flight.held.batch.events, {})
            self._finish(flight)
        elif isinstance(outcome, RejectedError) and outcome.events:
            self._counts.reject(outcome.events)
            self._finish(flight)
        elif flight.forgotten:
            self._counts.drop("opted_out", flight.held.batch.events)
            self._ledger.acknowledge(flight)
            if _may_be_taken_later(outcome):
                self._pause(flight, outcome)
        elif isinstance(outcome, TooLargeError) and flight.held.batch.events > 1 and flight.held.unclear_since is None:
            self._flushes.halved(flight.held.batch.id, self._ledger.halve(flight.held.batch))
        elif isinstance(outcome, TooLargeError) or (isinstance(outcome, RejectedError) and not outcome.mendable):
            self._set_aside(flight, outcome)
        else:
            self._pause(flight, outcome)
            self._put_back(flight, outcome)

    def tell_what_waits(self) -> None:
        """Log how many events are on disk, and why unless the last warning has said just that."""
        why = f": {self._trouble or 'the program ended before the server had them'}"
        remains = self._ledger.remains(own=self._trouble is None)
        if not self._counts.pass_over(*(WAITING if remains else ())) and str(self._trouble) == self._told_why:
            why = ""
        for path, events in remains.items():
            logger.warning("%s in %s%s", "1 event waits" if events == 1 else f"{events} events wait", path, why)

    def _finish(self, flight: Flight) -> None:
        """Forget a batch whose events the server has judged, and go on at full speed: it works."""
        self._ledger.acknowledge(flight)
        if self._trouble is not None:
            self._trouble = None
            self._counts.pass_over(*WAITING)
        self._breaker.succeed()

    def _set_aside(self, flight: Flight, error: TooLargeError | RejectedError) -> None:
        self.last_error = error
        self._ledger.set_aside(flight.held, str(error))
        code = error.code if isinstance(error, RejectedError) else "too_large"
        self._counts.reject({code: flight.held.batch.events})

    def _pause(self, flight: Flight, error: DeliveryError) -> None:
        """Send less for a while, whatever becomes of this batch: the server takes none."""
        self.last_error = error
        if self._flushes.is_answered_by(flight.attempted_at):
            self._breaker.fail(error, time.monotonic())
        self._trouble = error

    def _put_back(self, flight: Flight, error: DeliveryError) -> None:
        if not self.is_ending:
            what = "because the server refuses all of them" if isinstance(error, RejectedError) else "to be tried again"
            if self._counts.warn(type(error).__name__, f"events wait, {what} ({error})"):
                self._told_why = str(error)
        held = flight.held
        is_unclear = isinstance(error, UnreachableError | ThrottledError) and error.unclear
        if is_unclear and held.unclear_since is None:
            held = Held(held.batch, flight.attempted_at)
        next_attempt = time.time() + max(self._breaker.until - time.monotonic(), 0.0)
        self._ledger.put_back(held, next_attempt=next_attempt, reason=str(error))


def _may_be_taken_later(error: DeliveryError) -> bool:
    """Return whether the fault lies with the server, the way there or the key, not with the batch."""
    return not isinstance(error, TooLargeError) and (not isinstance(error, RejectedError) or error.mendable)
