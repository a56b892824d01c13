"""How the process itself is doing, as properties of an event at regular times. Handed what records it: knows no client.

rss_bytes        memory in use; `rss_peak_bytes` where the system tells no more (no /proc and no psutil)
cpu_percent      of one processor, since the last event; more than 100 with several threads
gc_pauses        how often the garbage collector ran since then, `gc_pause_ms` how long in all, `gc_longest_ms` at most
loop_lag_ms      how much later than due a watched event loop came to its work, at most since then
open_files       open files, sockets and pipes
threads          Python's threads
"""

import atexit
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

NAME = "process vitals"
LAG_SECONDS = 0.25  # between two looks at a loop


class Vitals:
    """Records the vitals on a daemon thread until stopped; goes on in the child of a fork."""

    def __init__(self, record: Callable[[str, dict[str, Any]], None], every_seconds: float) -> None:
        """Start."""
        self._record = record
        self._every_seconds = every_seconds
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._start()
        gc.callbacks.append(self._on_collection)
        _ALL.add(self)
        atexit.register(_stop_at_exit, weakref.ref(self))  # before the client closes, which was there first

    def stop(self) -> None:
        """Record no more."""
        _ALL.discard(self)
        with self._recording:
            self._stopping.set()
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)

    def watch(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Measure the lag of the loop that calls this, until it is closed."""
        if loop not in self._loops:
            self._loops.add(loop)
            self._look_later(loop)

    def begin_in_child(self) -> None:
        """Go on after a fork."""
        self._loops = weakref.WeakSet()
        self._start()

    def _start(self) -> None:
        self._pauses, self._pause_seconds, self._longest_seconds = 0, 0.0, 0.0
        self._collecting_since = self._lag_seconds = 0.0
        self._has_lag = False
        self._stopping = threading.Event()
        self._recording = threading.Lock()
        threading.Thread(target=self._run, args=(self._stopping,), name="shockmouse-vitals", daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        at, cpu_seconds = time.monotonic(), time.process_time()
        while not stopping.wait(self._every_seconds):
            elapsed, used = time.monotonic() - at, time.process_time() - cpu_seconds
            at, cpu_seconds = at + elapsed, cpu_seconds + used
            told = {"cpu_percent": round(100 * used / elapsed, 1), "threads": threading.active_count()}
            vitals = {**told, **memory(), **open_files(), **self._take()}
            with self._recording:  # none after the end: the client would count it as dropped
                if not stopping.is_set():
                    self._record(NAME, vitals)

    def _take(self) -> dict[str, Any]:
        """Return what was added up since the last call."""
        pauses, pause, longest = self._pauses, self._pause_seconds, self._longest_seconds
        self._pauses, self._pause_seconds, self._longest_seconds = 0, 0.0, 0.0
        told = {"gc_pauses": pauses, "gc_pause_ms": _ms(pause), "gc_longest_ms": _ms(longest)}
        if self._has_lag:
            told["loop_lag_ms"] = _ms(self._lag_seconds)
            self._has_lag, self._lag_seconds = False, 0.0
        return told

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        elif self._collecting_since:
            seconds = time.perf_counter() - self._collecting_since
            self._pauses, self._pause_seconds = self._pauses + 1, self._pause_seconds + seconds
            self._longest_seconds = max(self._longest_seconds, seconds)

    def _look_later(self, loop: "asyncio.AbstractEventLoop") -> None:
        due = loop.time() + LAG_SECONDS
        loop.call_at(due, self._look, weakref.ref(loop), due)

    def _look(self, reference: "weakref.ref[asyncio.AbstractEventLoop]", due: float) -> None:
        loop = reference()
        if loop is not None and loop in self._loops and not self._stopping.is_set():
            self._lag_seconds, self._has_lag = max(self._lag_seconds, loop.time() - due), True
            self._look_later(loop)


def memory() -> dict[str, int]:
    """Return the memory in use: from /proc, from psutil where that is installed, else its peak from the system."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return {"rss_bytes": int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
    try:
        import psutil
    except ImportError:
        return _peak()
    return {"rss_bytes": psutil.Process().memory_info().rss}


def open_files() -> dict[str, int]:
    """Return how many files are open, nothing where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return {"open_files": len(os.listdir(folder)) - 1}  # noqa: PTH208 - one is this listing's own
        except OSError:
            continue
    return {}


def _peak() -> dict[str, int]:
    try:
        import resource
    except ImportError:  # Windows
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


_ALL: "weakref.WeakSet[Vitals]" = weakref.WeakSet()


def _begin_in_child() -> None:
    for vitals in list(_ALL):
        vitals.begin_in_child()


def _stop_at_exit(reference: "weakref.ref[Vitals]") -> None:
    vitals = reference()
    if vitals is not None:
        vitals.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
