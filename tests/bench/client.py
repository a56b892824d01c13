"""What the client costs its program and how fast it delivers, in a process of its own against a real server.

python -m tests.bench.client CALLS EVENTS     settings come from SHOCKMOUSE_CLIENT_…

Prints two JSON objects, one a line: the cost of track() with 10 properties over CALLS calls, and the rate of EVENTS
events from the first track() to all acknowledged.
"""

import json
import sys
import time
from statistics import median, quantiles

from shockmouse_analytics import Analytics

PROPERTIES = {
    "plan": "pro",
    "format": "pdf",
    "pages": 12,
    "price": 19.99,
    "currency": "EUR",
    "first": True,
    "campaign": "autumn",
    "source": "newsletter",
    "items": 3,
    "discount": 0.15,
}


def track_us(calls: int) -> dict[str, object]:
    """Return microseconds per call, each call timed for itself."""
    times = []
    with Analytics() as analytics:
        for _ in range(1000):
            analytics.track("Report exported", PROPERTIES)
        analytics.flush(timeout=30)
        for _ in range(calls):
            started = time.perf_counter_ns()
            analytics.track("Report exported", PROPERTIES)
            times.append((time.perf_counter_ns() - started) / 1000)
        analytics.flush(timeout=60)
    cuts = quantiles(times, n=100)
    p50, p99 = round(median(times), 2), round(cuts[98], 2)
    return {"bench": "track_us", "p50": p50, "p99": p99, "target_p50": 5.0, "target_p99": 50.0, "calls": calls}


def client_flush(events: int) -> dict[str, object]:
    """Return events/s from the first track() to everything acknowledged."""
    with Analytics() as analytics:
        started = time.perf_counter()
        for _ in range(events):
            analytics.track("Report exported", PROPERTIES)
        tracked = time.perf_counter() - started
        acknowledged = analytics.flush(timeout=120)
        seconds = time.perf_counter() - started
    if not acknowledged:
        raise RuntimeError(f"not everything was acknowledged: {analytics.stats()}")
    return {
        "bench": "client_flush",
        "events_per_second": round(events / seconds),
        "target_events_per_second": 20_000,
        "track_seconds": round(tracked, 2),
        "events": events,
    }


if __name__ == "__main__":
    print(json.dumps(track_us(int(sys.argv[1]))))
    print(json.dumps(client_flush(int(sys.argv[2]))))
