"""Strings made to do harm, stored through the script and by plain ingestion wherever text is shown: they do nothing.

Each view of the dashboard, and what a click on a row leads to, shows them as text; the page's policy has nothing to
stop, no window opens, nothing is asked of another host.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import reading, stored
from tests.browser.reader import Reader
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.server_process import Server, wait_until

pytestmark = pytest.mark.browser
ATTACKS = (
    "<script>window.hurt=1</script>",
    "<img src=x onerror=window.hurt=1>",
    '"><svg onload=window.hurt=1>',
    "javascript:window.hurt=1//",
    "'; DROP TABLE events; --\\",
    "{{constructor.constructor('window.hurt=1')()}}",
    "=cmd|' /C calc'!A0",
    "{x:String} %s `id` ${1+1}",
    "__proto__",
    "\u202egnp.exe\u0007 & <b>bold</b>",
)
DIMENSIONS = (
    *("path", "title", "entry_path", "host", "entry_referrer_host", "entry_utm_source", "entry_utm_campaign"),
    *("browser", "os", "locale", "app_version", "name", "user_id", "property.note", "user_property.plan"),
)
# A device whose id has control characters is refused by its address, which is told in the view's place.
SHOWN = """() => !document.querySelector("[aria-busy=true]") &&
  (document.getElementById("room").dataset.address === location.search || document.querySelector("#room > .failure"))"""
HURT = """() => {
  const all = [...document.querySelectorAll("*")]
  return {
    hurt: window.hurt ?? null,
    made: document.querySelectorAll("#room img, #room script, #room svg[onload], #room iframe, #room b").length,
    handlers: all.filter(each => [...each.attributes].some(({name}) => name.startsWith("on"))).length,
    links: [...document.links].map(({protocol}) => protocol).filter(protocol => !/^https?:$/.test(protocol)),
    prototype: [...Object.keys({}), "note" in {}],
  }
}"""


def events() -> Iterator[dict[str, Any]]:
    """Yield for each string events that carry it wherever a sender may write text."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    for number, text in enumerate(ATTACKS):
        page = {
            "url": f"https://{text}/{text}?utm_source={text}&utm_campaign={text}",
            "path": f"/{text}",
            "title": text,
            "referrer": f"https://evil.example/{text}",
        }
        context = {
            "page": page,
            "locale": text[:35],
            "timezone": text[:64],
            "user_agent": text,
            "app": {"name": text[:64], "version": text[:64]},
        }
        for kind in ("page", "track", "click", "form", "error", "performance", "screen"):
            yield {
                "event_id": str(uuid.uuid4()),
                "type": kind,
                "name": text,
                "timestamp": (now + timedelta(seconds=number)).isoformat(),
                "user_id": text,
                "device_id": text[:64],
                "session_id": text[:64],
                "privacy": "full",
                "context": context,
                "properties": {"note": text, text: text, "value": 1},
                "user_properties": {"plan": text},
                "fingerprint": {"hash": text[:64], "signals": {text[:64]: text, "os": text}},
            }


@pytest.fixture(scope="module")
def hostile_server(tmp_path_factory: pytest.TempPathFactory, chromium: Browser, site: Site) -> Iterator[Server]:
    """A server to which the strings came by both ways."""
    with Server(tmp_path_factory.mktemp("hostile")) as running:
        answer = running.post({"events": list(events())})
        assert answer.status == 200, answer.body
        sent = int(answer.json()["accepted"])
        assert sent >= 7 * (len(ATTACKS) - 1), answer.body  # one id may be refused, as `__proto__` is none
        visitor = Visitor(chromium.new_context(), site, running)
        visitor.put("/", "<button>x</button><form id=f><input name=q></form>", consent="given", privacy="full")
        tab = visitor.open("/")
        tab.evaluate(
            """texts => texts.forEach((text, number) => {
              shockmouse.identify(text, {plan: text})
              shockmouse.track(text, {note: text, [text]: text})
              document.title = text
              document.querySelector("button").textContent = text
              document.querySelector("button").id = text
              document.querySelector("button").click()
              document.querySelector("input").name = text
              document.querySelector("input").dispatchEvent(new Event("change", {bubbles: true}))
              history.pushState({}, "", "/" + encodeURIComponent(text) + "?utm_source=" + encodeURIComponent(text))
              shockmouse.page(text)
            })""",
            list(ATTACKS),
        )
        by_script = 4 * len(ATTACKS)
        wait_until(lambda: stored(running) >= sent + by_script, 60, "all is stored", every=0.2)  # the page open
        tab.close()
        visitor.context.close()
        yield running


@pytest.fixture
def victim(chromium: Browser, hostile_server: Server) -> Iterator[Reader]:
    """Somebody who looks at what came; the context checks that the policy's report is empty and no script failed."""
    with reading(chromium, hostile_server) as somebody:
        somebody.sign_in()
        yield somebody


def look(reader: Reader, query: str) -> None:
    """Open an address and see that nothing in it has taken effect."""
    page = reader.page
    page.goto(f"{reader.server.url}/{query}")
    page.wait_for_function(SHOWN)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    unharmed = {"hurt": None, "made": 0, "handlers": 0, "links": [], "prototype": [False]}
    assert page.evaluate(HURT) == unharmed, query


def test_in_no_view_and_behind_no_row_do_they_do_anything(victim: Reader) -> None:
    page = victim.open()
    views = page.evaluate("[...document.querySelectorAll('#views a')].map(each => each.getAttribute('href'))")
    assert len(views) >= 6
    seen: set[str] = set()
    for query in [*views, *(f"?view=list&bots=include&dimension={dimension}" for dimension in DIMENSIONS)]:
        look(victim, query)
        rows = page.eval_on_selector_all("#room tbody a[href^='?']", "all => all.map(a => a.getAttribute('href'))")
        for row in rows[:1]:
            if row not in seen:
                seen.add(row)
                look(victim, row)
    assert len(seen) > 10
    assert len(victim.context.pages) == 1
    assert {url for url in victim.requests if not url.startswith(victim.server.url)} == set()


def test_an_address_that_somebody_sends_does_nothing_either(victim: Reader) -> None:
    names = (
        "name",
        "device",
        "page",
        "dimension",
        "filter",
        "goal",
        "metric",
        "period",
        "step",
        "pages",
        "interval",
        "session",
    )
    listed = ("overview", "live", "sessions", "devices", "funnels", "retention", "paths", "vitals", "bots", "health")
    for number, view in enumerate((*listed, "list", "event", "device", "session")):
        text = ATTACKS[number % 4]
        victim.page.goto(f"{victim.server.url}/?{urlencode({'view': view} | dict.fromkeys(names, text))}")
        victim.page.wait_for_selector("#room:not([aria-busy]) *")
        assert victim.page.evaluate(HURT)["hurt"] is None
        assert victim.page.locator("#room img, #room script, #room iframe").count() == 0


def test_they_are_seen_as_what_they_are(victim: Reader) -> None:
    victim.open("?view=list&bots=include&dimension=title")
    shown = {row[0] for row in victim.rows("#room")}
    assert shown >= {" ".join(text.split()) for text in ATTACKS[:8]}
