"""How long questions take over generated events of 30 days, and where both ways exist, from raw events too.

Both ways go through the server's own Database to the same engine, as the query API does: the views by the server's
questions, raw events by one statement that answers the same. They are asked in turns. Beside the first ones stands the
whole HTTP question.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from shockmouse_analytics_server.clickhouse import open_database
from tests.bench.asked import Asked, questions
from tests.bench.generated import days, statements
from tests.bench.ingestion import BATCH_CONNECTIONS, BATCH_EVENTS, Result, finished, loading
from tests.bench.load import LIMIT_SECONDS, write_requests
from tests.bench.traffic import Traffic
from tests.oracle import TOTALS, query
from tests.server_process import Server

ARRIVING_PER_SECOND = 5000
HTTP = {"stats", "timeseries", "breakdown"}
COUNTED = """
select uniqCombined(12)(sipHash64('device-{trial}-' || toString(number))) as counted from numbers({visitors})
"""


class Questions:
    """One server with generated events, asked again as they become more."""

    def __init__(self, server: Server, folder: Path, repeats: int) -> None:
        self._server = server
        self._folder = folder
        self._repeats = repeats
        self._events = 0
        self._medians: dict[int, dict[str, float]] = {}

    def generate(self, events: int) -> float:
        """Have so many generated events stored in all, by inserts that fill the views; return the seconds it took."""
        started = time.monotonic()
        for statement in statements(self._events, events):
            query(self._server.data_dir, statement, seconds=600)
        self._events = events
        for table in ("events", *TOTALS):
            query(self._server.data_dir, f"optimize table {table} final", seconds=600)
        return time.monotonic() - started

    def ask(self) -> Iterator[Result]:
        """Yield the figures with nothing else going on, and once more while events arrive."""
        results = []
        for asked in questions():
            results.append(asyncio.run(self._measure(asked, self._repeats)))
            yield results[-1]
        self._medians[self._events] = {label(result): result["median_ms"] for result in results}
        repeats = max(2, self._repeats // 2)
        seconds = 10 + (repeats + 1) * sum(result["median_ms"] + result.get("raw_ms", 0) for result in results) / 400
        with self._arriving(min(seconds, LIMIT_SECONDS - 10)) as process:
            for asked in questions():
                result = asyncio.run(self._measure(asked, repeats))
                yield result | {"arriving_per_second": ARRIVING_PER_SECOND if process.poll() is None else 0}
            finished(process)

    def _arriving(self, seconds: float) -> Any:
        """Return the load generator, at work for so long."""
        path, rate = self._folder / "arriving", ARRIVING_PER_SECOND / BATCH_EVENTS
        write_requests(path, Traffic(2).batches(int(seconds * rate), BATCH_EVENTS, self._server.keys.write_key))
        return loading(self._server.port, path, BATCH_CONNECTIONS, rate)

    def growth(self) -> Iterator[Result]:
        """Yield by what factor each question grew from the fewest events to the most."""
        few, many = min(self._medians), max(self._medians)
        for asked in questions():
            name = label({"bench": f"query_{asked.name}"} | asked.labels)
            if asked.growth is not None:
                factor = round(self._medians[many][name] / self._medians[few][name], 1)
                grown = {"bench": "query_growth", "question": name, "factor": factor, "target_factor": asked.growth}
                yield grown | {"from_events": few, "to_events": many}

    async def _measure(self, asked: Asked, repeats: int) -> Result:
        """Return the figures of one question, asked in turns with the same from raw events."""
        start, end = days()
        raw = asked.raw.format(start=start, end=end)
        async with open_database(data_dir=self._server.data_dir, clickhouse_url=None, role="query") as database:
            ways: list[Callable[[], Awaitable[Any]]] = [lambda: asked.ask(database)]
            if raw:
                ways += [lambda: database.fetch(raw), lambda: self._http(asked, start, end)]
            times, answers = await time_in_turns(ways if asked.name in HTTP else ways[:2], repeats)
        figures: Result = {"bench": f"query_{asked.name}", **asked.labels, "events": self._events}
        figures |= {"median_ms": round(median(times[0]), 1), "p95_ms": round(p95(times[0]), 1)}
        figures |= {"target_ms": asked.target_ms, "arriving_per_second": 0}
        if raw:
            views_ms, raw_ms = median(times[0]), median(times[1])
            figures |= {"views_ms": round(views_ms, 1), "raw_ms": round(raw_ms, 1)}
            figures |= {"ratio": round(raw_ms / views_ms, 1), "target_ratio": 5}
            figures |= {"http_ms": round(median(times[2]), 1)} if len(times) > 2 else {}
            figures |= asked.agrees(answers[0], answers[1])
        return figures

    async def _http(self, asked: Asked, start: str, end: str) -> Any:
        return await asyncio.to_thread(self._server.ask, asked.name, **asked.labels, **{"from": start, "to": end})


async def time_in_turns(ways: list[Callable[[], Awaitable[Any]]], repeats: int) -> tuple[list[list[float]], list[Any]]:
    """Return milliseconds of each way, asked in turns after a first time; and the answers."""
    answers = [await way() for way in ways]
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(repeats):
        for taken, way in zip(times, ways, strict=True):
            started = time.perf_counter()
            await way()
            taken.append((time.perf_counter() - started) * 1000)
    return times, answers


def p95(times: list[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


def label(result: Result) -> str:
    """Return what tells a question apart, as one word."""
    return " ".join(str(result[name]) for name in ("bench", "metric", "dimension", "interval") if name in result)


def accuracy(data_dir: Path, visitors: tuple[int, ...]) -> Iterator[Result]:
    """Yield how far the sketches of visitors are off, for so many of them, over several sets of devices."""
    for number in visitors:
        trials = max(3, min(30, 30_000_000 // number))
        found = [query(data_dir, COUNTED.format(trial=trial, visitors=number))[0]["counted"] for trial in range(trials)]
        off = [abs(int(count) - number) / number for count in found]
        errors = {"mean_error": round(mean(off), 4), "max_error": round(max(off), 4)}
        yield {"bench": "sketch_accuracy", "visitors": number} | errors | {"trials": trials}
