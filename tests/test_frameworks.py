"""The framework examples of the documentation, under real servers: their visits are found through the query API.

Each block of docs/web.md that names a file is written to that file and served by Hypercorn or gunicorn.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.server_process import Server, wait_until
from tests.site_process import GUNICORN, HYPERCORN, Site

PAGE = Path(__file__).parents[1] / "packages" / "analytics" / "docs" / "web.md"
EXAMPLES = dict(re.findall(r"^```python (shop_\w+)\.py\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


class Case(NamedTuple):
    """An example: the server under which it runs, and the template of its pages as the framework writes it."""

    server: tuple[str, ...]
    app: str
    template: str

    @property
    def module(self) -> str:
        return self.app.removeprefix("wsgi:").partition(":")[0]


CASES = {
    "starlette": Case(HYPERCORN, "shop_starlette:app", "/items/{number}"),
    "fastapi": Case(HYPERCORN, "shop_fastapi:app", "/items/{number}"),
    "django-asgi": Case(HYPERCORN, "shop_django:asgi_application", "/items/<int:number>"),
    "django-wsgi": Case(GUNICORN, "shop_django:application", "/items/<int:number>"),
    "flask": Case(GUNICORN, "shop_flask:app", "/items/<int:number>"),
    "flask-hypercorn": Case(HYPERCORN, "wsgi:shop_flask:app", "/items/<int:number>"),
}

# What no documentation needs, but every server has: streams, sockets, and the script in a page.
OTHER = """
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

async def page(request):
    return HTMLResponse("<html><head><title>Home</title></head><body></body></html>")

async def stream(request):
    return StreamingResponse((f"<head></head>{n}" for n in range(3)), media_type="text/html")

async def echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()

app = Starlette(routes=[Route("/", page), Route("/stream", stream), WebSocketRoute("/echo", echo)])
app.add_middleware(AnalyticsMiddleware, analytics=Analytics("wk_…", endpoint="https://stats.example.com"), inject=True)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One analytics server for all sites; each has a project of its own."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


def test_every_example_of_the_documentation_is_a_case() -> None:
    assert {case.module for case in CASES.values()} == EXAMPLES.keys()


@pytest.mark.parametrize("name", CASES)
def test_the_example_of_a_framework_is_counted(name: str, running: Server, tmp_path: Path) -> None:
    case = CASES[name]
    module = case.module
    site = Site(tmp_path, running, running.create_project(name), module, EXAMPLES[module])
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    pages_of_errors = 0 if name in ("starlette", "fastapi") else 1  # theirs is plain text
    with site.served(case.server, case.app):
        for number in (1, 2, 5):
            assert site.ask("GET", f"/items/{number}?utm_source=mail&q=x").body == b"<title>Item %d</title>" % (
                10 // number
            )
        assert site.ask("GET", "/items/0").status == 500
        assert site.ask("POST", "/order", b"pieces=2&password=x", **form).status in (302, 303)
        assert site.ask("GET", "/healthz").status == 404
        assert site.ask("GET", "/items/1", User_Agent="curl/8.5.0").status == 200
        wait_until(lambda: sum(site.counts("type").values()) >= 10 + pages_of_errors, 30, "all is counted")
    types, template = site.counts("type"), case.template
    assert types == {"page": 3 + pages_of_errors, "form": 1, "error": 1, "performance": 5}
    assert site.counts("name", type="page") == {template: 3 + pages_of_errors}
    assert site.counts("name", type="form") == {"order": 1}
    (sent,) = site.question("events?filter=type:is:form")["rows"]
    assert sent["properties"]["fields"] == ["pieces"]
    assert site.counts("name", type="error") == {"ZeroDivisionError": 1}
    assert site.counts("name", type="performance") == {f"GET {template}": 4, "POST /order": 1}
    assert site.counts("path", type="page")["/items/5"] == 1
    assert site.counts("title", type="page")["Item 10"] == 1
    assert site.counts("utm_source", type="page")["mail"] == 3
    stats = site.question("stats")
    assert (stats["visitors"], stats["sessions"], stats["pageviews"]) == (1, 1, 3 + pages_of_errors)


@pytest.mark.parametrize("name", CASES)
def test_the_script_comes_from_the_site_in_every_framework(name: str, running: Server, tmp_path: Path) -> None:
    case = CASES[name]
    module = case.module
    keys = running.create_project(f"{name}-script")
    text = re.sub(r"(Middleware[(,].*analytics)\)$", r"\1, inject=True)", EXAMPLES[module], flags=re.MULTILINE)
    site = Site(tmp_path, running, keys, module, text.replace("</title>", "</title></head>"))
    with site.served(case.server, case.app):
        page = site.ask("GET", "/items/1")
        assert b"</title><script defer src=" in page.body
        assert page.headers["content-length"] == str(len(page.body))
        script = site.ask("GET", "/_shockmouse/agent.js")
        assert site.ask("GET", "/_shockmouse/agent.js", If_None_Match=script.headers["etag"]).status == 304
        zipped = site.ask("GET", "/_shockmouse/agent.js", Accept_Encoding="gzip")
        assert zipped.headers["etag"] != script.headers["etag"]
        before, lost = too_large(running), {"too_large": 2}
        batch = json.dumps({"batch_id": str(uuid.uuid4()), "dropped": lost, "events": [click()]}).encode()
        for _ in range(2):
            assert site.ask("POST", f"/_shockmouse/events?key={keys.write_key}", batch).status == 202
        wait_until(lambda: sum(site.counts("type").values()) >= 2, 30, "all is counted")
    assert site.counts("type") == {"click": 1, "performance": 1}
    assert site.question("stats")["visitors"] == 1
    assert too_large(running) - before == 2  # once, though the batch came twice


def too_large(running: Server) -> int:
    """Return how many events the server has heard of that senders have dropped for their size."""
    told = running.request("GET", "/metrics").body.decode()
    found = re.search(r'^shockmouse_client_events_dropped_total\{reason="too_large"\} (\d+)', told, re.MULTILINE)
    return int(found[1]) if found else 0


def click() -> dict[str, str]:
    """Return an event as the browser script sends it."""
    return {"event_id": str(uuid.uuid4()), "type": "click", "timestamp": datetime.now(UTC).isoformat()}


def test_streams_and_websockets_pass_under_a_real_server(running: Server, tmp_path: Path) -> None:
    keys = running.create_project("others")
    site = Site(tmp_path, running, keys, "other", OTHER)

    async def echo() -> str:
        url = f"http://127.0.0.1:{site.port}/echo"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.send_str("hello")
            return str(await socket.receive_str())

    with site.served(HYPERCORN, "other:app"):
        assert asyncio.run(echo()) == "hello"
        assert site.ask("GET", "/stream").body == b"<head></head>0<head></head>1<head></head>2"
        page = site.ask("GET", "/")
        tag = f'<script defer src="/_shockmouse/agent.js" data-key="{keys.write_key}" data-events="events"></script>'
        assert page.body.decode() == f"<html><head><title>Home</title>{tag}</head><body></body></html>"
        wait_until(lambda: sum(site.counts("type").values()) >= 3, 30, "all is counted")
    assert site.counts("type") == {"page": 1, "performance": 2}
    assert site.question("stats")["visitors"] == 1
