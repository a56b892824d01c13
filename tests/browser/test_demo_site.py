"""The demo's shop in a real browser: what a visitor does there is what the visit's session tells, event for event."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.server_process import Server, clean_environment, wait_until

pytestmark = pytest.mark.browser
SITE = Path(__file__).parents[2] / "tools" / "demo" / "site.py"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
# Writes down what the script hands to the browser, whatever way it takes.
TAP = """
{
  const note = body => {
    const ids = JSON.parse(body).events.map(event => event.event_id)
    localStorage.handed = JSON.stringify([...JSON.parse(localStorage.handed || "[]"), ...ids])
  }
  const tap = (owner, name, bodyOf) => {
    const original = owner[name]
    owner[name] = function (address, given) {
      if (String(address).includes("/_shockmouse/")) note(bodyOf(given))
      return original.apply(this, arguments)
    }
  }
  tap(window, "fetch", given => given.body)
  tap(window, "fetchLater", given => given.body)
  tap(navigator, "sendBeacon", given => given)
}
"""


@pytest.fixture
def shop(browser_server: Server, tmp_path: Path) -> Iterator[str]:
    """The demo's own web site as a process of its own; its address."""
    environment = clean_environment(
        HOME=str(tmp_path),
        SHOCKMOUSE_CLIENT_WRITE_KEY=browser_server.keys.write_key,
        SHOCKMOUSE_CLIENT_ENDPOINT=browser_server.url,
    )
    command = [sys.executable, str(SITE)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as site:
        assert site.stdout is not None
        try:
            yield site.stdout.readline().removeprefix("serving ").strip()
        finally:
            os.killpg(site.pid, signal.SIGTERM)
            assert "delivered" in site.stdout.read()


def buy(tab: Page) -> list[tuple[str, str]]:
    """Walk from the first page to an order; return type and name of what a person would say was done."""
    tab.click("text=See all cheese")
    tab.wait_for_url("**/cheese")
    tab.click("text=Comté")
    tab.wait_for_url("**/comte")
    tab.click("#add")
    tab.wait_for_selector("text=In your basket: 1")
    for link, path in (("To the basket", "basket"), ("To the checkout", "checkout")):
        tab.click(f"text={link}")
        tab.wait_for_url(f"**/{path}")
    tab.fill("[name=name]", "Zq7typedXw9")
    tab.fill("[name=email]", "Zq7typedXw9@example.com")
    tab.click("text=Order with costs")
    tab.wait_for_url("**/thanks")
    return [
        ("page", "Mouse & Cheese"),
        ("click", "Hero: see all cheese"),
        ("page", "All cheese"),
        ("click", "Comté, 24 months29 € a piece"),
        ("page", "Comté, 24 months"),
        ("click", "Add to basket"),
        ("track", "Basket filled"),
        ("click", "To the basket"),
        ("page", "Your basket"),
        ("click", "To the checkout"),
        ("page", "Checkout"),
        ("click", "Order with costs"),
        ("form", "checkout"),
        ("track", "Order placed"),
        ("page", "Thank you"),
    ]


def test_a_visitors_path_is_told_event_for_event_by_the_session(
    chromium: Browser, browser_server: Server, shop: str
) -> None:
    asked: list[str] = []

    def listen(request: Request) -> None:
        if request.resource_type == "document" or request.url == f"{shop}/basket":
            asked.append(
                f"{request.method} {request.url.removeprefix(shop)}".replace("/cheese/comte", "/cheese/{slug}")
            )

    context = chromium.new_context(user_agent=CHROME)  # the middleware leaves out a HeadlessChrome
    context.add_cookies([{"name": "cookies", "value": "accepted", "url": shop}])
    context.add_init_script(TAP)
    tab = context.new_page()
    tab.on("request", listen)
    tab.goto(shop)
    tab.wait_for_function("window.shockmouse && shockmouse.version")
    did = buy(tab)
    (device,) = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "shockmouse_device"]
    tab.wait_for_timeout(1200)  # the script hands over every second
    tab.evaluate("window.shockmouse.flush()")
    handed = set(tab.evaluate("JSON.parse(localStorage.handed)"))
    context.close()
    everything = {"bots": "include", "limit": "1000"}  # a driven browser says that it is one
    served = len(asked) + 2  # a timing of each request, and what the shop itself tracks
    wait_until(lambda: events_of(browser_server, device) >= len(handed) + served, 30, "all events are counted")
    rows = browser_server.ask("sessions", **everything)["rows"]
    (session,) = [row for row in rows if row["device_id"] == device]
    told = browser_server.ask(f"sessions/{session['session_id']}", **everything)["events"]
    assert [(event["type"], event["name"]) for event in told if event["type"] != "performance"] == did
    timed = [event["name"] for event in told if event["name"].startswith(("GET /", "POST /"))]
    assert sorted(timed) == sorted(asked)
    by_server = {event["event_id"] for event in told if event["type"] == "track" or event["name"] in timed}
    later = {event["event_id"] for event in told} - handed - by_server
    names = {event["name"] for event in told if event["event_id"] in later}
    assert handed <= {event["event_id"] for event in told}
    assert names <= {"TTFB", "FCP", "LCP", "CLS", "INP", "longtask", "engagement"}  # of the page that was closed last


def events_of(server: Server, device: str) -> int:
    """Return how many events of the device are counted."""
    rows = server.ask("devices", bots="include", limit="1000")["rows"]
    return sum(row["events"] for row in rows if row["device_id"] == device)
