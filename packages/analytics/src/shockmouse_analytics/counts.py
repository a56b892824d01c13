"""What became of this process's events, counted; read by stats() and told to the server with each batch."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

logger = logging.getLogger("shockmouse_analytics")

WARN_SECONDS = 60.0
PRIVATE = frozenset({"opted_out", "forgotten", "no_consent", "sampled", "before_send"})  # somebody's wish
LOSSES = frozenset({"queue_full", "offline_full", "retry_expired", "store_failed", "not_kept"})


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

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._warn_at: dict[str, float] = {}
        self.sent = 0

    def drop(self, reason: str, events: int = 1, *, why: str = "events were dropped") -> None:
        """Count events that were left out; `why` is for people."""
        if events:
            with self._lock:
                self._dropped[reason] += events
            if reason not in PRIVATE:
                self.warn(reason, why)

    def reject(self, codes: Mapping[str, int]) -> None:
        """Count events that the server refused."""
        with self._lock:
            self._rejected.update(codes)
        if codes:
            self.warn("refused", "the server refused events")

    def warn(self, kind: str, what: str) -> None:
        """Log a warning with the counts, of each kind once a minute at most; never what is in an event."""
        if time.monotonic() >= self._warn_at.get(kind, 0.0):
            self._warn_at[kind] = time.monotonic() + WARN_SECONDS
            logger.warning("%s; so far dropped: %s, refused: %s", what, dict(self._dropped), dict(self._rejected))

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
