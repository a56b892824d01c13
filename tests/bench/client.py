"""What the client costs its program and how fast it delivers, in a process of its own against a real server.

python -m tests.bench.client PART NUMBER     settings come from SHOCKMOUSE_CLIENT_…

track   NUMBER   microseconds per track() with 10 properties, each call timed for itself, in one thread and in four
flush   NUMBER   events/s from the first track() to all acknowledged
burst   NUMBER   so many events as fast as one thread tracks them, with the defaults: how many are lost, and the memory
memory  NUMBER   bytes that an event costs while no server answers: what the process has more in RAM afterwards
import  NUMBER   milliseconds that `import shockmouse_analytics` takes in a new interpreter, of so many runs

Prints one JSON object a line. Figures named cpu are of processor time, and so the same on a machine that is busy.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

from shockmouse_analytics import Analytics
from tests.bench.reference import PROPERTIES, Result, beside_reference

IMPORT = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import shockmouse_analytics
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def track(calls: int) -> Iterator[Result]:
    """Yield microseconds per call in one thread, and in four that call at once."""
    with Analytics() as analytics:
        time_calls(analytics, min(calls, 1000))
        analytics.flush(timeout=30)
        for threads in (1, 4):
            times = time_in_threads(analytics, threads, calls // threads)
            analytics.flush(timeout=60)
            cuts = quantiles(times, n=100)
            figures = {"p50": round(median(times), 2), "p99": round(cuts[98], 2), "target_p50": 5.0, "target_p99": 50.0}
            yield {"bench": "track_us", "threads": threads, **figures, "calls": len(times)}


def time_in_threads(analytics: Analytics, threads: int, calls: int) -> list[float]:
    """Return the microseconds of every call, of all threads."""
    times: list[list[float]] = []
    workers = [threading.Thread(target=lambda: times.append(time_calls(analytics, calls))) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [one for some in times for one in some]


def time_calls(analytics: Analytics, calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        started = time.perf_counter_ns()
        analytics.track("Report exported", PROPERTIES)
        times.append((time.perf_counter_ns() - started) / 1000)
    return times


def flush(events: int) -> Iterator[Result]:
    """Yield events/s from the first track() to everything acknowledged."""
    with Analytics() as analytics:
        started, used = time.perf_counter(), time.process_time()
        for _ in range(events):
            analytics.track("Report exported", PROPERTIES)
        tracked = time.perf_counter() - started
        acknowledged = analytics.flush(timeout=120)
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
    if not acknowledged:
        raise RuntimeError(f"not everything was acknowledged: {analytics.stats()}")
    figures = {"events_per_second": round(events / seconds), "track_seconds": round(tracked, 2), "events": events}
    yield {"bench": "client_flush", **figures, "cpu_us_per_event": round(cpu / events * 1e6, 2)}


def burst(events: int) -> Iterator[Result]:
    """Yield what became of a burst, and how much memory the process had more at most."""
    with Analytics() as analytics:
        analytics.track("Report exported", PROPERTIES)
        analytics.flush(timeout=30)
        before = memory_mib("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
        for _ in range(events):
            analytics.track("Report exported", PROPERTIES)
        acknowledged = analytics.flush(timeout=120)
        dropped = sum(analytics.stats().dropped.values())
    grown = round(memory_mib("VmHWM") - before, 1)
    yield {"bench": "client_burst", "events": events, "lost": dropped, "flushed": acknowledged, "grown_mib": grown}


def memory(events: int) -> Iterator[Result]:
    """Yield bytes per event that waits, in memory only and with the store on disk; both with nobody at the endpoint."""
    for offline in (False, True):
        with Analytics(endpoint="http://127.0.0.1:9", offline=offline) as analytics:
            for _ in range(1000):
                analytics.track("Report exported", PROPERTIES)
            analytics.flush(timeout=0.5)
            before = memory_mib("VmRSS")
            for _ in range(events):
                analytics.track("Report exported", PROPERTIES)
            grown = memory_mib("VmRSS") - before
            waiting, dropped = analytics.stats().queued + analytics.stats().stored, analytics.stats().dropped
            figures = {"kb": round(grown * 1024 / events, 3), "target_kb": 0.7, "events": events, "offline": offline}
            yield {"bench": "client_memory_per_event", **figures, "waiting": waiting, "dropped": sum(dropped.values())}
            analytics.opt_out()  # nothing of it is to be sent
            analytics.opt_in()


def memory_mib(name: str) -> float:
    """Return a figure of the process from the system: VmRSS is now, VmHWM the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def import_(runs: int) -> Iterator[Result]:
    """Yield the median of importing in new interpreters; a first run compiles the package, as installing it does."""
    command = [sys.executable, "-c", IMPORT]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    printed = [subprocess.check_output(command, env=environment, text=True).split() for _ in range(runs + 1)][1:]
    wall, cpu = (round(median(float(one[part]) * 1000 for one in printed), 1) for part in (0, 1))
    yield {"bench": "client_import_ms", "p50": wall, "cpu_p50": cpu, "target_p50": 60.0, "runs": runs}


PARTS: dict[str, Callable[[int], Iterator[Result]]] = {
    "track": track,
    "flush": flush,
    "burst": burst,
    "memory": memory,
    "import": import_,
}


if __name__ == "__main__":
    for result in beside_reference(PARTS[sys.argv[1]](int(sys.argv[2]))):
        print(json.dumps(result), flush=True)
