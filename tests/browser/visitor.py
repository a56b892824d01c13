"""A person in Chromium on a test's own host, and what the server has stored of the visit."""

import itertools
import json
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.browser.site import Site
from tests.oracle import query
from tests.server_process import Server, wait_until

COLUMNS = (
    "toString(event_id) as event_id, type, name, path, url, title, referrer, device_id, session_id, user_id, privacy, "
    "sample_rate, bot, locale, timezone, screen, fingerprint_hash, fingerprint, boot_id, seq, "
    "toString(batch_id) as batch_id, toJSONString(properties) as properties, "
    "toJSONString(user_properties) as user_properties"
)
PLAIN = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>{tag}</head>"
    "<body>{body}</body></html>"
)


class Visitor:
    """One browser profile; pages on its host carry the script's tag."""

    names = itertools.count(1)

    def __init__(self, context: BrowserContext, site: Site, server: Server) -> None:
        self.context = context
        self.server = server
        self.site = site
        self.host = f"test{next(self.names)}"
        self.origin = site.origin(self.host)
        self.complaints: list[str] = []
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def tag(self, **options: str) -> str:
        """Return the script's element; an underscore in an option's name is a hyphen."""
        given = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in options.items())
        return (
            f'<script defer src="{self.server.url}/agent.js" data-key="{self.server.keys.write_key}"{given}></script>'
        )

    def put(self, path: str, body: str = "", *, title: str = "", head: str = "", headers: dict[str, str] | None = None,
            **options: str) -> None:  # fmt: skip
        """Serve a page with the tag."""
        page = PLAIN.format(title=title or path, tag=head + self.tag(**options), body=body)
        self.site.put(self.host, path, page, **(headers or {}))

    def open(self, path: str = "/", tab: Page | None = None) -> Page:
        """Return a tab that shows the page, the script started."""
        shown = tab or self.context.new_page()
        shown.goto(self.origin + path)
        shown.wait_for_function("window.shockmouse && shockmouse.version")
        return shown

    def rows(self) -> list[dict[str, Any]]:
        """Return what is stored of this host's events, in the order in which they happened."""
        found = query(
            self.server.data_dir,
            f"select {COLUMNS} from events where host like '{self.host}.localhost%' order by timestamp, boot_id, seq",
        )
        for row in found:
            row["properties"] = json.loads(row["properties"])
            row["user_properties"] = json.loads(row["user_properties"])
        return found

    def stored(self, at_least: int, *kinds: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Return the rows of these types or names, of all when none is given, once there are so many."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            if self.context.pages:
                self.context.pages[-1].wait_for_timeout(100)  # lets Playwright tell us what happens meanwhile
            found[:] = [row for row in self.rows() if not kinds or {row["type"], row["name"]} & {*kinds}]
            return len(found) >= at_least

        try:
            wait_until(arrived, seconds, f"{at_least} events are stored", every=0.1)
        except TimeoutError as exc:
            told = [(row["type"], row["name"]) for row in self.rows()]
            raise AssertionError(f"{exc}: {told}") from exc
        return found
