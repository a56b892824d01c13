"""A page whose script marks its requests: script and server tell of one session."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Request

from tests.browser.visitor import Visitor
from tests.server_process import Server, wait_until
from tests.site_process import HYPERCORN, Site

pytestmark = pytest.mark.browser

# Every way in which a page sends a request; each tells by its path which it is.
REQUESTS = """async () => {
  const body = "pieces=2"
  const asked = new XMLHttpRequest()
  const answered = new Promise(resolve => asked.onload = resolve)
  asked.open("POST", "/orders?xhr")
  asked.setRequestHeader("X-Own", "kept")
  asked.send(body)
  await answered
  await fetch("/orders?plain", {method: "POST", body, headers: {"X-Own": "kept"}})
  await fetch(new URL("/orders?url", location), {method: "POST", body, headers: [["X-Own", "kept"]]})
  await fetch(new Request("/orders?request", {method: "POST", body, headers: {"X-Own": "kept"}}))
  const settings = new Request("/orders", {method: "POST", headers: {"X-Own": "kept"}})
  await fetch("/orders?as-settings", settings)
  await fetch("http://127.0.0.1:9/elsewhere", {mode: "no-cors"}).catch(() => 0)
  return fetch("http://[bad").then(() => "no", error => error.name)
}"""
PROGRAM = """
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

analytics = Analytics("wk_…", endpoint="https://stats.example.com")

async def home(request):
    return HTMLResponse('<title>Home</title><script defer src="https://stats.example.com/agent.js" data-key="wk_…"'
                        ' data-consent="given" data-join></script>')

async def order(request):
    analytics.track("Order placed", visitor=request.scope["shockmouse.visit"].visitor)
    return PlainTextResponse("thanks")

app = AnalyticsMiddleware(
    Starlette(routes=[Route("/", home), Route("/orders", order, methods=["POST"])]),
    analytics,
    consent=lambda request: request.header("shockmouse-session") != "",
    skip=lambda request: request.method == "GET",  # the script tells of pages
)
"""


def test_the_pages_requests_join_its_session(chromium: Browser, server: Server, tmp_path: Path) -> None:
    site = Site(tmp_path, server, server.keys, "webshop", PROGRAM)
    with site.served(HYPERCORN, "webshop:app"):
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{site.port}/")
        tab.wait_for_function("window.shockmouse && sessionStorage['shockmouse.session']")
        tab.evaluate("fetch('/orders', {method: 'POST'})")
        tab.wait_for_timeout(1500)  # the script hands over every second
        context.close()
        wait_until(lambda: "performance" in told(site) and "track" in told(site) and "page" in told(site), 60, "stored")
    rows = site.question("sessions?bots=include")["rows"]
    events = site.question(f"sessions/{rows[0]['session_id']}?bots=include")["events"]
    assert len(rows) == 1
    assert {"Home", "Order placed", "POST /orders"} <= {event["name"] for event in events}


@pytest.mark.parametrize("options", [{"join": "", "consent": "given"}, {"join": ""}, {"consent": "given"}], ids=str)
def test_only_with_consent_and_when_asked_requests_to_the_own_origin_are_marked(
    visitor: Visitor, options: dict[str, str]
) -> None:
    asked: dict[str, dict[str, Any]] = {}

    def listen(request: Request) -> None:
        asked[request.url.removeprefix(visitor.origin)] = request.headers

    visitor.put("/", **options)
    visitor.put("/orders")
    tab = visitor.open("/")
    tab.on("request", listen)
    assert tab.evaluate(REQUESTS) == "TypeError"
    marked = {path for path, headers in asked.items() if "shockmouse-session" in headers}
    own = {path for path in asked if path.startswith("/orders")}
    is_joined = len(options) == 2
    assert marked == ({f"/orders?{way}" for way in ("xhr", "plain", "url", "request")} if is_joined else set())
    assert (len(own), {asked[path]["x-own"] for path in own}) == (5, {"kept"})
    if is_joined:
        session, device = tab.evaluate(
            "[JSON.parse(sessionStorage['shockmouse.session']).id, localStorage['shockmouse.device']]"
        )
        assert {asked[path]["shockmouse-session"] for path in marked} == {f"01;s={session};d={device}"}


def told(site: Site) -> set[str]:
    """Return the types of what is stored; every visitor here is a program."""
    return {row["value"] for row in site.question("breakdown?dimension=type&metrics=events&bots=include")["rows"]}
