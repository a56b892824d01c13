"""The list of routes is pinned: nothing is served by accident, and OpenAPI tells of everything."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from shockmouse_analytics_server.api import PATHS
from shockmouse_analytics_server.app import POLICY, Parts, make_pages
from shockmouse_analytics_server.appender import Appender
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.config import ServerConfig
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.openapi import document
from shockmouse_analytics_server.places import Places
from shockmouse_analytics_server.projects import Directory
from shockmouse_analytics_server.question import COMMON
from shockmouse_analytics_server.spool import Spool

from .worker import Worker, running_worker

ROUTES = {
    "GET /",
    "GET /agent.js",
    "GET /static/{version}/{name}",
    "GET /session",
    "GET /data-health",
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /api/v1/stats",
    "GET /api/v1/timeseries",
    "GET /api/v1/breakdown",
    "GET /api/v1/sessions",
    "GET /api/v1/sessions/{id}",
    "GET /api/v1/devices",
    "GET /api/v1/devices/summary",
    "GET /api/v1/devices/{id}",
    "GET /api/v1/events",
    "GET /api/v1/realtime",
    "GET /api/v1/properties",
    "GET /api/v1/vitals",
    "POST /api/v1/funnel",
    "GET /api/v1/retention",
    "GET /api/v1/paths",
    "GET /api/v1/events/stream",
    "GET /api/v1/export",
    "GET /api/v1/projects",
    "POST /api/v1/projects",
    "GET /api/v1/projects/{name}/keys",
    "POST /api/v1/projects/{name}/keys",
    "POST /api/v1/projects/{name}/set",
    "POST /api/v1/projects/{name}/link",
    "POST /api/v1/projects/{name}/delete",
    "POST /api/v1/privacy/erase",
    "GET /api/v1/privacy/erasures/{id}",
    "GET /api/v1/privacy/export",
    "GET /api/v1/privacy/audit",
}


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Starlette]:
    with (
        Directory(tmp_path / "directory.sqlite") as directory,
        Counters(tmp_path / "counters.sqlite") as counters,
        Spool(tmp_path / "spool.sqlite", max_bytes=1 << 20) as spool,
        Places(None) as places,
    ):
        database = Database(url="http://nowhere/", database="shockmouse")
        parts = Parts(directory, counters, spool, Appender(spool), places, database, database)
        yield make_pages(ServerConfig(data_dir=tmp_path), parts)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as running:
        yield running


def test_these_routes_are_served_and_no_others(pages: Starlette) -> None:
    served = {
        f"{method} {route.path.replace(':path}', '}')}"
        for route in pages.routes
        for method in sorted(route.methods - {"HEAD"})
    }
    assert served == ROUTES


def test_the_openapi_document_has_every_route() -> None:
    told = {f"{method.upper()} {path}" for path, item in document()["paths"].items() for method in item}
    assert told == ROUTES | {"POST /v1/events"}


def test_the_document_tells_the_parameters_that_each_path_knows() -> None:
    told = document()["paths"]
    for path in PATHS:
        operation = told[f"/api/v1{path.path.replace(':path', '')}"][path.method.lower()]
        names = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        assert (path.path, names) == (path.path, set(COMMON | path.also))


def test_every_reference_of_the_document_leads_somewhere() -> None:
    found = document()
    text = json.dumps(found)
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    schemes = {name for item in found["paths"].values() for operation in item.values()
               for choice in operation["security"] for name in choice}  # fmt: skip
    assert named == set(found["components"]["schemas"])
    assert schemes == set(found["components"]["securitySchemes"])


def test_the_document_is_served_as_the_command_prints_it(worker: Worker) -> None:
    command = [sys.executable, "-m", "shockmouse_analytics_server", "openapi"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert worker.ask("GET", "/openapi.json").content == json.loads(printed.stdout)


@pytest.mark.parametrize(
    "target", ["/nothing", "/api/v1", "/api/v1/nothing", "/docs", "/debug", "/static/../app.py", "//"]
)
def test_what_is_not_there_is_a_plain_404(worker: Worker, target: str) -> None:
    answer = worker.ask("GET", target)
    assert (answer.status, answer.content["error"]["code"]) == (404, "not_found")
    assert ("no such file" if "static" in target else "/openapi.json") in answer.content["error"]["reason"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_no_other_method_reaches_a_route(worker: Worker, method: str) -> None:
    answers = [worker.ask(each, path) for each in (method, "POST") for path in ("/healthz", "/api/v1/stats")]
    assert [(answer.status, answer.content["error"]["code"]) for answer in answers] == [(405, "method_not_allowed")] * 4
    assert {frozenset(answer.headers["allow"].split(", ")) for answer in answers} == {frozenset({"GET", "HEAD"})}


@pytest.mark.parametrize("target", ["/healthz", "/nothing", "/api/v1/stats"])
def test_every_answer_is_under_the_policy_and_open_to_no_other_origin(worker: Worker, target: str) -> None:
    headers = worker.ask("GET", target, headers={"Origin": "https://evil.example"}).headers
    assert {name: headers[name.lower()] for name in POLICY} == POLICY
    assert [name for name in headers if name.startswith("access-control-") or name == "server"] == []


def test_a_preflight_to_questions_is_not_allowed(worker: Worker) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    answer = worker.ask("OPTIONS", "/api/v1/stats", headers=asked)
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (405, None)


def test_without_a_database_questions_are_answered_503_and_events_200(worker: Worker) -> None:
    asked = worker.ask("GET", "/api/v1/stats", headers={"Authorization": f"Bearer {worker.read_key}"})
    assert (asked.status, asked.content["error"]["code"], asked.headers["retry-after"]) == (503, "database_away", "5")
    event = {"event_id": "0190a000-0000-7000-8000-000000000001", "type": "page", "timestamp": "2026-11-22T10:00:00Z"}
    assert worker.post(event).status == 200
    assert worker.ask("GET", "/readyz").status == 200


def test_unread_bodies_do_not_cost_the_sender_its_answer(worker: Worker) -> None:
    body = b"x" * (900 << 10)
    head = "POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer wk_no\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    assert worker.talk(head.encode(), body).startswith(b"HTTP/1.1 401 ")


def test_a_head_that_cannot_be_read_does_not_cost_the_sender_its_answer(worker: Worker) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * (1 << 20) + b"\r\n\r\n"
    assert {worker.talk(request)[:13] for _ in range(10)} == {b"HTTP/1.1 431 "}
