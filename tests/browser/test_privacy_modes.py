"""What is stored in the browser and sent in each mode, and what a visitor's refusal does."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
STRICT = {"platform", "mobile", "touch", "viewport", "pixel_ratio", "dark"}
BALANCED = STRICT | {"cores", "memory", "color_depth", "gamut", "hdr"}
FULL = BALANCED | {"languages", "vendor", "math", "architecture", "platformVersion", "uaFullVersion"}


def storage(tab: Page) -> tuple[list[str], list[str], str]:
    """Return the names in localStorage and sessionStorage, and the cookies."""
    return tuple(tab.evaluate("[Object.keys(localStorage).sort(), Object.keys(sessionStorage), document.cookie]"))


def first(visitor: Visitor, **options: Any) -> tuple[Page, dict[str, Any]]:
    visitor.put("/", **options)
    tab = visitor.open("/")
    return tab, visitor.stored(1, "page")[0]


def told(row: dict[str, Any]) -> tuple[str, str, str, bool]:
    return row["privacy"], row["timezone"], row["screen"], len(row["device_id"]) == 36


@pytest.mark.parametrize("options", [{}, {"privacy": "full"}, {"privacy": "strict", "consent": "given"}], ids=str)
def test_without_consent_or_in_strict_mode_nothing_is_stored(visitor: Visitor, options: dict[str, str]) -> None:
    tab, row = first(visitor, **options)
    assert storage(tab) == ([], [], "")
    assert told(row) == ("strict", "", "", False)
    assert (row["locale"], set(row["fingerprint"])) == ("en", STRICT)


def test_balanced_with_consent_keeps_a_random_id_and_coarse_facts(visitor: Visitor) -> None:
    tab, row = first(visitor, consent="given")
    assert storage(tab) == (["shockmouse.device"], ["shockmouse.session"], "")
    assert told(row) == ("balanced", tab.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone"), "1300x700", True)
    assert row["device_id"] == tab.evaluate("localStorage['shockmouse.device']")
    assert (row["locale"], set(row["fingerprint"]) - BALANCED) == ("en-US", set())
    assert {"gamut", "hdr", "color_depth"} <= set(row["fingerprint"])


def test_full_with_consent_adds_the_fine_signals_and_none_of_those_marked_never(visitor: Visitor) -> None:
    tab, row = first(visitor, privacy="full", consent="given")
    assert told(row)[::2] == ("full", "1280x720")
    tab.evaluate("shockmouse.track('later')")
    (later,) = visitor.stored(1, "later")
    assert set(later["fingerprint"]) - FULL - {"model", "platform"} == set()
    assert {"languages", "vendor", "math", "architecture", "uaFullVersion"} <= set(later["fingerprint"])
    assert later["fingerprint_hash"] != row["fingerprint_hash"]


@pytest.mark.parametrize("wish", ["Full", "fulll", "balanced ", ""])
def test_a_mode_that_is_none_is_the_strictest(visitor: Visitor, wish: str) -> None:
    _, row = first(visitor, privacy=wish, consent="given")
    assert row["privacy"] == {"Full": "full", "": "balanced"}.get(wish, "strict")


STORED = {
    "a number": ("5", "5" * 65),
    "a text": ('"str"', "two\nlines"),
    "nothing": ("null", "null"),
    "an object": ('{"id":"5","started":"x","last":1}', '{"id":"%s"}' % ("x" * 60)),
    "no JSON": ("{", "🐭" * 50),
}


@pytest.mark.parametrize("what", STORED)
def test_what_others_have_stored_under_our_names_is_as_good_as_absent(visitor: Visitor, what: str) -> None:
    session, device = STORED[what]
    sent: list[bytes] = []
    visitor.context.on("request", lambda request: sent.append(request.post_data_buffer or b""))
    visitor.site.put(visitor.host, "/blank", "<!doctype html><title>Without the script</title>")
    tab = visitor.context.new_page()
    tab.goto(f"{visitor.origin}/blank")
    tab.evaluate(
        """([session, device]) => {
          sessionStorage["shockmouse.session"] = session
          for (const name of ["device", "consent", "batch.", "batch.0190"]) localStorage["shockmouse." + name] = device
        }""",
        [session, device],
    )
    visitor.put("/", consent="given")
    visitor.open("/", tab).evaluate("shockmouse.track('still told')")
    page, track = visitor.stored(2, "page", "track")
    for row in (page, track):
        assert (row["privacy"], len(row["device_id"]), len(row["session_id"])) == ("balanced", 36, 36)
    assert page["session_id"] == track["session_id"]
    tab.evaluate("shockmouse.flush()")
    assert all(body.startswith(b'{"sent_at":"') and b'"batch_id"' in body for body in sent if body)


def test_opting_in_begins_a_device_and_opting_out_ends_everything(visitor: Visitor) -> None:
    tab, _ = first(visitor)
    tab.evaluate("shockmouse.optIn()")
    tab.evaluate("shockmouse.track('agreed')")
    assert storage(tab) == (["shockmouse.consent", "shockmouse.device"], ["shockmouse.session"], "")
    visitor.open("/", tab).evaluate("shockmouse.track('remembered')")
    tab.evaluate("shockmouse.optOut()")
    tab.evaluate("shockmouse.track('never')")
    visitor.open("/", tab).evaluate("shockmouse.track('never again')")
    tab.evaluate("shockmouse.flush()")
    assert storage(tab) == (["shockmouse.consent"], [], "")
    rows = visitor.stored(6, "page", "consent", "track")
    assert [(row["type"], row["name"], row["privacy"]) for row in rows] == [
        ("page", "/", "strict"),
        ("consent", "given", "balanced"),
        ("track", "agreed", "balanced"),
        ("page", "/", "balanced"),
        ("track", "remembered", "balanced"),
        ("consent", "withdrawn", "balanced"),
    ]
    assert len({row["device_id"] for row in rows}) == 2


@pytest.mark.parametrize("order", ["other tab", "same tab"])
def test_what_happened_before_consent_is_told_as_before_consent(visitor: Visitor, order: str) -> None:
    visitor.put("/")
    asking, answering = visitor.open("/"), visitor.open("/")
    visitor.stored(2, "page")
    asking.evaluate("shockmouse.track('before')")
    (answering if order == "other tab" else asking).evaluate("shockmouse.optIn()")
    asking.evaluate("shockmouse.track('after')")
    before, after = visitor.stored(2, "track")
    assert (before["name"], before["locale"], *told(before)) == ("before", "en", "strict", "", "", False)
    assert (after["name"], after["locale"], after["privacy"], after["screen"]) == (
        "after", "en-US", "balanced", "1300x700"
    )  # fmt: skip
    assert before["batch_id"] != after["batch_id"]


def test_people_of_the_site_leave_out_their_own_visits_by_an_address(visitor: Visitor) -> None:
    said: list[str] = []
    tab = visitor.context.new_page()
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    visitor.put("/", consent="given")
    visitor.put("/next", consent="given")
    visitor.open("/#shockmouse-ignore", tab)
    visitor.open("/next", tab).evaluate("shockmouse.flush()")
    assert storage(tab) == (["shockmouse.consent"], [], "")
    visitor.open("/next#shockmouse-count", tab)
    tab.reload()
    visitor.open("/#other", tab)
    assert said == [f"Visits counted: {answer}" for answer in ("no", "yes", "yes")]
    assert [row["path"] for row in visitor.stored(2, "page")] == ["/next", "/"]


def test_where_nothing_can_be_stored_nobody_is_told_that_visits_are_left_out(visitor: Visitor) -> None:
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked') }})"
    said: list[str] = []
    tab = visitor.context.new_page()
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    visitor.put("/", head=f"<script>{blocked}</script>")
    visitor.open("/#shockmouse-ignore", tab)
    assert said == ["Visits counted: yes"]
    assert len(visitor.stored(1, "page")) == 1


REFUSALS = {
    "Global Privacy Control": "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})",
    "Do Not Track": "Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'})",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_strict_whatever_the_page_says(visitor: Visitor, name: str) -> None:
    visitor.context.add_init_script(REFUSALS[name])
    tab, row = first(visitor, privacy="full", consent="given")
    tab.evaluate("shockmouse.optIn()")
    assert storage(tab) == ([], [], "")
    assert told(row) == ("strict", "", "", False)


def test_a_refusal_sends_nothing_where_the_site_wants_that(visitor: Visitor) -> None:
    visitor.context.add_init_script(REFUSALS["Global Privacy Control"])
    asked: list[str] = []
    visitor.context.on("request", lambda request: asked.append(request.url))
    visitor.put("/", gpc="drop")
    tab = visitor.open("/")
    tab.evaluate("shockmouse.track('x'); shockmouse.optIn(); shockmouse.optOut(); shockmouse.flush()")
    tab.goto("about:blank")
    tab.wait_for_timeout(500)
    assert asked == [f"{visitor.origin}/", f"{visitor.server.url}/agent.js"]
