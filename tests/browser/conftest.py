"""One server, one site and one Chromium for all tests; each test is a visitor with a profile and a host of its own."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser import shop
from tests.browser.reader import SCREENSHOTS, Reader
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.server_process import Server, wait_until

CHROMIUM = "/usr/bin/chromium"  # Debian's package
# Each new profile would load two pages of its address bar, though it has no window, and have a spare process wait: more
# work than what most tests do in theirs. Playwright's own list gives way to this one: its features are as people have
# them.
FEATURES = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess")
ARGUMENTS = (
    f"--disable-features={','.join(FEATURES)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser without a window, with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            headless=True,
            args=[*ARGUMENTS],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


# For a page that goes on to another as soon as that one, prerendered, has set localStorage.ready; a second try would be
# a plain load.
WHEN_READY = """<script>
  const timer = setInterval(() => {
    if (!localStorage.ready) return
    clearInterval(timer)
    location.href = "%s"
  }, 300)
</script>"""


@contextlib.contextmanager
def undriven(address: str, profile: Path) -> Iterator[None]:
    """A Chromium that nobody drives opens the address: it prerenders, as no driven one does. The page drives itself."""
    command = [CHROMIUM, "--headless", *ARGUMENTS, f"--user-data-dir={profile}", "--remote-debugging-port=0", address]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as browser:
        try:
            yield
        finally:
            browser.terminate()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with Site() as serving:
        yield serving


@pytest.fixture(scope="session")
def browser_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows the script and ingestion by further names too."""
    names = {"agent_path": "/m/cheese.js", "events_path": "/m/crumbs"}
    with Server(tmp_path_factory.mktemp("browser"), **names) as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser, site: Site, browser_server: Server) -> Iterator[Visitor]:
    """A visitor; a page that the script has disturbed fails the test."""
    context = chromium.new_context()
    visiting = Visitor(context, site, browser_server)
    yield visiting
    context.close()
    assert visiting.complaints == []


@pytest.fixture(scope="session")
def shop_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two months of a small shop; its tests only read."""
    with Server(tmp_path_factory.mktemp("shop")) as running:
        sent = shop.fill(running, visits_per_day=12)
        wait_until(lambda: stored(running) == sent, 60, "the shop's events are stored", every=0.2)
        yield running


def stored(server: Server) -> int:
    return int(server.ask("stats", **{"from": "2000-01-01", "bots": "include"})["events"])


@pytest.fixture
def reader(chromium: Browser, shop_server: Server) -> Iterator[Reader]:
    """Somebody signed in to the shop; what the page's policy stopped, or an error of a script, fails the test."""
    with reading(chromium, shop_server) as somebody:
        somebody.sign_in()
        yield somebody


@contextlib.contextmanager
def reading(chromium: Browser, server: Server, **options: Any) -> Iterator[Reader]:
    context = chromium.new_context(**{"viewport": {"width": 1360, "height": 900}} | options)
    somebody = Reader(context, server)
    yield somebody
    stopped = somebody.stopped()
    context.close()
    assert (somebody.complaints, stopped) == ([], [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SCREENSHOTS.exists():
        terminalreporter.write_line(f"screenshots of the dashboard: {SCREENSHOTS}")
