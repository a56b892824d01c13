"""The script does not disturb the page that it is in: no error, no delay, little work, under any policy."""

import gzip
import json

import pytest

from tests.browser.visitor import Visitor
from tests.oracle import Report

pytestmark = pytest.mark.browser
MOST_BYTES = 6144
# Wraps what the script hands to the browser, so that its own time is counted and nobody else's: what is handed over
# once the page is there is the test's.
STOPWATCH = """
<script>
  window.spent = {start: 0, click: []}
  const before = performance.now.bind(performance)
  const add = EventTarget.prototype.addEventListener
  EventTarget.prototype.addEventListener = function (type, work, ...more) {
    if (type !== "click" || document.readyState === "complete") return add.call(this, type, work, ...more)
    return add.call(this, type, function (event) {
      const from = before()
      work.call(this, event)
      spent.click.push(before() - from)
    }, ...more)
  }
</script>
"""
STARTED = """
<script>
  const script = document.createElement("script")
  script.dataset.key = "{key}"
  script.dataset.consent = "given"
  script.textContent = {source}
  const from = performance.now()
  document.head.append(script)
  spent.start = performance.now() - from
</script>
"""


def names(visitor: Visitor, number: int) -> list[str]:
    return [row["name"] for row in visitor.stored(number, "page", "track")]


@pytest.mark.alone
def test_the_cost_of_start_and_click_is_small(visitor: Visitor, report: Report) -> None:
    source = visitor.server.request("GET", "/agent.js").body.decode()
    inline = STARTED.format(key=visitor.server.keys.write_key, source=json.dumps(source).replace("</", "<\\/"))
    buttons = "".join(f"<button id=b{number}>Button {number}</button>" for number in range(200))
    starts, medians = [], []
    while len(starts) < 2 or (len(starts) < 6 and (min(starts) > 5 or min(medians) > 0.5)):  # again if others are busy
        visitor.site.put(visitor.host, "/", f"<!doctype html><title>Cost</title><body>{buttons}{STOPWATCH}{inline}")
        tab = visitor.open("/")
        for number in range(30):
            tab.click(f"#b{number}")
        spent = tab.evaluate("spent")
        starts.append(spent["start"])
        assert len(spent["click"]) == 30
        medians.append(sorted(spent["click"])[15])
        tab.close()
    start, click, size = min(starts), min(medians), len(gzip.compress(source.encode(), 9))
    report(f"agent.js: {len(source)} bytes, {size} gzipped; start-up {start:.2f} ms, a click {click:.2f} ms")
    assert size <= MOST_BYTES
    assert start <= 5
    assert click <= 0.5


def test_calls_before_the_script_is_there_are_kept(visitor: Visitor) -> None:
    stub = (
        "<script>window.shockmouse = {q: []};"
        "['track', 'page', 'identify', 'optIn', 'optOut', 'flush'].forEach(verb =>"
        "shockmouse[verb] = (...given) => shockmouse.q.push([verb, ...given]));"
        "shockmouse.q.push(null, 5);"
        "shockmouse.identify('user-42', {plan: 'pro'}); shockmouse.track('early', {number: 1})</script>"
    )
    visitor.put("/", head=stub)
    visitor.open("/")
    page, identify, track = visitor.stored(3)
    assert [row["type"] for row in (page, identify, track)] == ["page", "identify", "track"]
    assert [row["user_id"] for row in (page, identify, track)] == ["", "user-42", "user-42"]
    assert (identify["user_properties"], track["name"], track["properties"]) == (
        {"plan": "pro"},
        "early",
        {"number": 1},
    )


@pytest.mark.parametrize("way", ["async", "blocking", "injected", "module"])
def test_it_works_however_it_is_loaded(visitor: Visitor, way: str) -> None:
    address, key = f"{visitor.server.url}/agent.js", visitor.server.keys.write_key
    ways = {
        "async": f'<script async src="{address}" data-key="{key}"></script>',
        "blocking": f'<script src="{address}" data-key="{key}"></script><script>shockmouse.track("at once")</script>',
        "injected": "<script>const script = document.createElement('script');"
        f"script.src = '{address}'; script.dataset.key = '{key}'; document.head.append(script)</script>",
        "module": f'<script type="module" crossorigin src="{address}" data-key="{key}"></script>',
    }
    visitor.site.put(visitor.host, "/", f"<!doctype html><head>{ways[way]}<title>Loaded</title></head>")
    visitor.open("/")
    expected = ["Loaded", "at once"] if way == "blocking" else ["Loaded"]
    assert names(visitor, len(expected)) == expected


def test_it_works_under_a_strict_policy_without_a_complaint(visitor: Visitor) -> None:
    allowed = f"script-src {visitor.server.url}; connect-src {visitor.server.url}"
    policy = f"default-src 'none'; {allowed}; require-trusted-types-for 'script'"
    visitor.put(
        "/", "<button>Press</button>", privacy="full", consent="given", headers={"Content_Security_Policy": policy}
    )
    tab = visitor.open("/")
    tab.click("button")
    assert [row["name"] for row in visitor.stored(2, "page", "click")] == ["/", "Press"]


def test_loaded_twice_it_counts_once(visitor: Visitor) -> None:
    visitor.put("/", head=visitor.tag())
    tab = visitor.open("/")
    tab.evaluate("shockmouse.track('last')")
    assert names(visitor, 2) == ["/", "last"]


def test_nothing_that_a_page_does_makes_it_throw(visitor: Visitor) -> None:
    hostile = """
    <script>
      Object.defineProperty(Document.prototype, "title", {get: () => "🐭".repeat(300)})
      navigator.sendBeacon = window.fetchLater = () => { throw Error("no") }
    </script>
    <form><input name="id"><input name="closest" id="typed"><button id="send" type="button">Send</button></form>
    <svg width="100" height="20"><a href="#part"><text y="15" id="svg">SVG</text></a></svg>
    """
    visitor.put("/", head=hostile)
    tab = visitor.open("/")
    tab.evaluate("""() => {
      const loop = {}
      loop.loop = loop
      for (const given of [loop, 1n, () => {}, Symbol("x"), null]) shockmouse.track("odd", given)
      shockmouse.track()
      shockmouse.track("lone \\ud83d", {})
      shockmouse.identify(undefined, loop)
      shockmouse.page("P".repeat(5000), {deep: {er: [1]}})
      document.body.dispatchEvent(new MouseEvent("click", {bubbles: true}))
      document.dispatchEvent(new MouseEvent("click"))
    }""")
    tab.fill("#typed", "x")
    tab.click("#send")
    tab.click("#svg")
    tab.evaluate("shockmouse.track('fine', {kept: true})")
    assert visitor.stored(1, "fine")[0]["properties"] == {"kept": True}
    assert [len(row["name"]) for row in visitor.stored(2, "page")] == [127, 255]
    assert visitor.stored(1, "SVG") != []


def test_a_server_that_is_away_is_none_of_the_pages_business(visitor: Visitor) -> None:
    visitor.put("/", endpoint="http://127.0.0.1:9/stats")
    tab = visitor.open("/")
    assert tab.evaluate("shockmouse.flush().then(() => 'settled')") == "settled"
    tab.goto("about:blank")
    assert visitor.rows() == []
