"""The session that is going on in this process, in memory only.

A session goes on while something happens at least every `minutes`, for 24 hours at most; the server ends it then too.
"""

import os
from datetime import UTC, datetime

from msgspec import Struct

DAY_SECONDS = 24 * 3600.0


class Session(Struct, frozen=True):
    """One visit: its id (at most 64 characters) and when it began."""

    id: str
    started_at: datetime


class _Running:
    """A session and when it was last touched; `successor` holds the session after it, once there is one."""

    __slots__ = ("began_monotonic", "began_wall", "ended", "session", "successor", "touched_monotonic", "touched_wall")

    def __init__(self, now_monotonic: float, now_wall: float) -> None:
        self.session = Session(os.urandom(16).hex(), datetime.fromtimestamp(now_wall, UTC))
        self.began_monotonic = self.touched_monotonic = now_monotonic
        self.began_wall = self.touched_wall = now_wall
        self.successor: dict[str, _Running] = {}
        self.ended = False


class Sessions:
    """Says which session an event belongs to, and begins a new one when the last has ended."""

    def __init__(self, *, minutes: float) -> None:
        self._idle_seconds = minutes * 60
        self._running = _Running(0.0, 0.0)
        self._running.ended = True

    def touch(self, now_monotonic: float, now_wall: float) -> Session:
        """Return the session of an event that happens now; both clocks in seconds.

        Both are asked because the monotonic clock stands still while a laptop sleeps and the wall clock may be set.
        """
        running = self._running
        if (
            now_monotonic - running.touched_monotonic > self._idle_seconds
            or now_wall - running.touched_wall > self._idle_seconds
            or now_monotonic - running.began_monotonic > DAY_SECONDS
            or now_wall - running.began_wall > DAY_SECONDS
            or running.ended
        ):
            # No lock: a lock would be inherited, held, by a fork. setdefault lets exactly one thread's session win.
            running = running.successor.setdefault("", _Running(now_monotonic, now_wall))
            self._running = running
        running.touched_monotonic = now_monotonic
        running.touched_wall = now_wall
        return running.session

    def reset(self) -> None:
        """End the session; the next event begins a new one."""
        self._running.ended = True
