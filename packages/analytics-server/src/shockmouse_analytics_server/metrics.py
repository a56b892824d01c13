"""What operators ask: /healthz alive, /readyz ready for events, /metrics counted, in Prometheus' text format 0.0.4."""

import asyncio
import time
from collections.abc import Iterable, Iterator

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import __version__
from .appender import Appender
from .counters import Count, Counters
from .errors import ServerError
from .failures import RETRY_SECONDS
from .projects import Directory
from .spool import Spool, SpoolStatus

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROBE_SECONDS = 5.0
PROBED_SECONDS = 1.0  # an answer is good for this long: a probe is a write, and anybody may ask


class Metric(Struct, frozen=True):
    """One metric's name after `shockmouse_`, what it tells, and its label's name."""

    name: str
    help: str
    label: str = ""


COUNTERS = {
    "accepted": Metric("events_accepted_total", "Events stored on disk and acknowledged."),
    "duplicates": Metric("events_duplicate_total", "Events of batches that came again, and repeated ones in a batch."),
    "rejected": Metric("events_rejected_total", "Events refused, by code.", "code"),
    "dropped": Metric("events_dropped_total", "Events left out for a reason.", "reason"),
    "client_dropped": Metric(
        "client_events_dropped_total", "Events that senders say they dropped, by reason.", "reason"
    ),
    "refused": Metric("requests_refused_total", "Ingestion requests refused whole, by code.", "code"),
    "loaded_rows": Metric("loader_rows_total", "Rows stored in ClickHouse."),
    "loaded_segments": Metric("loader_segments_total", "Segments stored in ClickHouse."),
    "load_failures": Metric("loader_failures_total", "Inserts that failed and are tried again, by reason.", "reason"),
    "quarantined_rows": Metric("loader_quarantined_rows_total", "Rows that ClickHouse refused."),
}
GAUGES = {
    "batches": Metric("spool_batch_ids", "Batch ids remembered against repeats."),
    "rows": Metric("spool_rows", "Rows on disk that ClickHouse does not have yet."),
    "bytes": Metric("spool_bytes", "Bytes of these rows."),
    "oldest_seconds": Metric("spool_oldest_seconds", "Age of the oldest of these rows: how far loading lags behind."),
    "segments": Metric("spool_segments", "Segments cut and not stored yet."),
    "quarantined": Metric("quarantine_rows", "Rows in quarantine."),
}


class Readiness:
    """Whether an append and fsync worked a moment ago, and projects and keys are loaded."""

    def __init__(self, appender: Appender, directory: Directory) -> None:
        self._appender = appender
        self._directory = directory
        self._probing = asyncio.Lock()
        self._probed_at = float("-inf")
        self._problem = ""

    async def problem(self) -> str:
        """Return why events cannot be accepted now; empty when they can."""
        async with self._probing:
            if time.monotonic() - self._probed_at > PROBED_SECONDS:
                self._problem = await self._probe()
                self._probed_at = time.monotonic()
            return self._problem

    async def _probe(self) -> str:
        if not self._directory.is_loaded:
            return "projects and keys are not loaded yet"
        try:
            await asyncio.wait_for(self._appender.probe(), PROBE_SECONDS)
        except TimeoutError:
            return "the disk does not answer"
        except ServerError as exc:
            return str(exc)
        return ""


def routes(appender: Appender, spool: Spool, directory: Directory, counters: Counters) -> list[Route]:
    """Return the operators' routes."""
    readiness = Readiness(appender, directory)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        problem = await readiness.problem()
        if not problem:
            return JSONResponse({"status": "ready"})
        error = {"error": {"code": "not_ready", "reason": problem}}
        return JSONResponse(error, status_code=503, headers={"Retry-After": str(RETRY_SECONDS[503])})

    async def metrics(_: Request) -> Response:
        counts, status = await asyncio.to_thread(counters.totals), await asyncio.to_thread(spool.status)
        return Response("\n".join(write_metrics(counts, status, time.time())) + "\n", media_type=MEDIA_TYPE)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def write_metrics(counts: Iterable[Count], status: SpoolStatus, now: float) -> Iterator[str]:
    """Yield the lines; a counter that has no label and never counted is 0."""
    yield from head(Metric("info", "The version that runs."), "gauge")
    yield f'shockmouse_info{{version="{__version__}"}} 1'
    values: dict[str, dict[str, int]] = {name: {} if metric.label else {"": 0} for name, metric in COUNTERS.items()}
    for count in counts:
        if count.name in values:
            values[count.name][count.label] = count.value
    for name, metric in COUNTERS.items():
        yield from head(metric, "counter")
        for label, value in values[name].items():
            labels = f'{{{metric.label}="{escape(label)}"}}' if metric.label else ""
            yield f"shockmouse_{metric.name}{labels} {value}"
    age = 0.0 if status.oldest_at is None else max(0.0, now - status.oldest_at)
    for name, metric in GAUGES.items():
        yield from head(metric, "gauge")
        yield f"shockmouse_{metric.name} {f'{age:.3f}' if name == 'oldest_seconds' else getattr(status, name)}"


def head(metric: Metric, kind: str) -> Iterator[str]:
    yield f"# HELP shockmouse_{metric.name} {metric.help}"
    yield f"# TYPE shockmouse_{metric.name} {kind}"


def escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
