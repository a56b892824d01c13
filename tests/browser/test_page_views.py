"""Every way in which a page comes to be seen is one page view."""

from pathlib import Path

import pytest

from tests.browser.conftest import WHEN_READY, undriven
from tests.browser.visitor import Visitor
from tests.server_process import wait_until

pytestmark = pytest.mark.browser


def views(visitor: Visitor, number: int) -> list[tuple[str, str]]:
    return [(row["path"], row["name"]) for row in visitor.stored(number, "page")]


def test_every_page_of_a_site_is_viewed_with_title_address_and_referrer(visitor: Visitor) -> None:
    visitor.put("/", '<a id="next" href="/two?utm_source=letter">on</a>', title="One")
    visitor.put("/two", title="Zwei & drei")
    tab = visitor.open("/")
    tab.click("#next")
    first, second = visitor.stored(2, "page")
    told = ("path", "title", "name", "url", "referrer", "bot")
    letter = f"{visitor.origin}/two?utm_source=letter"
    assert [tuple(row[name] for name in told) for row in (first, second)] == [
        ("/", "One", "One", f"{visitor.origin}/", "", "webdriver"),
        ("/two", "Zwei & drei", "Zwei & drei", letter, f"{visitor.origin}/", "webdriver"),
    ]  # fmt: skip
    assert first["device_id"] == second["device_id"]
    assert first["session_id"] == second["session_id"]


def test_an_application_of_one_page_is_viewed_at_each_change_of_path(visitor: Visitor) -> None:
    visitor.put("/app", title="Start")
    tab = visitor.open("/app")
    for change in (
        "history.pushState({}, '', '/app/list'); document.title = 'List'",
        "history.replaceState({}, '', '/app/list?sorted=1')",
        "history.replaceState({}, '', '/app/item'); document.title = 'Item'",
        "history.pushState({}, '', '/app/last'); document.title = 'Last'",
        "history.back()",
        "location.hash = 'part'",
    ):
        tab.evaluate(change)
        tab.wait_for_timeout(100)
    assert views(visitor, 5) == [
        ("/app", "Start"), ("/app/list", "List"), ("/app/item", "Item"), ("/app/last", "Last"), ("/app/item", "Last")
    ]  # fmt: skip


def test_a_new_query_is_a_page_where_it_is_a_step_of_the_history(visitor: Visitor) -> None:
    visitor.put("/list", title="List")
    tab = visitor.open("/list")
    for change in (
        "history.pushState({}, '', '/list?page=2')",
        "history.pushState({}, '', '/list?page=2')",  # the same address again
        "history.pushState({}, '', '/list?page=2#row')",
        "history.replaceState({}, '', '/list?page=2&sorted=1')",
        "history.replaceState({}, '', '/list?page=2')",
        "history.go(-2)",
        "history.back()",
        "history.replaceState({}, '', '/list?filter=a')",
        "shockmouse.track('filtered')",
        "history.pushState({}, '', '/list?filter=a')",  # the same address again
        "history.pushState({}, '', '/item')",
    ):
        tab.evaluate(change)
        tab.wait_for_timeout(200)
    told = visitor.stored(5, "page", "track")
    assert [(row["name"], row["url"].removeprefix(visitor.origin)) for row in told] == [
        ("List", "/list"),
        ("List", "/list"),
        ("List", "/list"),
        ("filtered", "/list"),
        ("List", "/item"),
    ]
    assert told[-1]["referrer"] == f"{visitor.origin}/list"


def test_parts_of_a_page_are_pages_when_asked(visitor: Visitor) -> None:
    visitor.put("/doc", title="Doc", autotrack="pages hash")
    tab = visitor.open("/doc#/intro")
    for part in ("#/use", "#/find?q=typed"):
        tab.evaluate(f"location.hash = '{part}'")
        tab.wait_for_timeout(100)
    assert views(visitor, 3) == [("/doc/intro", "Doc"), ("/doc/use", "Doc"), ("/doc/find", "Doc")]
    assert [row["url"].rpartition("#")[2] for row in visitor.stored(3, "page")] == ["/intro", "/use", "/find"]


def test_a_page_from_the_back_forward_cache_is_viewed_again(visitor: Visitor) -> None:
    visitor.put("/", '<script>addEventListener("pageshow", e => window.restored = e.persisted)</script>', title="One")
    visitor.put("/two", title="Two")
    tab = visitor.open("/")
    tab.evaluate("location.href = '/two'")
    tab.wait_for_url("**/two")
    tab.evaluate("history.back()")
    assert views(visitor, 3) == [("/", "One"), ("/two", "Two"), ("/", "One")]
    seen = visitor.stored(3, "page")
    assert [seen[0]["boot_id"] == seen[2]["boot_id"], seen[0]["boot_id"] == seen[1]["boot_id"]] == [True, False]


def test_a_prerendered_page_is_viewed_when_it_is_shown_and_not_before(visitor: Visitor, tmp_path: Path) -> None:
    rules = '{"prerender": [{"urls": ["/two", "/three"], "eagerness": "immediate"}]}'
    shown = "document.prerendering ? document.addEventListener('prerenderingchange', tell) : tell()"
    head = f'<script type="speculationrules">{rules}</script>'
    visitor.put("/", WHEN_READY % "/two", title="One", head=head)
    for path in ("/two", "/three"):
        visitor.put(
            path,
            "<script>const began = Date.now(), prerendered = document.prerendering;"
            f"addEventListener('load', () => {{ shockmouse.track('early', {{began, prerendered}}); {shown};"
            "if (location.pathname === '/two') setTimeout(() => localStorage.ready = 1, 1000) });"
            "const tell = () => shockmouse.track('shown', {at: Date.now()})</script>",
        )
    with undriven(f"{visitor.origin}/", tmp_path):
        rows = visitor.stored(4, "page", "track")
    assert [(row["type"], row["name"]) for row in rows] == [
        ("page", "One"), ("page", "/two"), ("track", "early"), ("track", "shown")
    ]  # fmt: skip
    _, page, early, last = rows
    assert early["properties"]["prerendered"] is True
    assert last["properties"]["at"] - early["properties"]["began"] > 200
    viewed_at = int(page["event_id"].replace("-", "")[:12], 16)  # a UUID of version 7 begins with milliseconds
    assert abs(viewed_at - last["properties"]["at"]) < 500


def test_a_path_through_a_site_is_told_event_for_event_by_the_session(visitor: Visitor) -> None:
    for path in ("/", "/cheese", "/contact"):
        visitor.put(
            path, '<a href="/cheese">Cheese</a> <a href="/contact">Contact</a>', title=path.upper(), consent="given"
        )
    tab = visitor.open("/")
    for link in ("Cheese", "Contact"):
        tab.click(f"text={link}")
        tab.wait_for_url(f"**/{link.lower()}")
    tab.evaluate("shockmouse.track('Order sent', {pieces: 2})")
    tab.close()
    did = [
        ("page", "/"),
        ("click", "Cheese"),
        ("page", "/CHEESE"),
        ("click", "Contact"),
        ("page", "/CONTACT"),
        ("track", "Order sent"),
    ]
    kept = visitor.stored(6, "page", "click", "track")
    assert [(row["type"], row["name"]) for row in kept] == did
    session_id, everything = kept[0]["session_id"], {"bots": "include", "limit": "1000"}

    def told() -> list[tuple[str, str]]:
        session = visitor.server.ask(f"sessions/{session_id}", **everything)
        return [(each["type"], each["name"]) for each in session["events"] if each["type"] != "performance"]

    def is_whole() -> bool:  # the table of sessions follows that of events within the same insert
        listed = {row["session_id"] for row in visitor.server.ask("sessions", **everything)["rows"]}
        return session_id in listed and len(told()) >= len(did)

    wait_until(is_whole, 5, "the session is listed with all that happened")
    assert told() == did
