"""Events that wait in memory until a person has said whether they may be collected; nothing of them touches a disk.

Bounded like the queue: the oldest go first. A forked child does not have its parent's.
"""

import os
import threading
from collections import deque
from collections.abc import Callable


class Undecided:
    """Encoded events in the order of track(). The lock is held for an operation on memory only."""

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._events: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events) if self._pid == os.getpid() else 0

    def put(self, event: bytes) -> int:
        """Append an event; return how many of the oldest had to go for it."""
        if self._pid != os.getpid():
            self._begin()
        dropped = 0
        with self._lock:
            self._events.append(event)
            self._bytes += len(event)
            while len(self._events) > self._max_events or self._bytes > self._max_bytes:
                self._bytes -= len(self._events.popleft())
                dropped += 1
        return dropped

    def leave_out(self, is_meant: Callable[[bytes], bool]) -> int:
        """Forget the events that are meant; return how many those were."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            kept = [event for event in self._events if not is_meant(event)]
            left_out = len(self._events) - len(kept)
            self._events = deque(kept)
            self._bytes = sum(map(len, kept))
        return left_out

    def take(self) -> list[bytes]:
        """Return all events, oldest first, and forget them."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            taken = list(self._events)
            self._events.clear()
            self._bytes = 0
        return taken
