"""One server, one site and one Chromium for all tests; each test is a visitor with a profile and a host of its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.server_process import Server

CHROMIUM = "/usr/bin/chromium"  # Debian's package
ARGUMENTS = (
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
