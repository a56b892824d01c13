"""The figures of the client: against the real server, against a sink, and with nobody there."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.ingestion import Result
from tests.server_process import Server, clean_environment

KEY = "wk_bench_0123456789"


def measure(server: Server, folder: Path, sizes: dict[str, int]) -> Iterator[Result]:
    """Yield all figures of the client; each part is a process of its own."""
    real = {"endpoint": server.url, "write_key": server.keys.write_key, "offline_dir": str(folder / "offline")}
    yield from run("track", sizes["track"], **real)
    for result in run("flush", sizes["flush"], **real):
        yield result | {"to": "server", "target_events_per_second": 20_000}
    yield from into_sink(folder, sizes["flush"] * 4)
    yield from run("burst", sizes["burst"], **real)
    yield from run("memory", sizes["memory"], write_key=KEY, offline_dir=str(folder / "away"))
    yield from run("import", sizes["import"])
    yield from run("middleware", sizes["track"], module="tests.bench.middleware", **real)


def into_sink(folder: Path, events: int) -> Iterator[Result]:
    """Yield the rate into a server that does nothing with what it gets, and what arrived there."""
    command = [sys.executable, "-m", "tests.bench.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdin is not None
        assert sink.stdout is not None
        port = json.loads(sink.stdout.readline())["port"]
        with contextlib.closing(sink.stdin):
            settings = {"endpoint": f"http://127.0.0.1:{port}", "offline_dir": str(folder / "sink")}
            (result,) = run("flush", events, write_key=KEY, **settings)
        arrived = json.loads(sink.stdout.readline())
    yield result | {"to": "sink", "target_events_per_second": 150_000, "arrived": arrived["distinct"]}


def run(part: str, number: int, *, module: str = "tests.bench.client", **settings: str) -> Iterator[Result]:
    """Yield what one part prints."""
    environment = clean_environment(**{f"SHOCKMOUSE_CLIENT_{name.upper()}": value for name, value in settings.items()})
    arguments = [part, str(number)] if module.endswith(".client") else [str(number)]
    command = [sys.executable, "-m", module, *arguments]
    printed = subprocess.check_output(command, env=environment, text=True, timeout=300)
    yield from map(json.loads, printed.splitlines())
