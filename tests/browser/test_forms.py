"""Forms tell the names and the order of their fields, and never a value."""

import contextlib
import os
from pathlib import Path

import pytest
from playwright.sync_api import Request

from tests.browser.visitor import Visitor
from tests.oracle import query

pytestmark = pytest.mark.browser
FORM = """
<form name="order" action="/thanks?secret=1" method="post">
<input name="email"><input name="city"><textarea name="wishes"></textarea>
<select name="size"><option value="">-</option><option value="{secret}-option">{secret}-shown</option></select>
<input name="agree" type="checkbox" value="{secret}-box">
<input name="pass" type="password"><input name="card_number"><input name="number" autocomplete="cc-number">
<input name="hidden" type="hidden" value="{secret}-hidden">
<span data-shockmouse-ignore><input name="private"></span>
<button>Send</button></form>
<form id="other"><input name="id"><input name="q"></form>
<div contenteditable id="free">write here</div>
"""
SECRET = "Zq7typedXw9"


def forms(visitor: Visitor, number: int) -> list[tuple[str, dict[str, object]]]:
    rows = visitor.stored(number, "form")
    for row in rows:
        assert 0 <= row["properties"].pop("duration_ms") < 60_000
    return [(row["name"], row["properties"]) for row in rows]


def fill_in(tab: object) -> None:
    for name in ("city", "email", "wishes", "pass", "card_number", "number", "private"):
        tab.fill(f"[name={name}]", f"{SECRET}-{name}")  # type: ignore[attr-defined]
    tab.select_option("[name=size]", f"{SECRET}-option")  # type: ignore[attr-defined]
    tab.check("[name=agree]")  # type: ignore[attr-defined]
    tab.fill("[name=email]", f"{SECRET}@example.com")  # type: ignore[attr-defined]


def files_with(folder: Path, text: bytes) -> list[str]:
    """Return the files that hold the text; what the engine removes meanwhile is none."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found += [name] if text in (Path(parent) / name).read_bytes() else []
    return found


@pytest.mark.parametrize("method", ["post", "get"])  # get: the next page's address has what was typed
def test_a_form_that_is_sent_tells_its_fields_in_the_order_of_use_and_no_value_anywhere(
    visitor: Visitor, method: str
) -> None:
    form = FORM.replace('method="post"', f'method="{method}"')
    visitor.put("/", form.format(secret=SECRET), privacy="full", consent="given")
    visitor.put("/thanks", '<a id="on" href="/last">on</a>', consent="given")
    visitor.put("/last", consent="given")
    sent: list[bytes] = []

    def listen(request: Request) -> None:
        if request.url.startswith(visitor.server.url):
            sent.append(request.url.encode() + (request.post_data_buffer or b""))

    visitor.context.on("request", listen)
    tab = visitor.open("/")
    fill_in(tab)
    tab.click("#free")
    tab.keyboard.type(f"{SECRET}-free")
    tab.click("button")
    tab.wait_for_url("**/thanks**")
    tab.click("#on")
    assert [row["path"] for row in visitor.stored(3, "page")] == ["/", "/thanks", "/last"]
    told = {
        "form": "order",
        "action": "/thanks",
        "fields": ["city", "email", "wishes", "size", "agree"],
        "outcome": "submit",
    }
    assert forms(visitor, 1) == [("order", told)]
    assert [body for body in sent if SECRET.encode() in body] == []
    assert len(sent) > 1
    assert files_with(visitor.server.data_dir, SECRET.encode()) == []
    found = query(
        visitor.server.data_dir, f"select count() as n from events where position(toString(tuple(*)), '{SECRET}') > 0"
    )
    assert found == [{"n": 0}]


def test_a_form_that_is_left_is_abandoned(visitor: Visitor) -> None:
    visitor.put("/", FORM.format(secret=SECRET))
    visitor.put("/next")
    tab = visitor.open("/")
    tab.fill("#other [name=q]", SECRET)
    tab.fill("[name=email]", SECRET)
    tab.goto(f"{visitor.origin}/next")
    assert sorted(forms(visitor, 2)) == [
        ("order", {"form": "order", "action": "/thanks", "fields": ["email"], "outcome": "abandon"}),
        ("other", {"form": "other", "action": "/", "fields": ["q"], "outcome": "abandon"}),
    ]


def test_a_form_that_the_pages_script_sends_is_sent_once(visitor: Visitor) -> None:
    visitor.put(
        "/",
        '<form id="a" action="/next"><input name="x"></form>'
        '<form id="b" action="/next"><input name="submit"><button>Go</button></form><script>'
        "b.onsubmit = event => (event.preventDefault(), HTMLFormElement.prototype.submit.call(b))</script>",
    )
    visitor.put("/next")
    tab = visitor.open("/")
    tab.fill("[name=x]", SECRET)
    assert tab.evaluate("[a.submit(), a.submit.call.length]") == [None, 1]
    tab.wait_for_url("**/next**")
    visitor.open("/", tab).fill("[name=submit]", SECRET)
    tab.click("button")
    tab.wait_for_url("**/next**")
    assert [(name, told["outcome"], told["fields"]) for name, told in forms(visitor, 2)] == [
        ("a", "submit", ["x"]),
        ("b", "submit", ["submit"]),
    ]


def test_a_form_that_an_application_takes_away_is_abandoned_and_one_it_sends_is_not(visitor: Visitor) -> None:
    visitor.put(
        "/",
        '<form id="a" onsubmit="return false"><input name="x"><button>Go</button></form>'
        '<form id="b"><input name="y"></form>',
    )
    tab = visitor.open("/")
    tab.fill("[name=x]", SECRET)
    tab.click("button")
    tab.fill("[name=y]", SECRET)
    tab.evaluate("document.querySelectorAll('form').forEach(form => form.remove()); history.pushState({}, '', '/done')")
    assert [(name, told["outcome"], told["fields"]) for name, told in forms(visitor, 2)] == [
        ("a", "submit", ["x"]),
        ("b", "abandon", ["y"]),
    ]
