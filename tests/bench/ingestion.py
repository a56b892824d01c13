"""What the server takes: batches, single events, how soon answers show them, what they cost on disk and in memory."""

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from tests.bench.load import Loaded, write_requests
from tests.bench.traffic import Traffic
from tests.oracle import TOTALS, count_events, query, wait_until_stored
from tests.sender import plain_event
from tests.server_process import PROGRAM, Server, clean_environment, free_port, wait_until

BATCH_EVENTS = 100
BATCH_CONNECTIONS = 8
SINGLE_CONNECTIONS = 32
BLOCK_ROWS = 100_000
BLOCK_BYTES = 32 << 20
Result = dict[str, Any]


class Size(NamedTuple):
    """How much is sent."""

    batches: int
    singles: int
    rounds: int
    markers: int


@contextlib.contextmanager
def loading(port: int, requests: Path, connections: int, per_second: float = 0) -> Iterator[subprocess.Popen[str]]:
    """Run the load generator beside the with block; it is ended with it."""
    arguments = [str(port), str(connections), str(per_second), str(requests)]
    command = [sys.executable, "-m", "tests.bench.load", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def finished(process: subprocess.Popen[str]) -> Loaded:
    """Return what the generator measured; anything but 200 makes the run worthless."""
    loaded = Loaded(**json.loads(process.communicate(timeout=180)[0]))
    if set(loaded.answers) != {"200"}:
        raise RuntimeError(f"the server answered {loaded.answers}")
    return loaded


class Ingestion:
    """The measurements that share one running server."""

    def __init__(self, server: Server, folder: Path, size: Size) -> None:
        self._server = server
        self._folder = folder
        self._size = size
        self._traffic = Traffic(seed=1)
        self._stored = count_events(server.data_dir)

    def _write_batches(self, number: int) -> Path:
        path = self._folder / "batches"
        write_requests(path, self._traffic.batches(number, BATCH_EVENTS, self._server.keys.write_key))
        return path

    def _send(self, batches: int) -> tuple[float, float]:
        """Return seconds until all was acknowledged, and until all was stored with every view."""
        path = self._write_batches(batches)
        self._stored += batches * BATCH_EVENTS
        started = time.monotonic()
        with loading(self._server.port, path, BATCH_CONNECTIONS) as process:
            acknowledged = finished(process).seconds
        wait_until_stored(self._server, self._stored, 120)
        return acknowledged, time.monotonic() - started

    def batch(self) -> Result:
        """Events/s acknowledged and stored, against the engine alone on the same rows."""
        self._send(max(1, self._size.batches // 10))
        acknowledged, stored = self._send(self._size.batches)
        events = self._size.batches * BATCH_EVENTS
        engine = self._engine_alone()
        per_second = events / stored
        return {
            "bench": "ingest_batch",
            "events_per_second": round(per_second),
            "acknowledged_per_second": round(events / acknowledged),
            "engine_rows_per_second": engine["rows_per_second"],
            "ratio": round(per_second / engine["rows_per_second"], 3),
            "target_ratio": 0.5,
            "engine_native_rows_per_second": engine["native_rows_per_second"],
            "batch_events": BATCH_EVENTS,
            "events": events,
            "insert_format": "JSONCompactEachRow",
            "block_rows": engine["block_rows"],
            "block_bytes": BLOCK_BYTES,
            "workers": 1,
        }

    def _engine_alone(self) -> Mapping[str, int]:
        blocks, other = self._folder / "blocks", self._folder / "engine-alone"
        blocks.mkdir()
        for number, block in enumerate(self._spooled_blocks()):
            (blocks / f"{number:06}").write_bytes(block)
        subprocess.run(
            [*PROGRAM, "migrate", "up", "--data-dir", str(other)],
            check=True,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
        )
        command = [sys.executable, "-m", "tests.bench.engine", str(other), str(blocks)]
        measured: dict[str, int] = json.loads(subprocess.check_output(command, text=True, timeout=300))
        return measured

    def _spooled_blocks(self) -> list[bytes]:
        """Return the rows of as many batches again, cut as the loader cuts them, while the loader is held back."""
        copy = self._folder / "spool-copy.sqlite"
        with self._server.held("loader"):
            path = self._write_batches(self._size.batches)
            with loading(self._server.port, path, BATCH_CONNECTIONS) as process:
                finished(process)
            with (
                contextlib.closing(sqlite3.connect(self._server.data_dir / "spool.sqlite")) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        self._stored += self._size.batches * BATCH_EVENTS
        wait_until_stored(self._server, self._stored, 120)
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            return list(cut(connection.execute("select rows, body from pieces order by number")))

    def single(self) -> Result:
        """Single-event POSTs/s, in turns with a bare Starlette app on Hypercorn."""
        port = free_port()
        ours, bare = list[float](), list[float]()
        with bare_app(port):
            for _ in range(self._size.rounds):
                path = self._folder / "singles"
                write_requests(path, self._traffic.singles(self._size.singles, self._server.keys.write_key))
                for target, rates in ((port, bare), (self._server.port, ours)):
                    with loading(target, path, SINGLE_CONNECTIONS) as process:
                        rates.append(finished(process).per_second)
                self._stored += self._size.singles
                wait_until_stored(self._server, self._stored, 120)
        return {
            "bench": "ingest_single",
            "posts_per_second": round(median(ours)),
            "bare_posts_per_second": round(median(bare)),
            "ratio": round(median(ours) / median(bare), 3),
            "target_ratio": 0.6,
            "rounds": self._size.rounds,
            "connections": SINGLE_CONNECTIONS,
            "workers": 1,
        }

    def visible(self, per_second: float) -> Result:
        """Milliseconds from the 200 to the answer that shows the event, with so many other events/s beside it."""
        if per_second == 0:
            waits = [self._see_marker() for _ in range(self._size.markers)]
        else:
            batches = int(self._size.markers * 1.5 * per_second / BATCH_EVENTS)
            self._stored += batches * BATCH_EVENTS
            path = self._write_batches(batches)
            with loading(self._server.port, path, BATCH_CONNECTIONS, per_second / BATCH_EVENTS) as process:
                waits = [self._see_marker() for _ in range(self._size.markers)]
                finished(process)
            wait_until_stored(self._server, self._stored, 120)
        return {
            "bench": "visible_ms",
            "at_events_per_second": round(per_second) or 1,
            "p50": round(median(waits)),
            "p95": round(quantiles(waits, n=20)[18] if len(waits) > 1 else waits[0]),
            "target_p95": 2000,
            "markers": len(waits),
        }

    def _see_marker(self) -> float:
        """Send one event; return after how many milliseconds a question finds it. Takes at least a second."""
        name = f"marker {uuid.uuid4()}"
        answer = self._server.post(plain_event(str(uuid.uuid4())) | {"name": name})
        assert answer.status == 200, answer
        self._stored += 1
        started = time.monotonic()
        waited = wait_until(
            lambda: self._server.ask("events", filter=f"name:is:{name}", limit="1")["rows"] != [],
            30,
            "the marker is visible",
            every=0.02,
        )
        time.sleep(max(0.0, 1 - (time.monotonic() - started)))
        return waited * 1000

    def disk(self) -> Result:
        """Bytes per stored event of each table, merged."""
        for table in ("events", *TOTALS):
            query(self._server.data_dir, f"optimize table {table} final")
        sql = (
            "select table, sum(bytes_on_disk) as bytes from system.parts "
            "where active and database = currentDatabase() group by table having bytes > 0"
        )
        bytes_of = {str(row["table"]): int(row["bytes"]) for row in query(self._server.data_dir, sql)}
        events = count_events(self._server.data_dir)
        tables = {table: round(size / events, 1) for table, size in sorted(bytes_of.items()) if size / events > 0.1}
        total = round(sum(bytes_of.values()) / events, 1)
        return {"bench": "bytes_per_event", "total": total, "tables": tables, "events": events}

    def memory(self) -> Result:
        """Resident megabytes of each process, idle and in the middle of a load of batches."""
        time.sleep(2)
        idle = self._resident()
        path = self._write_batches(self._size.batches)
        self._stored += self._size.batches * BATCH_EVENTS
        loaded = idle
        with loading(self._server.port, path, BATCH_CONNECTIONS) as process:
            while process.poll() is None:
                now = self._resident()
                loaded = {role: max(now.get(role, 0), size) for role, size in loaded.items()}
                time.sleep(0.1)
            finished(process)
        wait_until_stored(self._server, self._stored, 120)
        return {"bench": "rss_mb", "idle": idle, "under_load": loaded}

    def _resident(self) -> dict[str, int]:
        return {role: process.memory_info().rss >> 20 for role, process in self._server.processes()}


def cut(pieces: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yield consecutive pieces joined to blocks within the loader's limits."""
    block, rows = b"", 0
    for count, body in pieces:
        if block and (rows + count > BLOCK_ROWS or len(block) + len(body) > BLOCK_BYTES):
            yield block
            block, rows = b"", 0
        block, rows = block + body, rows + count
    yield block


@contextlib.contextmanager
def bare_app(port: int) -> Iterator[None]:
    """Run the bare app until the with block ends."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.bare", str(port)]) as process:
        try:
            wait_until(lambda: listens(port), 10, "the bare app listens")
            yield
        finally:
            process.terminate()


def listens(port: int) -> bool:
    """Tell whether something accepts connections on this port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
