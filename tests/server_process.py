"""A real `shockmouse-analytics-server serve` with its own data folder, and the means to hurt it.

Processes are found by their process group: the supervisor leads one and its children stay in it, so that what is left
behind after a kill is found too. A role is what a process says in its arguments.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import psutil

from tests.prepared import prepare

PROGRAM = (sys.executable, "-m", "shockmouse_analytics_server")
ROLES = {"serve": "supervisor", "_engine": "engine", "_loader": "loader", "_http": "http"}
ROLES["shockmouse_analytics_server.embedded"] = "engine"


class Keys(NamedTuple):
    """What `project create --json` prints."""

    project: str
    write_key: str
    read_key: str
    admin_key: str


class Answer(NamedTuple):
    """What came back for one request; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(holds: Callable[[], bool], seconds: float, what: str, every: float = 0.05) -> float:
    """Return after how many seconds it held; TimeoutError names what never came true."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"after {seconds} s still not: {what}")
        time.sleep(every)
    return time.monotonic() - started


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment without our own settings, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHOCKMOUSE_")}
    return kept | settings


class Server:
    """One data folder and port over as many starts as a test needs; nothing outlives the with block."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir = folder / "data"
        self.port = free_port()
        self.keys: Keys
        self._log = folder / "serve.log"
        self._settings = {f"SHOCKMOUSE_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.keys = self.create_project("together")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:
            print(f"--- the server's log\n{self.log()[-6000:]}")
        self.end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Return everything that this and earlier starts printed."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def start(self, seconds: float = 90) -> float:
        """Start `serve`; return after how many seconds it said that it listens."""
        announced = self.log().count("listening on ")
        if not self.data_dir.exists():
            prepare(self.data_dir)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, "serve", "--data-dir", str(self.data_dir), "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(PYTHONUNBUFFERED="1", **self._settings),
                start_new_session=True,
            )
        try:
            return wait_until(lambda: self._listens_since(announced), seconds, f"serve is ready\n{self.log()[-4000:]}")
        except BaseException:
            print(f"--- the server's log\n{self.log()[-6000:]}")
            self.end()
            raise

    def _listens_since(self, announced: int) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"serve ended with {self._process.returncode}:\n{self.log()[-4000:]}")
        return self.log().count("listening on ") > announced

    def terminate(self) -> None:
        """Ask the supervisor to end, without waiting for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 15) -> int:
        """Return the supervisor's exit code once it has ended."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> float:
        """End `serve` as a service manager would; return after how many seconds it had ended."""
        started = time.monotonic()
        self.terminate()
        self.wait()
        return time.monotonic() - started

    def end(self) -> None:
        """Kill whatever of the current start still runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield role and process of everything alive in the current start's group, orphans too."""
        group = self._process.pid if self._process is not None else -1
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                    yield next((ROLES[word] for word in process.cmdline() if word in ROLES), "other"), process

    def alive(self, *roles: str) -> list[psutil.Process]:
        """Return the living processes in these roles, of every role when none is named."""
        return [process for role, process in self.processes() if not roles or role in roles]

    def signal(self, number: signal.Signals, *roles: str) -> int:
        """Send a signal to every process in these roles; return how many got it."""
        hit = self.alive(*roles)
        for process in hit:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGKILL and "supervisor" in roles and self._process is not None:
            self._process.wait(10)
        return len(hit)

    @contextlib.contextmanager
    def held(self, *roles: str) -> Iterator[None]:
        """Stop the processes in these roles until the with block ends, as a machine that swaps would."""
        stopped = self.alive(*roles)
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def command(self, *arguments: str, seconds: float = 60) -> str:
        """Run another command on the same data folder; return what it printed."""
        done = subprocess.run(
            [*PROGRAM, *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=clean_environment(**self._settings),
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{arguments} exited with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def create_project(self, name: str) -> Keys:
        """Create a project with the key that the first start has printed, and return its keys."""
        first = re.search(r"admin key +(\S+)", self.log())
        assert first is not None
        given = {"Authorization": f"Bearer {first[1]}"}
        answer = self.request("POST", "/api/v1/projects", json.dumps({"name": name}).encode(), **given)
        assert answer.status == 201, answer
        return Keys(**answer.json())

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to one request on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def ask(self, question: str, **parameters: str | list[str]) -> Any:
        """Return the JSON answer of the query API for the project `together`."""
        path = f"/api/v1/{question}?{urlencode(parameters, doseq=True)}"
        answer = self.request("GET", path, Authorization=f"Bearer {self.keys.read_key}")
        assert answer.status == 200, f"{path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def post(self, body: Mapping[str, Any], key: str | None = None) -> Answer:
        """Return the answer of ingestion to one batch."""
        authorization = f"Bearer {key or self.keys.write_key}"
        return self.request(
            "POST",
            "/v1/events",
            json.dumps(body).encode(),
            Authorization=authorization,
            Content_Type="application/json",
        )
