"""How fast this machine is just now, so that a figure can be judged on any machine.

The client's targets were set where encoding an event of 10 properties (192 bytes) takes 0.3 µs. The same is timed here
before and after each part, and `…_at_reference` is what the figure would be there: a time times 0.3 / encode_us, a rate
divided by that. It says nothing of disks and networks; the figure as it was measured stands beside it.
"""

import time
from collections.abc import Iterable, Iterator
from statistics import median

import msgspec

REFERENCE_ENCODE_US = 0.3
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
TIMES = ("p50", "p99", "cpu_p50", "cpu_us_per_event")
RATES = ("events_per_second",)

Result = dict[str, object]


def encode_us() -> float:
    """Return the microseconds that encoding one event takes now: the median of 300 rounds of 100."""
    encode, event = msgspec.json.Encoder().encode, {"name": "Report exported", "properties": PROPERTIES}
    rounds = []
    for _ in range(300):
        started = time.perf_counter_ns()
        for _ in range(100):
            encode(event)
        rounds.append((time.perf_counter_ns() - started) / 100_000)
    return median(rounds)


def beside_reference(results: Iterable[Result]) -> Iterator[Result]:
    """Yield each result with what it would be at the reference's speed, and the speed it was measured at."""
    before = encode_us()
    for result in results:
        after = encode_us()
        speed = (before + after) / 2
        there = _at_reference(result, speed / REFERENCE_ENCODE_US)
        yield result | there | {"encode_us": round(speed, 3)} if there else result
        before = encode_us()


def _at_reference(result: Result, slowness: float) -> Result:
    times = {name: value / slowness for name in TIMES if isinstance(value := result.get(name), float)}
    rates = {name: value * slowness for name in RATES if isinstance(value := result.get(name), int)}
    return {f"{name}_at_reference": round(value, 1) for name, value in times.items()} | {
        f"{name}_at_reference": round(value) for name, value in rates.items()
    }
