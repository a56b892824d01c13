"""Promises about seconds, on a machine that may be busy: a broken one is broken each time, a busy moment passes."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

TRIES = 3
TRIES_WHEN_BUSY = 10


def least(measure: Callable[[], float], limit: float) -> float:
    """Return the first figure below the limit, else the least of three tries, of ten while the machine is busy."""
    figures: list[float] = []
    while True:
        figures.append(measure())
        if figures[-1] < limit or len(figures) >= (TRIES_WHEN_BUSY if is_busy() else TRIES):
            return min(figures)


def is_busy() -> bool:
    """Tell whether a small program now takes more than twice as long as it works."""
    used, started = processor_seconds(), time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", ""], check=True)
    return time.monotonic() - started > 2 * (processor_seconds() - used)


def processor_seconds() -> float:
    """Return what the children that have ended used of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
