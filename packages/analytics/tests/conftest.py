"""A real HTTP server that answers as told, and clients whose files stand in a folder of the test."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from endings import complaints

from shockmouse_analytics import Analytics

KEY = "wk_shop_0123456789"

Body = dict[str, Any]
Reply = tuple[int, dict[str, str], Any]


class Server:
    """Stores batches by id as the real server does, unless `reply` says otherwise for a request.

    reply   (number of the request, body) → (status, headers, JSON) to refuse, "store" to store and then break the
            connection, "hang" to never answer, None to accept
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.stored: dict[str, Body] = {}
        self.reply: Callable[[int, Body], Reply | str | None] = lambda number, body: None
        self.released = threading.Event()
        self._http: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[Body]:
        """All stored events in the order of their arrival."""
        with self.lock:
            return [event for body in self.stored.values() for event in body["events"]]

    def names(self) -> list[str]:
        return [event["name"] for event in self.events]

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args: object) -> None:
                pass  # a client that is killed breaks its connections

        self._http = QuietServer(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        body = json.loads(gzip.decompress(raw) if request.headers.get("Content-Encoding") == "gzip" else raw)
        with self.changed:
            self.requests.append(body)
            self.headers.append(dict(request.headers))
            number = len(self.requests)
        reply = self.reply(number, body)
        if reply == "hang":
            self.released.wait(60)
            return
        if reply is None or reply == "store":
            answer: Reply = (200, {}, self.store(body))
        else:
            assert isinstance(reply, tuple)
            answer = reply
        with self.changed:
            self.changed.notify_all()
        if reply == "store":
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        self.write(request, answer)

    def store(self, body: Body) -> Body:
        with self.lock:
            known = body["batch_id"] in self.stored
            self.stored.setdefault(body["batch_id"], body)
        events = len(body["events"])
        return {"accepted": 0 if known else events, "duplicates": events if known else 0, "rejected": []}

    def write(self, request: BaseHTTPRequestHandler, answer: Reply) -> None:
        status, headers, content = answer
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        if "Date" in headers:  # instead of the true time
            request.send_response_only(status)
        else:
            request.send_response(status)
        for name, value in {"Content-Length": str(len(encoded)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(encoded)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return when the condition holds; it is looked at when something arrives, and every 50 ms."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "nothing happened in time"
            with self.changed:
                self.changed.wait(0.05)


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    started.start()
    yield started
    started.stop()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Callable[..., Analytics]]:
    """Makes clients of the server that are closed after the test."""
    made: list[Analytics] = []

    def make(**settings: Any) -> Analytics:
        given = {"endpoint": server.endpoint, "offline_dir": tmp_path / "state", "debug": True, **settings}
        made.append(Analytics(KEY, **given))
        return made[-1]

    yield make
    for analytics in made:
        analytics.close()


class Program:
    """Programs of users: Python text run by another interpreter, with the client's settings in its environment."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.state = folder / "state"

    def start(self, text: str, **settings: str) -> "subprocess.Popen[str]":
        """Start a program that sends to the server; settings such as `flush_seconds` go into its environment."""
        given = {"write_key": KEY, "endpoint": self.server.endpoint, "offline_dir": str(self.state), **settings}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SHOCKMOUSE")}
        environ |= {f"SHOCKMOUSE_CLIENT_{name.upper()}": value for name, value in given.items()}
        return subprocess.Popen(
            [sys.executable, "-c", text], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, text: str, **settings: str) -> "Ended":
        """Run a program to its end; its last line of output may say since when it is ending, see `ENDING`."""
        process = self.start(text, **settings)
        output, errors = process.communicate(timeout=120)  # a disk that failed is tried again after up to a minute
        ended_at = time.time()
        lines = output.splitlines()
        began = next((float(line.removeprefix("ending ")) for line in lines if line.startswith("ending ")), ended_at)
        return Ended(process.returncode, output, errors, ended_at - began)


ENDING = "import time; print('ending', time.time(), flush=True)\n"


@dataclass
class Ended:
    """How a program ended; `exit_seconds` is the time from the line of ENDING until the process was gone."""

    code: int
    output: str
    errors: str
    exit_seconds: float

    @property
    def complaints(self) -> list[str]:
        """What it said on stderr, but for events that a busy machine left no time to send."""
        return complaints(self.errors)


@pytest.fixture
def program(server: Server, tmp_path: Path) -> Program:
    return Program(server, tmp_path)
