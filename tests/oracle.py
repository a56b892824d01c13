"""What the server has stored, set against what it acknowledged: each event once, in raw rows and in every view.

The rows are read through the running server's own engine socket, in ClickHouse's HTTP protocol, past the query API.
"""

import contextlib
import http.client
import json
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from shockmouse_analytics_server.embedded import engine_address
from tests.server_process import Server, wait_until

# What each view's table counts; every table that a view fills must stand here. Measures are of performance events only.
TOTALS = {
    "sessions": "select sum(events) as total from sessions final",
    "devices": "select sum(events) as total from devices final",
    "counts_by_quarter": "select sum(events) as total from counts_by_quarter",
    "counts_by_value": "select sum(events) as total from counts_by_value where dimension = 'path'",
    "counts_by_week": "select sum(events) as total from counts_by_week where dimension = 'path'",
    "counts_by_name": "select (select count() from events where type in ('page', 'screen', 'performance'))"
    " + (select sum(events) from counts_by_name) as total",
    "measures_by_value": "select (select count() from events where type != 'performance')"
    " + (select sum(events) from measures_by_value where dimension = '') as total",
}

Report = Callable[[str], None]


class Tally(NamedTuple):
    """Numbers of events; `totals` are those of the views, `waiting` and `quarantined` those of the spool."""

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    unasked: int
    totals: dict[str, int]
    waiting: int
    quarantined: int

    @classmethod
    def perfect(cls, acknowledged: int) -> "Tally":
        """Return what must come out: every acknowledged event once, everywhere."""
        return cls(acknowledged, acknowledged, 0, 0, 0, dict.fromkeys(TOTALS, acknowledged), 0, 0)

    def line(self) -> str:
        """Return the one line that a fault test prints."""
        return f"acknowledged={self.acknowledged} stored={self.stored} lost={self.lost} doubled={self.doubled}"


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def query(data_dir: Path, sql: str, seconds: float = 120) -> list[dict[str, Any]]:
    """Return the rows of one statement, asked of the engine that serves this data folder."""
    address = engine_address(data_dir)
    if address is None:
        raise ConnectionRefusedError(f"no engine serves {data_dir}")
    path = "/?database=shockmouse&default_format=JSONEachRow&output_format_json_quote_64bit_integers=0"
    with contextlib.closing(_SocketConnection(address, seconds)) as connection:
        connection.request("POST", path, sql.encode())
        response = connection.getresponse()
        body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{sql}: {response.status} {body[:1000]!r}")
    return [json.loads(line) for line in body.splitlines()]


def count_events(data_dir: Path) -> int:
    """Return the number of raw rows; 0 while the engine is away."""
    try:
        return int(query(data_dir, "select count() as total from events", seconds=10)[0]["total"])
    except (OSError, RuntimeError, http.client.HTTPException):
        return 0


def wait_until_stored(server: Server, events: int, seconds: float) -> float:
    """Return after how many seconds so many raw rows were there and the spool was empty."""

    def stored() -> bool:
        return count_events(server.data_dir) >= events and waiting(server.data_dir) == 0

    return wait_until(stored, seconds, f"{events} events stored, there are {count_events(server.data_dir)}", every=0.1)


def waiting(data_dir: Path) -> int:
    """Return how many spooled pieces the loader has not finished."""
    return _count(data_dir, "pieces")


def _count(data_dir: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{data_dir / 'spool.sqlite'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])


def tally(server: Server, acknowledged: Iterable[str]) -> Tally:
    """Return how the stored rows and the views' totals compare with the acknowledged event ids."""
    expected = set(acknowledged)
    rows = query(server.data_dir, "select toString(event_id) as id, count() as times from events group by event_id")
    stored = Counter({str(row["id"]): int(row["times"]) for row in rows})
    filled = query(server.data_dir, "select name from system.tables where engine = 'MaterializedView' order by name")
    assert [row["name"].removesuffix("_view") for row in filled if row["name"].endswith("_view")] == sorted(TOTALS)
    return Tally(
        acknowledged=len(expected),
        stored=len(stored),
        lost=len(expected - stored.keys()),
        doubled=sum(times - 1 for times in stored.values()),
        unasked=len(stored.keys() - expected),
        totals={view: round(query(server.data_dir, sql)[0]["total"]) for view, sql in TOTALS.items()},
        waiting=waiting(server.data_dir),
        quarantined=_count(server.data_dir, "quarantine"),
    )


def settle(server: Server, acknowledged: Iterable[str], seconds: float = 60) -> Tally:
    """Return the tally once the backlog has drained; of what is there when it does not drain in time."""
    expected = set(acknowledged)
    with contextlib.suppress(TimeoutError):
        wait_until_stored(server, len(expected), seconds)
    return tally(server, expected)
