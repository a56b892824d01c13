"""One real HTTP worker, in a process of its own as `serve` starts it: projects known from its mirror, no engine."""

import contextlib
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from shockmouse_analytics_server import config
from shockmouse_analytics_server.folder import directory_path, spool_path
from shockmouse_analytics_server.keys import make_token
from shockmouse_analytics_server.projects import KEYS_SECRET, Directory, Project, make_secret
from shockmouse_analytics_server.registry import key_row
from shockmouse_analytics_server.rows import Row

TIMESTAMP = "2026-11-22T10:00:04Z"


class Reply(Struct, frozen=True):
    """What the worker answered."""

    status: int
    headers: dict[str, str]
    content: Any

    @property
    def code(self) -> str:
        return str(self.content["error"]["code"])

    @property
    def verdicts(self) -> list[tuple[int, str]]:
        return [(rejection["index"], rejection["code"]) for rejection in self.content["rejected"]]


def event(**members: Any) -> dict[str, Any]:
    """Return a valid event; members that are None are left out."""
    plain = {"event_id": str(uuid.uuid4()), "type": "track", "name": "Report exported", "timestamp": TIMESTAMP}
    return {name: value for name, value in (plain | members).items() if value is not None}


def encode(body: Any) -> bytes:
    """Return the body as JSON; bytes are sent as they are."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


class Worker:
    """A running worker; `key`, `read_key` and `other_key` are of two projects."""

    def __init__(self, data_dir: Path, address: tuple[str, int], keys: dict[str, str], process: psutil.Process) -> None:
        self.data_dir = data_dir
        self.address = address
        self.key, self.read_key, self.other_key = keys["write"], keys["read"], keys["other"]
        self.process = process

    def post(self, body: Any, *, key: str | None = "", target: str = "/v1/events", **headers: str) -> Reply:
        """Send a body; an underscore in a header's name is a hyphen."""
        head = {"Content-Type": "application/json"}
        if key is not None:
            head["Authorization"] = f"Bearer {key or self.key}"
        head |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", target, encode(body), head)

    def ask(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            content = response.read()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, named, json.loads(content) if content else None)

    def talk(self, *parts: bytes) -> bytes:
        """Return all that comes back for these bytes, until the worker ends the connection."""
        with socket.create_connection(self.address, timeout=30) as connection:
            answer = b""
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
                while part := connection.recv(65536):
                    answer += part
            return answer

    def rows(self, event_id: str) -> list[Row]:
        """Return what lies in the spool of an event."""
        with contextlib.closing(sqlite3.connect(spool_path(self.data_dir))) as connection:
            bodies = connection.execute("select body from pieces order by number").fetchall()
        lines = [line for (body,) in bodies for line in body.splitlines()]
        return [row for row in (msgspec.json.decode(line, type=Row) for line in lines) if row.event_id == event_id]

    def store(self, sent: dict[str, Any], **headers: str) -> Row:
        """Return the row that an event becomes when it is sent alone."""
        reply = self.post(sent, **headers)
        assert (reply.status, reply.content) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
        (row,) = self.rows(sent["event_id"].lower())
        return row


@contextlib.contextmanager
def running_worker(data_dir: Path, **settings: Any) -> Iterator[Worker]:
    """A worker of the projects `site` and `other`; settings are the server's, and `ip` the projects'."""
    keys = fill_directory(data_dir, ip=settings.pop("ip", "truncate"))
    environ = os.environ | config.to_environ(config.ServerConfig(data_dir=data_dir, **settings))
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        file = listener.fileno()
        command = [sys.executable, "-m", "shockmouse_analytics_server", "_http", "--listen-fd", str(file)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environ, pass_fds=(file,)) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield Worker(data_dir, listener.getsockname(), keys, psutil.Process(child.pid))
            child.stdin.close()


def fill_directory(data_dir: Path, *, ip: str) -> dict[str, str]:
    """Store two projects as the loader would have mirrored them; return their keys."""
    tokens = {
        "write": make_token("write", "site"),
        "read": make_token("read", "site"),
        "other": make_token("write", "other"),
    }
    with Directory(directory_path(data_dir)) as directory:
        directory.store(secrets=[make_secret(KEYS_SECRET, 0.0, version=1)])
        keys = [
            key_row(directory, "site", "write", tokens["write"]),
            key_row(directory, "site", "read", tokens["read"]),
            key_row(directory, "other", "write", tokens["other"]),
        ]
        directory.store(projects=[make_project("site", ip=ip), make_project("other", ip=ip)], keys=keys)
    return tokens


def make_project(name: str, *, ip: str) -> Project:
    return Project(
        name=name, created_at=0.0, retention_days=395, rollup_retention_days=0, ip=ip, timezone="UTC", version=1
    )
