"""Connections end when they are idle for long, when their sender has gone, and when the worker ends; not before."""

import asyncio
import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import hypercorn.asyncio.run
import hypercorn.protocol
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from serving import wait_until
from worker import running_worker

from shockmouse_analytics_server import connections
from shockmouse_analytics_server.request import Receive, Scope, Send
from shockmouse_analytics_server.workers import KEEP_ALIVE_SECONDS

IDLE_SECONDS = 0.5


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after as many seconds as the path says."""
    if scope["type"] == "http":
        await asyncio.sleep(float(scope["path"][1:] or 0))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Hypercorn in a thread, with our connections and a short patience."""
    monkeypatch.setattr(hypercorn.protocol, "H11Protocol", hypercorn.protocol.H11Protocol)
    monkeypatch.setattr(hypercorn.asyncio.run, "TCPServer", hypercorn.asyncio.run.TCPServer)
    connections.install()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = Config()
        config.bind = [f"fd://{os.dup(listener.fileno())}"]  # Hypercorn closes what it is given
        config.keep_alive_timeout = IDLE_SECONDS
        loop, ending = asyncio.new_event_loop(), asyncio.Event()
        run = serve(answer, config, shutdown_trigger=ending.wait, mode="asgi")
        thread = threading.Thread(target=loop.run_until_complete, args=[run])
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            loop.call_soon_threadsafe(ending.set)
            thread.join()
            loop.close()


def ask(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


def test_a_connection_that_says_nothing_is_ended(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=30) as quiet:
        assert quiet.recv(1) == b""


def test_a_connection_that_stays_idle_after_an_answer_is_ended(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=30)
    with contextlib.closing(connection):
        assert ask(connection, "/") == b"ok"
        assert connection.sock.recv(1) == b""


def test_an_answer_may_take_longer_than_idleness_may(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=30)
    with contextlib.closing(connection):
        assert ask(connection, f"/{IDLE_SECONDS * 3}") == b"ok"
        first = connection.sock
        assert ask(connection, "/") == b"ok"
        assert connection.sock is first


def test_what_its_sender_has_closed_is_let_go_at_once(tmp_path: Path) -> None:
    with running_worker(tmp_path) as worker:
        files = worker.process.num_fds()
        for _ in range(20):
            worker.ask("GET", "/healthz")
        wait_until(lambda: worker.process.num_fds() <= files, KEEP_ALIVE_SECONDS / 2, "the connections are closed")
