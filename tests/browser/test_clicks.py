"""What a click tells, and what it never tells."""

import pytest
from playwright.sync_api import Page

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
BODY = """
<style>a, button, p, div { display: block; margin: 12px }</style>
<button id="buy" class="big red" data-shockmouse-plan="pro" data-other="secret">Buy <b>now</b></button>
<button id="icon" aria-label="Close the window">×</button>
<p id="text">Just a text</p>
<div id="named" data-shockmouse-name="Hero" onclick="0">A named part</div>
<div data-shockmouse-ignore><button id="quiet">Do not look</button></div>
<a id="out" href="http://other.localhost:9/path?token=secret#part" onclick="event.preventDefault()">Elsewhere</a>
<a id="pdf" href="/files/report.PDF?user=secret" onclick="event.preventDefault()">Report</a>
<a id="saved" href="/files/thing" download onclick="event.preventDefault()">Thing</a>
<a id="mail" href="mailto:someone@example.com" onclick="event.preventDefault()">Write</a>
<input id="field" value="typed text"><label for="field" id="label">Label</label>
<label id="agree">I agree <input type="checkbox" name="agreed"></label>
<label id="nothing">Of nothing</label>
<div data-shockmouse-ignore><input id="secret"></div><label for="secret" id="hush">Hush</label>
<label for="field" id="called" data-shockmouse-name="Called">Label</label>
<button id="long">%s</button>
<div contenteditable><a id="edited" href="#x">typed by a person</a></div>
<div id="host"></div>
<script>host.attachShadow({mode: "open"}).innerHTML = "<button id=inner>Inside</button>"</script>
""" % ("x" * 79 + "🐭🐭")


@pytest.fixture
def tab(visitor: Visitor) -> Page:
    visitor.put(
        "/", BODY, head="<script>addEventListener('click', event => window.prevented = event.defaultPrevented)</script>"
    )
    return visitor.open("/")


def clicks(visitor: Visitor, number: int) -> list[tuple[str, dict[str, object]]]:
    return [(row["name"], row["properties"]) for row in visitor.stored(number, "click")]


def test_a_click_tells_of_its_element_and_nothing_else(visitor: Visitor, tab: Page) -> None:
    for name in ("buy", "icon", "text", "named", "quiet", "field", "long", "mail", "edited", "inner"):
        tab.click(f"#{name}")
        tab.wait_for_timeout(400)  # further apart than what is taken for rage
    assert clicks(visitor, 8) == [
        ("Buy now", {"tag": "button", "id": "buy", "classes": "big red", "plan": "pro", "text": "Buy now"}),
        ("Close the window", {"tag": "button", "id": "icon", "label": "Close the window", "text": "×"}),
        ("Hero", {"tag": "div", "id": "named", "name": "Hero"}),
        ("field", {"tag": "input", "id": "field"}),
        ("x" * 79, {"tag": "button", "id": "long", "text": "x" * 79}),
        ("Write", {"tag": "a", "id": "mail", "text": "Write"}),
        ("edited", {"tag": "a", "id": "edited", "href": visitor.origin + "/"}),
        ("Inside", {"tag": "button", "id": "inner", "text": "Inside"}),
    ]


def test_the_text_of_a_button_is_not_told_where_a_person_can_type_in_it(visitor: Visitor) -> None:
    visitor.put(
        "/",
        "<div role=button id=a><b><span contenteditable>x</span></b></div>"
        "<div role=link id=b><p>Note</p><textarea>typed before</textarea></div>"
        "<div role=button id=c><select><option>chosen</select></div>"
        "<div role=button id=d><span contenteditable=plaintext-only>x</span></div>"
        "<button id=e>Buy <b>now</b></button>",
    )
    tab = visitor.open("/")
    for field in ("#a span", "#d span"):
        tab.click(field)
        tab.keyboard.type("SECRETTYPED")
    tab.wait_for_timeout(1100)  # further apart than what is taken for rage
    for name in "abcde":
        tab.evaluate("name => document.getElementById(name).click()", name)
    assert clicks(visitor, 7)[2:] == [
        *((name, {"tag": "div", "id": name}) for name in "abcd"),
        ("Buy now", {"tag": "button", "id": "e", "text": "Buy now"}),
    ]
    assert "SECRETTYPED" not in str(visitor.rows())


def test_links_that_lead_away_and_downloads_are_marked_and_lose_their_query(visitor: Visitor, tab: Page) -> None:
    for name in ("out", "pdf", "saved"):
        tab.click(f"#{name}")
    told = [
        {key: value for key, value in properties.items() if key not in ("tag", "text")}
        for _, properties in clicks(visitor, 3)
    ]
    assert told == [
        {"id": "out", "href": "http://other.localhost:9/path", "outbound": True},
        {"id": "pdf", "href": f"{visitor.origin}/files/report.PDF", "download": True},
        {"id": "saved", "href": f"{visitor.origin}/files/thing", "download": True},
    ]


def test_three_quick_clicks_on_one_place_are_rage_even_on_plain_text(visitor: Visitor, tab: Page) -> None:
    tab.click("#text", click_count=5)
    tab.keyboard.press("Tab")
    for _ in range(4):
        tab.focus("#buy")
        tab.keyboard.press("Enter")  # the keyboard is no rage
    found = clicks(visitor, 5)
    assert found == [("text", {"tag": "p", "id": "text", "rage": True})] + [found[1]] * 4
    assert "rage" not in found[1][1]


def test_a_click_on_a_label_is_one_click_on_its_field(visitor: Visitor, tab: Page) -> None:
    field = ("field", {"tag": "input", "id": "field"})
    for name in ("label", "nothing", "hush", "called", "field"):
        tab.click(f"#{name}")
        tab.wait_for_timeout(400)
    box = {"tag": "input"}
    for place in range(2):
        tab.click("#agree", position={"x": 5, "y": 5})
        tab.wait_for_timeout(300 + 900 * place)
    assert tab.is_checked("[name=agreed]") is False
    tab.click("#agree", position={"x": 5, "y": 5}, click_count=3)
    assert clicks(visitor, 8) == [
        field,
        ("Called", {"tag": "label", "id": "called", "name": "Called"}),
        field,
        *[("input", box)] * 4,
        ("input", box | {"rage": True}),
    ]


def test_the_middle_button_opens_links_and_is_no_other_click(visitor: Visitor, tab: Page) -> None:
    tab.evaluate("addEventListener('auxclick', event => event.preventDefault())")
    for name in ("out", "buy", "text", "pdf"):
        tab.click(f"#{name}", button="middle")
    tab.click("#pdf", button="right")
    tab.click("#buy")
    found = clicks(visitor, 3)
    assert [(name, told.get("outbound"), told.get("download")) for name, told in found] == [
        ("Elsewhere", True, None),
        ("Report", None, True),
        ("Buy now", None, None),
    ]


def test_navigation_is_neither_prevented_nor_delayed(visitor: Visitor) -> None:
    visitor.put("/", '<a id="next" href="/next">Next</a>')
    visitor.put("/next")
    tab = visitor.open("/")
    tab.evaluate("addEventListener('click', event => sessionStorage.prevented = event.defaultPrevented)")
    tab.click("#next")
    tab.wait_for_url("**/next")
    assert tab.evaluate("sessionStorage.prevented") == "false"
    assert clicks(visitor, 1)[0][0] == "Next"


def test_what_is_not_asked_for_is_not_tracked(visitor: Visitor) -> None:
    visitor.put("/", BODY + '<form id="f"><input id="g"></form>', autotrack="outbound")
    tab = visitor.open("/")
    tab.click("#buy")
    tab.fill("#g", "x")
    tab.click("#out")
    tab.evaluate("setTimeout(() => { throw Error('meant') })")
    tab.wait_for_timeout(200)
    visitor.complaints.clear()
    tab.goto("about:blank")
    visitor.stored(1)
    visitor.put("/", autotrack="")
    visitor.open("/").evaluate("shockmouse.track('by hand')")
    assert [(row["type"], row["name"]) for row in visitor.stored(2)] == [("click", "Elsewhere"), ("track", "by hand")]
