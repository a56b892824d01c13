"""A site that brings the script into its pages itself: one visitor to script and middleware, and nothing lost."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.oracle import waiting
from tests.server_process import Server, wait_until
from tests.site_process import HYPERCORN, Site

pytestmark = pytest.mark.browser

PROGRAM = """
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

async def page(request):
    return HTMLResponse("<html><head><title>Home</title></head><body><button>Buy</button></body></html>")

analytics = Analytics("wk_…", endpoint="https://stats.example.com")
app = AnalyticsMiddleware(
    Starlette(routes=[Route("/{name:path}", page)]),
    analytics,
    inject=True,
    consent=lambda request: request.path.startswith("/agreed") or "agreed" in request.header("referer"),
    skip=lambda request: request.path == "/favicon.ico",  # and not the bot that drives this browser
)
"""


@pytest.mark.parametrize(("path", "cookies"), [("/agreed", ["shockmouse_device"]), ("/anonymous", [])])
def test_a_visit_is_one_visitors_and_outlives_the_absence_of_the_server(
    chromium: Browser, server: Server, tmp_path: Path, path: str, cookies: list[str]
) -> None:
    site = Site(tmp_path, server, server.keys, "webshop", PROGRAM)
    with site.served(HYPERCORN, "webshop:app"):
        server.stop()
        context = chromium.new_context()
        tab = context.new_page()
        for again in ("", "/again"):
            tab.goto(f"http://127.0.0.1:{site.port}{path}{again}")
            tab.wait_for_function("window.shockmouse && shockmouse.version")
            tab.click("button")
            tab.wait_for_timeout(1500)  # the script hands over every second
        assert [cookie["name"] for cookie in context.cookies()] == cookies
        stored = tab.evaluate("Object.keys(localStorage).filter(name => name.includes('batch'))")
        context.close()
        server.start()
        wait_until(lambda: seen(site) == {"page": 2, "click": 2}, 60, "all is stored")
        wait_until(lambda: waiting(server.data_dir) == 0, 30, "every view has it")
    assert stored == []
    stats = site.question("stats?bots=include")
    assert (stats["visitors"], stats["sessions"], stats["pageviews"]) == (1, 1, 2)


def seen(site: Site) -> dict[str, int]:
    """Return how many pages and clicks are stored; every visitor here is a program."""
    rows = site.question("breakdown?dimension=type&metrics=events&bots=include")["rows"]
    return {row["value"]: row["events"] for row in rows if row["value"] in ("page", "click")}
