"""Encoded events between track() and the background, bounded by number and bytes; no lock is needed or taken.

A producer appends and, seldom, wakes the background: for the first event after a rest, and when a batch is full. The
sum of bytes may be off by an event when threads meet; taking everything sets it right again.

Over its bounds the background must put events on disk faster than they come, but while a program is busy Python gives
it a turn only every 5 ms. So one producer in 256 then makes room for it, for a fifth of a millisecond. If that does not
help, the oldest events go: at twice the bounds, or at the bounds where there is no disk to put them on.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap

_YIELD_EVENTS = 256
_YIELD_SECONDS = 0.0002


class EventQueue:
    """The oldest events leave first, also when there are too many of them."""

    __slots__ = ("_bytes", "_events", "_max_bytes", "_max_events", "_spare", "_wake", "_wake_events", "since")

    def __init__(
        self, *, max_events: int, max_bytes: int, has_disk: bool, wake_events: int, wake: Callable[[], None]
    ) -> None:
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._spare = 2 if has_disk else 1
        self._wake_events = wake_events
        self._wake = wake
        self.since: float | None = None  # monotonic time of the oldest event, None when the background may sleep

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: bytes) -> int:
        """Append an event; return how many of the oldest had to go for it."""
        self._events.append(event)
        self._bytes += len(event)
        waiting = len(self._events)
        if self.since is None:
            self.since = time.monotonic()
            self._wake()
        elif waiting == self._wake_events:
            self._wake()
        if waiting > self._max_events or self._bytes > self._max_bytes:
            return self._make_room(waiting)
        return 0

    def is_full_batch(self) -> bool:
        """Return whether a batch can be made of what waits."""
        return len(self._events) >= self._wake_events

    def take(self, most: int) -> list[bytes]:
        """Return the oldest events. When all are taken, the next put() wakes the background again."""
        since, self.since = self.since, None  # before they are counted: whoever appends from now on wakes
        count = len(self._events)
        if count > most:
            self.since = since
        else:
            self._bytes = 0
        taken: list[bytes] = []
        with contextlib.suppress(IndexError):  # a producer over the bound takes from the same end
            taken.extend(starmap(self._events.popleft, repeat((), min(count, most))))
        if count > most:
            self._bytes -= sum(map(len, taken))
        return taken

    def _make_room(self, waiting: int) -> int:
        if waiting % _YIELD_EVENTS == 0:
            time.sleep(_YIELD_SECONDS)
        max_events, max_bytes = self._max_events * self._spare, self._max_bytes * self._spare
        dropped = 0
        with contextlib.suppress(IndexError):
            while len(self._events) > max_events or self._bytes > max_bytes:
                self._bytes -= len(self._events.popleft())
                dropped += 1
        return dropped
