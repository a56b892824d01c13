"""How fast an export leaves, and how much memory it takes above idle, in the engine and in the HTTP worker.

Server and engine are started anew before each format, so that idle is what they take before anything is asked. What
the engine still merges is waited for: that takes memory too, and is not the export's.
"""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

from tests.bench.ingestion import Result
from tests.oracle import count_events, query
from tests.server_process import Server, wait_until

SETTLED_SECONDS = 3.0
MERGED_SECONDS = 300.0
SAMPLE_SECONDS = 0.05
CHUNK_BYTES = 1 << 16
FORMATS = ("jsonl", "csv", "parquet")
LIMIT_MIB = 100


class Memory:
    """The greatest resident size of each process while it is watched."""

    def __init__(self, server: Server) -> None:
        self._processes = {role: process for role, process in server.processes() if role in ("engine", "http")}
        self.idle = self._sizes()
        self.most = dict(self.idle)

    def _sizes(self) -> dict[str, int]:
        return {role: process.memory_info().rss for role, process in self._processes.items()}

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            for role, size in self._sizes().items():
                self.most[role] = max(self.most[role], size)

    def above_idle(self) -> dict[str, float]:
        return {
            f"{role}_mib_above_idle": round((self.most[role] - self.idle[role]) / (1 << 20), 1) for role in self.idle
        }


def measure(server: Server, form: str) -> Result:
    """Return the figures of one export of everything."""
    server.stop()
    server.start()
    time.sleep(SETTLED_SECONDS)
    wait_until(lambda: not is_merging(server), MERGED_SECONDS, "the engine has merged what there was", every=1)
    events = count_events(server.data_dir)
    memory = Memory(server)
    started = time.monotonic()
    with memory.watched():
        size, lines = download(server, f"/api/v1/export?format={form}&from=2000-01-01&bots=include")
    seconds = time.monotonic() - started
    if form == "jsonl" and not events <= lines <= count_events(server.data_dir):  # late ones may be stored meanwhile
        raise RuntimeError(f"{lines} events exported, {events} stored")
    figures = {"events": events, "seconds": round(seconds, 1), "rows_per_second": round(events / seconds)}
    return (
        {"bench": "export", "format": form}
        | figures
        | {"mib": size >> 20}
        | memory.above_idle()
        | {"limit_mib": LIMIT_MIB}
    )


def is_merging(server: Server) -> bool:
    """Tell whether the engine merges parts, at this moment."""
    return bool(query(server.data_dir, "select 1 from system.merges limit 1"))


def download(server: Server, path: str) -> tuple[int, int]:
    """Return how many bytes came, and how many lines they were."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    size = lines = 0
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {server.keys.read_key}"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {response.read()[:500]!r}")
        while chunk := response.read(CHUNK_BYTES):
            size += len(chunk)
            lines += chunk.count(b"\n")
    return size, lines
