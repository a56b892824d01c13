"""A page that sends the header of the documentation with its requests: script and server tell of one session."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.server_process import Server, wait_until
from tests.site_process import HYPERCORN, Site

pytestmark = pytest.mark.browser

DOCS = Path(__file__).parents[2] / "packages" / "analytics" / "docs" / "web.md"
(SNIPPET,) = re.findall(r"^```js\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
PROGRAM = """
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

analytics = Analytics("wk_…", endpoint="https://stats.example.com")

async def home(request):
    return HTMLResponse('<title>Home</title><script defer src="https://stats.example.com/agent.js" data-key="wk_…"'
                        ' data-consent="given"></script>')

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
        tab.add_script_tag(content=SNIPPET)
        tab.wait_for_timeout(1500)  # the script hands over every second
        context.close()
        wait_until(lambda: "performance" in told(site) and "track" in told(site) and "page" in told(site), 60, "stored")
    rows = site.question("sessions?bots=include")["rows"]
    events = site.question(f"sessions/{rows[0]['session_id']}?bots=include")["events"]
    assert len(rows) == 1
    assert {"Home", "Order placed", "POST /orders"} <= {event["name"] for event in events}


def told(site: Site) -> set[str]:
    """Return the types of what is stored; every visitor here is a program."""
    return {row["value"] for row in site.question("breakdown?dimension=type&metrics=events&bots=include")["rows"]}
