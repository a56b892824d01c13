"""Asking the real query API over a real database: rows in through Database.insert, answers out through the routes."""

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from shockmouse_analytics_server.api import routes
from shockmouse_analytics_server.app import answer_failure, answer_http
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.errors import ServerError
from shockmouse_analytics_server.keys import make_token, token_hash, token_prefix
from shockmouse_analytics_server.loader import INSERT_SETTINGS
from shockmouse_analytics_server.projects import KEYS_SECRET, Directory, KeyRow, Project, make_secret
from shockmouse_analytics_server.rows import ROW_COLUMNS, Row

T = TypeVar("T")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
RANGE = {"from": "2026-03-01", "to": "2026-04-01"}
AGAIN = 20
NUMBERS = itertools.count()
ASKERS = itertools.count()


def event(**overrides: Any) -> Row:
    """Return a row: a page view of `/` at noon, 10 March 2026; times may be given as datetimes, properties as dicts."""
    given = {"type": "page", "path": "/", "device_id": "device", "session_id": "session", "at": NOON} | overrides
    at = given["at"]
    texts = dict.fromkeys(ROW_COLUMNS, "")
    row: dict[str, Any] = texts | {
        "project": "shop",
        "event_id": str(uuid.uuid4()),
        "batch_id": str(uuid.uuid4()),
        "session_started": at,
        "received_at": at,
        "timestamp": "as sent",
        "privacy": "balanced",
        "sample_rate": 1.0,
        "sent_at": None,
        "seq": next(NUMBERS),
        "fingerprint": {},
        "user_properties": {},
        "properties": {},
        "context": "{}",
        "retention": 0,
        "rollup_retention": 0,
    }
    row |= given
    for name in ("at", "session_started", "received_at"):
        row[name] = round(row[name].timestamp() if isinstance(row[name], datetime) else row[name], 3)
    for name in ("properties", "user_properties"):
        row[name] = msgspec.Raw(json.dumps(row[name]).encode())
    return Row(**row)


class Asker:
    """The query API over one database, with keys of the projects shop and rival, which no other test uses."""

    def __init__(self, writing: Database, asking: Database, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self.writing = writing
        self.asking = asking
        self._folder = folder
        self._secret = make_secret(KEYS_SECRET, 0, version=1)
        self._number = next(ASKERS)
        self.keys: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        self._directory = self._stack.enter_context(Directory(self._folder / "directory.sqlite"))
        for database in (self.writing, self.asking):
            await self._stack.enter_async_context(database)
        self.add_project("shop")
        self.add_project("rival")
        handlers: Any = {ServerError: answer_failure, HTTPException: answer_http}
        app = Starlette(routes=routes(self.asking, self._directory), exception_handlers=handlers)
        self.app = app
        transport = httpx.ASGITransport(app=app)
        self._client = await self._stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://api/api/v1", timeout=60)
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def add_project(self, name: str, timezone: str = "UTC") -> None:
        """The project is there, under a name of this test's own, with a key of each kind."""
        own = self.project(name)
        tokens = {kind: make_token(kind, own) for kind in ("read", "write", "admin")}
        hashing = bytes.fromhex(self._secret.value)
        keys = [KeyRow(project=own, kind=kind, prefix=token_prefix(token) or "", hash=token_hash(token, hashing),
                       token="", created_at=0, version=1) for kind, token in tokens.items()]  # fmt: skip
        project = Project(name=own, created_at=0, retention_days=0, rollup_retention_days=0, ip="truncate",
                          timezone=timezone, version=1)  # fmt: skip
        self._directory.store(projects=[project], keys=keys, secrets=[self._secret])
        self.keys |= {name: tokens["read"]} | {f"{name} {kind}": token for kind, token in tokens.items()}

    def project(self, name: str) -> str:
        """Return the name under which this test has the project."""
        return f"{name}-{self._number}"

    def store(self, *rows: Row) -> None:
        """The rows are in the events table and in every view."""
        own = [msgspec.structs.replace(row, project=self.project(row.project)) for row in rows]
        body = b"\n".join(map(msgspec.json.encode, own))
        self.run(self.writing.insert("events", ROW_COLUMNS, body, settings=INSERT_SETTINGS))

    def response(
        self, path: str, params: Any = (), *, key: str = "shop", headers: Any = None, body: Any = None
    ) -> httpx.Response:
        """Return the answer as it came; with a body, which is sent as JSON, the request is a POST."""
        sent = {"Authorization": f"Bearer {self.keys[key]}"} if headers is None else headers
        method = "GET" if body is None else "POST"
        content = body if body is None or isinstance(body, bytes) else json.dumps(body)
        return self.run(self._client.request(method, path, params=params, headers=sent, content=content))

    def ask(self, path: str, params: Any = (), *, key: str = "shop", body: Any = None) -> Any:
        """Return a good answer's JSON."""
        response = self.response(path, params, key=key, body=body)
        assert response.status_code == 200, response.text
        return response.json()

    def ask_all(self, questions: Sequence[tuple[str, Any]], *, key: str) -> list[Any]:
        """Return the good answers' JSON, asked side by side."""

        async def ask(path: str, params: Any) -> Any:
            response = await self._client.get(
                path, params=params, headers={"Authorization": f"Bearer {self.keys[key]}"}
            )
            assert response.status_code == 200, response.text
            return response.json()

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*(ask(path, params) for path, params in questions)))

        return self.run(gather())

    def ask_each(self, questions: Sequence[tuple[str, Any, Any]], *, key: str) -> list[Any]:
        """Return the good answers to (path, parameters, body), asked side by side; lines of JSON as a list."""
        sent = {"Authorization": f"Bearer {self.keys[key]}"}

        async def ask(path: str, params: Any, body: Any) -> Any:
            method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
            for _ in range(AGAIN):
                response = await self._client.request(method, path, params=params, headers=sent, content=content)
                if response.status_code != 503:  # a busy machine
                    break
                await asyncio.sleep(1)
            assert response.status_code == 200, response.text
            is_lines = response.headers["content-type"] == "application/x-ndjson"
            return [json.loads(line) for line in response.text.splitlines()] if is_lines else response.json()

        async def gather() -> list[Any]:
            return list(await asyncio.gather(*(ask(*question) for question in questions)))

        return self.run(gather())

    def refusal(
        self, path: str, params: Any = (), *, key: str = "shop", headers: Any = None, body: Any = None
    ) -> tuple[int, str, str]:
        """Return status, code and reason of an answer that refuses."""
        response = self.response(path, params, key=key, headers=headers, body=body)
        error = response.json()["error"]
        return response.status_code, error["code"], error["reason"]

    def pages(self, path: str, params: dict[str, Any]) -> list[list[Any]]:
        """Return a list's pages, asked for one after the other."""
        pages, cursor = [], None
        while cursor is not None or not pages:
            answer = self.ask(path, params | ({"cursor": cursor} if cursor else {}))
            pages.append(answer["rows"])
            cursor = answer["next"]
        return pages
