"""Web vitals are those of the `web-vitals` library, which measures beside the script; errors and long tasks."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import WHEN_READY, undriven
from tests.browser.npm import read_package
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
VERSION = "6.2.3"
NAMES = ("TTFB", "FCP", "LCP", "CLS", "INP")
BESIDE = """
<script src="/web-vitals.js"></script>
<script>
  for (const name of ["TTFB", "FCP", "LCP", "CLS", "INP"])
    webVitals["on" + name](({value, navigationType}) => localStorage[navigationType + "." + name] = value)
</script>
"""
BODY = """
<h1 style="font-size: 60px">A large headline that is the first paint of some size</h1>
<div id="room"></div><p>Text that moves when the room is taken</p>
<button onclick="for (const end = performance.now() + 120; performance.now() < end; );">Slow</button>
<button id="quick">Quick</button>
<script>
  const shift = height => room.style.height = height + "px"
</script>
"""


@pytest.fixture(scope="session")
def web_vitals() -> bytes:
    """The library from npm."""
    return read_package("web-vitals", VERSION, "dist/web-vitals.iife.js")


@pytest.fixture
def tab(visitor: Visitor, web_vitals: bytes) -> Page:
    visitor.site.put(visitor.host, "/web-vitals.js", web_vitals, Content_Type="text/javascript")
    visitor.put("/", BODY, head=BESIDE)
    visitor.put("/next")
    return visitor.open("/")


def use(tab: Page) -> None:
    """Click, then let the page move twice, later than is put down to the click."""
    tab.wait_for_timeout(300)
    tab.click("text=Slow")
    tab.click("#quick")
    for height in (80, 300):
        tab.wait_for_timeout(800)
        tab.evaluate("height => shift(height)", height)
    tab.wait_for_timeout(300)


def theirs(tab: Page, kind: str) -> dict[str, float]:
    kept = tab.evaluate("({...localStorage})")
    return {name: round(float(kept[f"{kind}.{name}"]), 4) for name in NAMES if f"{kind}.{name}" in kept}


def test_all_five_equal_the_library_and_again_after_the_back_forward_cache(visitor: Visitor, tab: Page) -> None:
    use(tab)
    tab.evaluate("location.href = '/next'")
    tab.wait_for_url("**/next")
    tab.wait_for_timeout(300)
    loaded = theirs(tab, "navigate")
    tab.evaluate("history.back()")
    tab.wait_for_url(visitor.origin + "/", wait_until="commit")  # there is no load event
    use(tab)
    tab.evaluate("location.href = '/next'")
    tab.wait_for_url("**/next")
    tab.wait_for_timeout(300)
    restored = theirs(tab, "back-forward-cache")
    rows = visitor.stored(10, *NAMES)
    boots = [row["boot_id"] for row in rows]
    lives: list[dict[str, float]] = [{}, {}]
    for row in rows:
        if row["boot_id"] == boots[0] and row["path"] == "/":
            lives[row["name"] in lives[0]][row["name"]] = row["properties"]["value"]
    assert sorted(loaded) == sorted(NAMES)
    assert loaded["INP"] >= 120
    assert loaded["CLS"] > 0
    assert lives[0] == pytest.approx(loaded, abs=0.0001)
    assert sorted(restored) == sorted(NAMES)
    for name in ("FCP", "LCP"):  # each looks at the clock by itself, in callbacks of the same frame
        assert abs(lives[1].pop(name) - restored.pop(name)) < 10
    assert lives[1] == pytest.approx(restored, abs=0.0001)


@pytest.mark.alone
def test_those_of_a_prerendered_page_count_from_when_it_is_shown(
    visitor: Visitor, web_vitals: bytes, tmp_path: Path
) -> None:
    rules = '{"prerender": [{"urls": ["/shown"], "eagerness": "immediate"}]}'
    visitor.site.put(visitor.host, "/web-vitals.js", web_vitals, Content_Type="text/javascript")
    go = "document.prerendering ? localStorage.ready = 1 : setTimeout(() => location.href = '/told', 3000)"
    visitor.put("/", WHEN_READY % "/shown", head=f'<script type="speculationrules">{rules}</script>')
    visitor.put("/shown", BODY + f"<script>onload = document.onprerenderingchange = () => {go}</script>", head=BESIDE)
    visitor.put("/told", "<script>onload = () => shockmouse.track('theirs', {...localStorage})</script>")
    with undriven(f"{visitor.origin}/", tmp_path):
        (told,) = visitor.stored(1, "theirs")
        rows = [row for row in visitor.stored(5, *NAMES) if row["path"] == "/shown"]
    kind = "prerender%2E"  # as the database writes a dot within a name
    measured = {name[len(kind) :]: float(text) for name, text in told["properties"].items() if name.startswith(kind)}
    ours = {row["name"]: row["properties"]["value"] for row in rows}
    assert {"TTFB", "FCP", "LCP", "CLS"} <= set(measured)
    assert ours == pytest.approx(measured, abs=0.0001)


def test_long_tasks_are_counted_once_a_page(visitor: Visitor) -> None:
    visitor.put("/")
    tab = visitor.open("/")
    busy = "for (const end = performance.now() + {0}; performance.now() < end; );"
    for length in (60, 180):
        tab.evaluate(f"setTimeout(() => {{ {busy.format(length)} }})")
        tab.wait_for_timeout(300)
    tab.goto("about:blank")
    (told,) = visitor.stored(1, "longtask")
    assert told["properties"]["count"] >= 2
    assert 180 <= told["properties"]["duration_ms"] < 10_000


def test_errors_tell_message_file_and_line_once_each(visitor: Visitor) -> None:
    visitor.site.put(
        visitor.host,
        "/broken.js",
        "\nfunction fail(argument) {\n  throw new TypeError('no cheese')\n}",
        Content_Type="text/javascript",
    )
    visitor.put("/", '<script src="/broken.js?version=1"></script>')
    tab = visitor.open("/")
    tab.evaluate("for (let i = 0; i < 3; i++) setTimeout(fail, 0, 'Zq7argument')")
    tab.evaluate("setTimeout(() => { Promise.reject(Error('no answer')) })")
    tab.wait_for_timeout(100)
    tab.evaluate("for (let i = 0; i < 50; i++) setTimeout(() => { throw Error('flood ' + i) })")
    tab.wait_for_timeout(500)
    found = visitor.stored(20, "error")
    assert len(visitor.complaints) == 54
    visitor.complaints.clear()
    assert [row["properties"] for row in found[:2]] == [
        {"message": "Uncaught TypeError: no cheese", "file": f"{visitor.origin}/broken.js", "line": 3, "column": 9},
        {"message": "no answer"},
    ]
    assert len(visitor.stored(20, "error")) == 20


def test_an_error_cites_no_text_that_was_read(visitor: Visitor) -> None:
    visitor.put("/", '<input id="field" value="Zq7typed">')
    tab = visitor.open("/")
    tab.evaluate("setTimeout(() => JSON.parse(document.querySelector('#field').value))")
    (found,) = visitor.stored(1, "error")
    visitor.complaints.clear()
    assert found["properties"]["message"].startswith("Uncaught SyntaxError: Unexpected token")
    assert "Zq7typed" not in f"{found['name']} {found['properties']}"
