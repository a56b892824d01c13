"""Every view of the dashboard, light, dark and narrow: axe-core finds nothing serious, nothing is too wide."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import reading
from tests.browser.npm import read_package
from tests.browser.reader import Reader
from tests.server_process import Server

pytestmark = pytest.mark.browser
VIEWS = {
    "overview": "?goal=page:/thanks&goal=event:Order placed",
    "filtered": "?filter=country:is:DE&filter=path:is:/pricing|/cart&period=90d",
    "list": "?view=list&dimension=path",
    "event": "?view=event&name=Order placed",
    "live": "?view=live",
    "sessions": "?view=sessions",
    "devices": "?view=devices",
    "funnels": "?view=funnels&step=page:/&step=page:/cart&step=event:Order placed"
    "&exclude=page:/contact&breakdown=country",
    "retention": "?view=retention&period=90d",
    "paths": "?view=paths&page=/cart",
    "vitals": "?view=vitals",
    "bots": "?view=bots",
    "health": "?view=health",
    "setup": "?view=setup",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"},
}
SERIOUS = """async rules => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) })
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | "))
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    return read_package("axe-core", "4.14.1", "axe.min.js").decode()


def inner_views(server: Server) -> dict[str, str]:
    """Return a session and a device that have something to tell."""
    rows = server.ask("sessions", filter="name:is:Order placed")["rows"]
    session = max(rows, key=lambda row: int(row["events"]))
    chosen = f"&session={session['session_id']}&device={session['device_id']}"
    return {"session": f"?view=session{chosen}", "device": f"?view=device&device={session['device_id']}"}


@pytest.mark.parametrize("look", LOOKS)
def test_every_view_is_accessible_and_fits(chromium: Browser, shop_server: Server, axe: str, look: str) -> None:
    found: dict[str, list[str]] = {}
    with reading(chromium, shop_server, **LOOKS[look]) as reader:
        reader.sign_in()
        for name, query in (VIEWS | inner_views(shop_server)).items():
            page = reader.open(query)
            reader.keep(f"{name}-{look}")
            width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            found[name] = ["wider than the screen"] if width > 0 else []
            if page.evaluate("shifts") > 0.02:
                found[name].append(f"moves by {page.evaluate('shifts')}")
            if look != "narrow" or name in ("overview", "sessions"):
                page.evaluate(axe)
                found[name] += page.evaluate(SERIOUS, ["color-contrast"] if look == "dark" else None)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("width", [1440, 1280, 1024, 768, 390])
def test_no_list_is_cut(chromium: Browser, shop_server: Server, width: int) -> None:
    cut = """() => [...document.querySelectorAll(".wide")]
      .map(box => [box.ariaLabel, box.scrollWidth - box.clientWidth]).filter(([, over]) => over > 0)"""
    with reading(chromium, shop_server, viewport={"width": width, "height": 900}) as reader:
        reader.sign_in()
        funnel = "funnels&step=page:/&step=page:/cart&step=event:Order placed&breakdown=country"
        for query in ("sessions", "devices", "list", "vitals", funnel):
            assert reader.open(f"?view={query}").evaluate(cut) == [], query


LEFT = "element => element.getBoundingClientRect().left"


def test_on_a_phone_retention_shows_several_weeks_at_once(chromium: Browser, shop_server: Server) -> None:
    seen = """box => [...box.querySelectorAll("thead th")]
      .filter(cell => cell.getBoundingClientRect().right <= box.getBoundingClientRect().right).length"""
    with reading(chromium, shop_server, viewport={"width": 390, "height": 844}) as reader:
        reader.sign_in()
        for cohorts in ("week", "day"):
            box = reader.open(f"?view=retention&cohort={cohorts}&period=90d").locator(".grid-box")
            assert box.evaluate(seen) >= 2 + 5  # besides the cohort and its visitors
            box.evaluate("box => box.scrollLeft = 9999")
            left, cohort = (each.evaluate(LEFT) for each in (box, box.locator("tbody th").last))
            assert left <= cohort < left + 20


CONTRASTS = """cells => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const luminance = colour => {
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map(each => each / 255)
      .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
  }
  const ratio = (one, other) => Math.max(one / other, other / one)
  const ground = luminance(getComputedStyle(document.querySelector(".card")).backgroundColor)
  return cells.map(cell => {
    const { color, backgroundColor } = getComputedStyle(cell)
    const shade = luminance(backgroundColor)
    return [parseFloat(cell.textContent), ratio(luminance(color), shade), ratio(shade, ground)]
  })
}"""


@pytest.mark.parametrize("look", ["light", "dark"])
def test_shades_of_retention_are_told_apart_and_read(chromium: Browser, shop_server: Server, look: str) -> None:
    with reading(chromium, shop_server, color_scheme=look) as reader:
        reader.sign_in()
        page = reader.open("?view=retention&cohort=week&period=90d")
        cells = page.locator(".retention .shade:not(.none)").evaluate_all(CONTRASTS)
    assert len({rate for rate, _, _ in cells}) > 9
    assert min(read for _, read, _ in cells) > 4.5
    assert min(apart for _, _, apart in cells) > 1.2  # from no shade at all
    assert max(apart for _, _, apart in cells) > 2.8
    shades = [apart for _, _, apart in sorted(cells, key=lambda cell: cell[0])]
    assert shades == pytest.approx(sorted(shades), abs=0.02)  # more is stronger


def test_on_a_phone_a_funnel_has_room_for_its_steps(chromium: Browser, shop_server: Server) -> None:
    with reading(chromium, shop_server, viewport={"width": 390, "height": 844}) as reader:
        reader.sign_in()
        page = reader.open("?view=funnels&step=page:/&step=page:/blog/storing-cheese&step=event:Order placed")
        rows = page.locator("#funnel-result tbody tr")
        sizes = rows.locator("th").evaluate_all("all => all.map(each => [each.offsetWidth, each.offsetHeight])")
        assert [width > 280 and height < 40 for width, height in sizes] == [True] * 3  # each on one line
        tree = reader.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
        assert [roles.count(role) for role in ("table", "row", "columnheader", "rowheader")] == [1, 4, 4, 3]


@pytest.mark.parametrize(("width", "rows"), [(1440, [5]), (1280, [5]), (1024, [3, 2]), (390, [2, 2, 1])])
def test_the_cards_of_vitals_fill_their_rows(
    chromium: Browser, shop_server: Server, width: int, rows: list[int]
) -> None:
    with reading(chromium, shop_server, viewport={"width": width, "height": 900}) as reader:
        reader.sign_in()
        cards = reader.open("?view=vitals").locator(".vital")
        boxes = [(round(box["y"]), box["x"] + box["width"]) for each in cards.all() if (box := each.bounding_box())]
        tops = sorted({top for top, _ in boxes})
        assert [len([top for top, _ in boxes if top == row]) for row in tops] == rows
        ends = {round(max(end for top, end in boxes if top == row)) for row in tops}
        assert len(ends) == 1


def test_what_opens_is_accessible_too(reader: Reader, axe: str) -> None:
    page = reader.open()
    page.evaluate(axe)
    for opener in ("#period summary", "#filter summary", "#more summary", "text=Leave my own visits out"):
        page.click(opener)
        if opener.startswith("text="):
            page.locator("dialog[open]").wait_for()  # it comes once it knows what it tells
        assert page.evaluate(SERIOUS) == [], opener
    page.keyboard.press("Escape")
    page.click(".chart-box summary")
    assert page.evaluate(SERIOUS) == []


def test_signing_in_is_accessible(chromium: Browser, shop_server: Server, axe: str) -> None:
    with reading(chromium, shop_server) as stranger:
        stranger.page.goto(shop_server.url)
        stranger.page.get_by_label("Read key").wait_for()
        stranger.page.evaluate(axe)
        assert stranger.page.evaluate(SERIOUS) == []
        stranger.keep("sign-in-light")


def test_what_is_printed_has_the_figures_and_no_controls(reader: Reader) -> None:
    page = reader.open()
    page.locator(".chart").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".readout").is_visible()
    page.emulate_media(media="print")
    assert not page.locator(".readout").is_visible()
    assert page.locator(".totals").is_visible()
    assert not page.locator("aside").is_visible()
    assert not page.locator(".controls").is_visible()
    assert page.locator(".range").is_visible()
    assert not page.locator("#card-goals").is_visible()  # without goals it only tells how to add one
    sizes = page.locator("#card-pages td, .range, .total .label").evaluate_all(
        "all => all.map(each => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert 10 < min(sizes) <= max(sizes) < 13
    reader.keep("overview-print")


def test_no_view_is_cut_on_paper(reader: Reader) -> None:
    cut = """() => [...document.querySelectorAll(".wide, .grid-box")]
      .map(box => [box.ariaLabel, box.scrollWidth - box.clientWidth]).filter(([, over]) => over > 0)"""
    funnel = "funnels&step=page:/&step=page:/cart&exclude=page:/contact"
    for query in ("sessions", "devices", "list", "vitals", "retention&period=90d", "paths&page=/cart", funnel):
        page = reader.open(f"?view={query}")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 718, "height": 1000})  # A4 between its margins
        assert page.evaluate(cut) == [], query
        assert not [each for each in page.locator("button, a.button").all() if each.is_visible()], query
    assert "steps within a week, without /contact on the way" in page.locator(".outcome").inner_text()
    page = reader.open("?view=retention&cohort=day")  # too wide for an upright page: all of it stands on one that lies
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1046, "height": 700})
    assert page.evaluate(cut) == []
    assert page.locator(".retention.long thead th").count() == 31
    assert re.findall(rb"/MediaBox \[0 0 (\d+)", page.pdf(format="A4")) == [b"842"]


def test_without_motion_nothing_is_animated(chromium: Browser, shop_server: Server) -> None:
    running = "document.getAnimations().length"
    with reading(chromium, shop_server, reduced_motion="reduce") as reader:
        reader.sign_in()
        assert reader.open("?view=live").evaluate(running) == 0
