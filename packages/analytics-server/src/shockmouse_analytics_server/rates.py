"""How many events per second a write key may send: a token bucket per key, in the memory of one process."""

import math

from msgspec import Struct

BURST_SECONDS = 2.0


class _Bucket(Struct):
    events: float
    at: float


class RateLimit:
    """Buckets that hold what a key may send in BURST_SECONDS.

    A batch passes when its bucket is not empty, and may overdraw it: so a batch larger than the bucket passes too, and
    the next one waits until it is paid for.
    """

    def __init__(self, events_per_second: float) -> None:
        """Limit every key to as many events; 0 is no limit."""
        self._rate = events_per_second
        self._buckets: dict[str, _Bucket] = {}

    def wait_seconds(self, key: str, now: float) -> int:
        """Return for how many whole seconds the key must wait, 0 when it may send now."""
        if not self._rate:
            return 0
        bucket = self._buckets.setdefault(key, _Bucket(self._rate * BURST_SECONDS, now))
        grown = bucket.events + max(0.0, now - bucket.at) * self._rate
        bucket.events, bucket.at = min(self._rate * BURST_SECONDS, grown), now
        return 0 if bucket.events > 0 else math.ceil((1 - bucket.events) / self._rate)

    def take(self, key: str, events: int) -> None:
        """Pay for events of a key that did not have to wait."""
        if self._rate:
            self._buckets[key].events -= events
