"""A real `serve` on a data folder of its own, and the program's other commands beside it."""

import contextlib
import http.client
import json
import os
import pty
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil
from msgspec import Struct
from tests.commander import commander
from tests.prepared import prepare

PROGRAM = (sys.executable, "-m", "shockmouse_analytics_server")
READY = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")


class Done(Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Reply(Struct, frozen=True):
    """What the server answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHOCKMOUSE_")}
    return kept | {f"SHOCKMOUSE_{name.upper()}": value for name, value in settings.items()}


def command(data_dir: Path, *arguments: str, **settings: str) -> Done:
    """Run a command to its end."""
    return Done(*commander().run(arguments, environment(data_dir=str(data_dir), **settings)))


def command_on_terminal(data_dir: Path, *arguments: str) -> Done:
    """Run a command whose standard error is a terminal."""
    near, far = pty.openpty()
    with os.fdopen(near, "rb", buffering=0) as screen:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment(data_dir=str(data_dir)),
            stdout=subprocess.PIPE,
            stderr=far,
            timeout=90,
            check=False,
        )
        os.close(far)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := screen.read(65_536):
                shown += part
    return Done(done.returncode, done.stdout.decode(), shown.decode())


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Return when it holds; TimeoutError names what never came true."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds} s still not: {what}")
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    """Tell whether the process runs; one that has ended and that init has not collected yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def words_of(process: psutil.Process) -> list[str]:
    """Return the process's arguments; none when it has ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


class Server:
    """One running `serve`."""

    def __init__(self, process: subprocess.Popen[str], lines: list[str], port: int) -> None:
        self.process = process
        self.printed = lines
        self.port = port

    @property
    def keys(self) -> dict[str, str]:
        """The keys that the first start has printed, by kind; none of a later one."""
        words = [line.split() for line in self.printed]
        return {line[0]: line[2] for line in words if line[1:2] == ["key"]}

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        """Return the answer; an underscore in a header's name is a hyphen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())

    def children(self, role: str) -> list[psutil.Process]:
        """Return the living children of this role: http, loader or engine."""
        found = psutil.Process(self.process.pid).children()
        return [child for child in found if is_alive(child) and f"_{role}" in words_of(child)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@contextlib.contextmanager
def serving(data_dir: Path, *flags: str, migrates: bool = False, **settings: str) -> Iterator[Server]:
    """A server that has said that it listens, on a free port; none of its processes outlives the block.

    A new data folder has the schema already, unless the server `migrates` itself.
    """
    if not (migrates or data_dir.exists() or "clickhouse_url" in settings):
        prepare(data_dir)
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *flags],
        env=environment(data_dir=str(data_dir), **settings),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    printed: list[str] = []
    try:
        while not (found := READY.fullmatch(printed[-1] if printed else "")):
            line = lines.get(timeout=90)
            if line is None:
                raise RuntimeError(f"serve ended with {process.wait(10)} after {printed}")
            printed.append(line)
        yield Server(process, printed, int(found[1]))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        reader.join(10)
        process.stdout.close()


def read_lines(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    """Hand on the lines, and None at their end."""
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)
