"""Finished events that are in no batch yet, and where to cut.

A batch is full at `flush_events` or `batch_bytes`. When ten times as many wait, batches of up to 1000 are cut: the
server's limit, and ten times less work per event.
"""

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from .event import MAX_BATCH_EVENTS

BACKLOG_BATCHES = 10


class Pending:
    """Oldest first. `since` and `unsaved_since` are monotonic times of track(): of the oldest event, and of the oldest
    that is not on disk; the first `grouped` events are on disk as groups."""

    def __init__(self, *, flush_events: int, batch_bytes: int) -> None:
        self._flush_events = flush_events
        self.batch_bytes = batch_bytes
        self._events: list[bytes] = []
        self.bytes = 0
        self.since = 0.0
        self.unsaved_since = 0.0
        self.grouped = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def unsaved(self) -> int:
        """How many events are in memory only."""
        return len(self._events) - self.grouped

    def add(self, events: list[bytes], since: float) -> None:
        """Append events of which the oldest was tracked at `since`."""
        if not self._events:
            self.since = since
        if not self.unsaved:
            self.unsaved_since = since
        self._events += events
        self.bytes += sum(map(len, events))

    def is_full(self) -> bool:
        """Return whether a batch can be cut now."""
        return len(self._events) >= self._flush_events or self.bytes >= self.batch_bytes

    def first(self) -> list[bytes]:
        """Return the events of the next batch; they stay until removed."""
        return self._events[: self._end(0)]

    def batches(self, start: int, *, everything: bool) -> list[list[bytes]]:
        """Return the events from `start` on in full batches, with `everything` the rest too; nothing is removed."""
        found: list[list[bytes]] = []
        while start < len(self._events):
            end = self._end(start)
            if end == len(self._events) and end - start < self._flush_events and not everything:
                break
            found.append(self._events[start:end])
            start = end
        return found

    def rest(self, start: int) -> list[bytes]:
        """Return the events from this one on."""
        return self._events[start:]

    def leave_out(self, is_unwanted: Callable[[bytes], bool]) -> int:
        """Forget some events and return how many; none may be in a group."""
        kept = [event for event in self._events if not is_unwanted(event)]
        count = len(self._events) - len(kept)
        self._events, self.bytes = kept, sum(map(len, kept))
        return count

    def remove(self, count: int) -> None:
        """Forget the oldest events: they are in batches."""
        self.bytes -= sum(map(len, self._events[:count]))
        del self._events[:count]
        self.grouped = max(self.grouped - count, 0)

    def _end(self, start: int) -> int:
        waiting = len(self._events) - start
        most = self._flush_events if waiting < BACKLOG_BATCHES * self._flush_events else MAX_BATCH_EVENTS
        part = self._events[start : start + most]
        return start + max(bisect_right(list(accumulate(map(len, part))), self.batch_bytes), 1)
