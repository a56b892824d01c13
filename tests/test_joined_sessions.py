"""A browser's session and the events of the site's server are one session, by the header and by the site's cookie."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.server_process import Server, wait_until
from tests.site_process import HYPERCORN, Site

PROGRAM = """
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

analytics = Analytics("wk_…", endpoint="https://stats.example.com")

async def home(request):
    return HTMLResponse("<html><head><title>Home</title></head><body></body></html>")

async def order(request):
    analytics.track("Order placed", visitor=request.scope["shockmouse.visit"].visitor)
    return PlainTextResponse("thanks")

routes = [Route("/", home), Route("/order", order, methods=["POST"])]
app = AnalyticsMiddleware(Starlette(routes=routes), analytics, inject=INJECT, consent=lambda request: True)
"""
DEVICE, SESSION = "0190b8a5-0000-7000-a000-00000000000d", "0190b8a5-0000-7000-a000-000000000005"


def batch(**ids: str) -> bytes:
    """Return a page view as the browser script sends it."""
    event = {"event_id": str(uuid.uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat()}
    told = event | {"name": "Home", "privacy": "balanced"} | ids
    return json.dumps({"batch_id": str(uuid.uuid4()), "events": [told]}).encode()


def names(site: Site, session_id: str) -> list[str]:
    """Return the names of a session's events, sorted."""
    return sorted(event["name"] for event in site.question(f"sessions/{session_id}")["events"])


def wait_for_sessions(site: Site, events: int) -> None:
    """Return when sessions have so many events: a view has them a moment after the events themselves are there."""
    wait_until(lambda: sum(one["events"] for one in site.question("sessions")["rows"]) >= events, 30, "all is counted")


def test_requests_with_the_header_join_the_browsers_session(server: Server, tmp_path: Path) -> None:
    site = Site(tmp_path, server, server.keys, "webshop", PROGRAM.replace("INJECT", "False"))
    with site.served(HYPERCORN, "webshop:app"):
        body = json.loads(batch(device_id=DEVICE, session_id=SESSION))
        assert server.post(body).status == 200  # the script comes from the analytics server and sends there
        header = f"01;s={SESSION};d={DEVICE}"
        answer = site.ask("POST", "/order", b"x", Shockmouse_Session=header)
        assert "set-cookie" not in answer.headers
        site.ask("POST", "/order", b"x", Shockmouse_Session=header, Sec_GPC="1")  # and this one does not
        wait_for_sessions(site, 5)
    assert names(site, SESSION) == ["Home", "Order placed", "POST /order"]
    (device,) = site.question("devices?filter=type:is:page")["rows"]
    assert (device["device_id"], device["events"]) == (DEVICE, 3)


@pytest.mark.parametrize("has_consent", [True, False])
def test_a_site_that_brings_the_script_needs_no_header(server: Server, tmp_path: Path, has_consent: bool) -> None:
    program = PROGRAM.replace("INJECT", "True").replace("lambda request: True", f"lambda request: {has_consent}")
    site = Site(tmp_path, server, server.keys, "webshop", program)
    with site.served(HYPERCORN, "webshop:app"):
        cookie = site.ask("GET", "/").headers.get("set-cookie", "").partition(";")[0]
        assert bool(cookie) == has_consent
        sent = {"Cookie": cookie} if cookie else {}
        body = batch(device_id=DEVICE, session_id=SESSION) if has_consent else batch(privacy="strict")
        assert site.ask("POST", f"/_shockmouse/events?key={server.keys.write_key}", body, **sent).status == 202
        site.ask("POST", "/order", b"x", **sent)
        wait_for_sessions(site, 4)
    (session,) = site.question("sessions")["rows"]
    assert names(site, session["session_id"]) == ["GET /", "Home", "Order placed", "POST /order"]
    assert site.question("stats")["visitors"] == 1
