"""What became of this process's events, counted; read by stats() and told to the server with each batch."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from msgspec import Struct

logger = logging.getLogger("shockmouse_analytics")

WARN_SECONDS = 60.0
DROPPED = "events were dropped"
MOST_PLACES = 20  # of wrong calls, in one warning
PRIVATE = frozenset({"opted_out", "forgotten", "no_consent", "sampled", "before_send"})  # somebody's wish
LOSSES = frozenset({"queue_full", "offline_full", "retry_expired", "store_failed", "store_damaged", "not_kept"})


class Stats(Struct, frozen=True):
    """A snapshot of one client.

    queued    in memory, not acknowledged and not on disk
    sent      acknowledged by the server
    stored    on disk, waiting; of all processes that share the queue
    dropped   left out, by reason
    rejected  refused by the server, by its code

    >>> analytics.track("Report exported")
    >>> analytics.flush()
    True
    >>> analytics.stats()
    Stats(queued=0, sent=1, stored=0, dropped={}, rejected={})
    """

    queued: int
    sent: int
    stored: int
    dropped: dict[str, int]
    rejected: dict[str, int]


class Counts:
    """Counters that any thread may raise. The lock is held for an addition only, never over I/O or a fork's child."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._untold: dict[str, str] = {}
        self._untold_places = self._further_calls = 0
        self._told_at: dict[str, float] = {}
        self.sent = 0

    def drop(self, reason: str, events: int = 1, *, why: str = DROPPED) -> None:
        """Count events that were left out; `why` is for people."""
        if events:
            with self._lock:
                self._dropped[reason] += events
            if reason not in PRIVATE:
                self.warn(reason, why)

    def misuse(self, why: str, place: str) -> None:
        """Count an event that a wrong call was to tell; each place is told, whatever else was within the minute."""
        kind = f"invalid {place}"
        with self._lock:
            self._dropped["invalid"] += 1
            if self._was_told(kind):
                return
            if kind not in self._untold and self._untold_places == MOST_PLACES:
                self._further_calls += 1
                return
            self._untold_places += kind not in self._untold
            self._untold.setdefault(kind, f"an event was dropped: {why}, called at {place}")
        self.speak()

    def reject(self, codes: Mapping[str, int]) -> None:
        """Count events that the server refused."""
        with self._lock:
            self._rejected.update(codes)
        if codes:
            self.warn("refused", "the server refused events")

    def warn(self, kind: str, what: str) -> bool:
        """Have trouble of this kind told, unless it was within the last minute; never what is in an event.

        At once where nothing was told for a minute, else by a later call of speak(). Return whether it will be told.
        """
        with self._lock:
            if self._was_told(kind):
                return False
            will_be_told = self._untold.setdefault(kind, what) is what
        self.speak()
        return will_be_told

    def _was_told(self, kind: str) -> bool:
        return self._clock() < self._told_at.get(kind, -WARN_SECONDS) + WARN_SECONDS

    def pass_over(self, *kinds: str) -> bool:
        """Tell nothing more of such trouble: it is over. Return whether something was still to be told."""
        with self._lock:
            found = [self._untold.pop(kind, None) for kind in kinds]
        return any(found)

    def speak(self, *, is_last: bool = False) -> None:
        """Log one warning with the counts for all trouble that was not told, once a minute or if it is the last."""
        if not self._untold:
            return
        at = self._clock()
        with self._lock:
            if not is_last and at < max(self._told_at.values(), default=-WARN_SECONDS) + WARN_SECONDS:
                return
            whats = "; ".join(self._untold.values())
            if self._further_calls:
                whats += f"; {self._further_calls} more wrong calls, at other places"
            self._told_at = {kind: then for kind, then in self._told_at.items() if at < then + WARN_SECONDS}
            self._told_at |= dict.fromkeys(self._untold, at)
            self._untold.clear()
            self._untold_places = self._further_calls = 0
        if whats:
            logger.warning("%s; so far dropped: %s, refused: %s", whats, dict(self._dropped), dict(self._rejected))

    def acknowledge(self, events: int, rejected: Mapping[str, int]) -> None:
        """Count a batch that the server has on disk, but for the events it refused."""
        with self._lock:
            self.sent += events
        self.reject(rejected)

    def lost(self) -> int:
        """Return how many events were accepted and then dropped undelivered or refused by the server."""
        with self._lock:
            return sum(self._dropped[reason] for reason in LOSSES) + self._rejected.total()

    def tell(self) -> dict[str, int]:
        """Return what was dropped and not told to the server yet; it counts as told unless it is given back."""
        with self._lock:
            untold = {r: n - self._told[r] for r, n in self._dropped.items() if n > self._told[r] and r not in PRIVATE}
            self._told.update(untold)
        return untold

    def not_told(self, dropped: Mapping[str, int]) -> None:
        """Take back what was returned by tell(): the batch that carried it was not acknowledged."""
        with self._lock:
            self._told.subtract(dropped)

    def snapshot(self, *, queued: int, stored: int) -> Stats:
        """Return all counters."""
        with self._lock:
            return Stats(queued, self.sent, stored, dict(self._dropped), dict(self._rejected))
