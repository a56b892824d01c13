"""A person who reads the dashboard in Chromium: what is shown, and whatever the page's policy had to stop."""

import itertools
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import BrowserContext, Locator, Page

from tests.server_process import Server, wait_until

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
READY = """() => {
  const room = document.getElementById("room")
  return !!room && !document.querySelector("[aria-busy=true]") && room.dataset.address === location.search
}"""
WATCH = """
window.stopped = []; window.shifts = 0
document.addEventListener("securitypolicyviolation", event => stopped.push(event.violatedDirective, event.blockedURI))
new PerformanceObserver(list => {
  for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifts += value
}).observe({ type: "layout-shift", buffered: true })
"""


class Reader:
    """One browser profile on one server's dashboard; each attempt to sign in has its own address."""

    addresses = itertools.count(1)

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context = context
        self.server = server
        self.complaints: list[str] = []
        self.requests: list[str] = []
        context.add_init_script(WATCH)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", self._listen)
        context.on("request", lambda request: self.requests.append(request.url))
        self.page: Page = context.new_page()

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, key: str | None = None) -> None:
        """Take the cookie for a project, by its read key."""
        form = {"key": key or self.server.keys.read_key}
        comes_from = {"X-Forwarded-For": f"198.51.100.{next(self.addresses)}"}
        url = f"{self.server.url}/sign-in"
        answer = self.context.request.post(url, form=form, headers=comes_from, max_redirects=0)
        assert answer.status == 303, answer.text()

    def open(self, query: str = "") -> Page:
        """Show a view and wait until it has its answers."""
        self.page.goto(f"{self.server.url}/{query}")
        return self.ready()

    def ready(self) -> Page:
        wait_until(lambda: bool(self.page.evaluate(READY)), 60, "the view has its answers")
        return self.page

    def click(self, target: str | Locator) -> Page:
        """Click, and wait until what follows is shown."""
        (self.page.locator(target) if isinstance(target, str) else target).click()
        return self.ready()

    def range(self, question: str) -> dict[str, str]:
        """Return the range that the page gave this question last."""
        url = next(url for url in reversed(self.requests) if f"/api/v1/{question}?" in url)
        given = parse_qs(urlsplit(url).query)
        return {"from": given["from"][0], "to": given["to"][0]}

    @property
    def address(self) -> dict[str, list[str]]:
        """The address bar's parameters."""
        return parse_qs(urlsplit(self.page.url).query)

    def rows(self, table: str) -> list[list[str]]:
        """Return the texts of a table's body."""
        rows = self.page.locator(f"{table} tbody tr").all()
        return [[text.strip() for text in row.locator("th, td").all_text_contents()] for row in rows]

    def stopped(self) -> list[str]:
        """Return what the page's policy stopped."""
        found: list[str] = self.page.evaluate("stopped")
        return found

    def keep(self, name: str) -> None:
        """Write a screenshot of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def number(text: str) -> int:
    """Return the whole number that a text shows."""
    return int(re.sub(r"[^\d-]", "", text))
