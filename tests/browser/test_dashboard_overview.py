"""The dashboard's first view: figures equal the API's, everything is in the address, nothing moves."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import reading
from tests.browser.reader import Reader, number
from tests.browser.shop import MACHINES
from tests.server_process import Server, wait_until

pytestmark = pytest.mark.browser


def shown_total(reader: Reader, title: str) -> str:
    return reader.page.locator(".total", has_text=title).locator("strong").inner_text()


@pytest.fixture(scope="module")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("live")) as running:
        yield running


def send(server: Server, path: str) -> None:
    context = {"user_agent": MACHINES[0].agent, "page": {"path": path}}
    event = {"event_id": str(uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat(), "context": context}
    assert server.post({"events": [event]}).status == 200


def test_totals_and_line_equal_the_answers_of_the_api(reader: Reader) -> None:
    page = reader.open()
    first = next(url for url in reader.requests if "/api/v1/stats?" in url)  # the second is of the period before
    given = parse_qs(urlsplit(first).query)
    stats = reader.server.ask("stats", **{"from": given["from"], "to": given["to"]})
    for title, metric in (("Visitors", "visitors"), ("Sessions", "sessions"), ("Page views", "pageviews")):
        assert number(shown_total(reader, title)) == stats[metric]
    page.click(".chart-box summary")
    values = [number(row[1]) for row in reader.rows(".chart-box table")]
    assert (len(values), sum(values) >= stats["visitors"] > 0) == (30, True)
    assert page.locator(".change.good, .change.poor").count() > 3


def test_a_click_on_a_row_filters_and_the_back_button_goes_back(reader: Reader) -> None:
    page = reader.open()
    before = shown_total(reader, "Visitors")
    reader.click(page.locator("#card-pages tbody a", has_text="/pricing"))
    assert reader.address["filter"] == ["path:is:/pricing"]
    assert reader.rows("#card-pages")[0][0] == "/pricing"
    reader.click(page.locator("#card-places tbody a").first)
    assert len(reader.address["filter"]) == 2
    page.go_back()
    page.go_back()
    reader.ready()
    assert (reader.address, shown_total(reader, "Visitors")) == ({}, before)
    page.go_forward()
    reader.ready()
    expect(page.locator(".chip")).to_have_text(re.compile("Page is /pricing"))
    reader.click(".chip")
    assert "filter" not in reader.address


def test_a_shared_address_shows_the_same(reader: Reader) -> None:
    page = reader.open(
        "?period=90d&interval=week&metric=events&compare=none&pages=exit_path&filter=device_type:is:mobile"
    )
    assert page.locator("#period summary").inner_text() == "Last 90 days"
    assert page.locator(".total[aria-current]").inner_text().startswith("Events")
    assert page.locator("#card-pages [aria-current]").inner_text() == "Exit"
    assert reader.rows("#card-devices")[0][0] == "Mobile"
    assert page.get_by_label("Length of intervals").input_value() == "week"
    assert page.locator(".change").count() == 0


def test_periods_by_preset_and_by_dates(reader: Reader) -> None:
    page = reader.open()
    page.click("#period summary")
    reader.click(page.locator("#period a", has_text="Yesterday"))
    assert reader.address == {"period": ["yesterday"]}
    assert page.get_by_label("Length of intervals").input_value() == "hour"
    page.click("#period summary")
    first, last = page.locator("#period [name=from]"), page.locator("#period [name=to]")
    day = first.input_value()
    assert last.input_value() == day
    first.fill(day[:8] + "01")
    reader.click("#period button")
    assert reader.address == {"period": ["dates"], "from": [day[:8] + "01"], "to": [day]}
    assert "–" in page.locator(".range").inner_text() or day.endswith("-01")


def test_the_line_is_read_with_the_keyboard_and_the_pointer(reader: Reader) -> None:
    page = reader.open()
    chart = page.get_by_role("slider", name="Visitors over time")
    chart.focus()
    said = [chart.get_attribute("aria-valuetext")]
    for key in ("ArrowLeft", "Home"):
        page.keyboard.press(key)
        said.append(chart.get_attribute("aria-valuetext"))
    assert len(set(said)) == 3
    assert all(re.fullmatch(r"\w{3}, \d+ \w+ \d{4}: \d+; before, .*: \d+", text or "") for text in said)
    page.keyboard.press("Escape")
    assert page.locator(".readout").is_hidden()
    chart.hover()
    assert page.locator(".readout").is_visible()


def test_the_form_adds_a_filter(reader: Reader) -> None:
    page = reader.open()
    page.click("#filter summary")
    page.get_by_label("What").select_option("title")
    page.get_by_label("How").select_option("contains")
    page.get_by_label("Value", exact=True).fill("fondue | (a\\b)")
    page.keyboard.press("Enter")
    reader.ready()
    assert reader.address["filter"] == ["title:contains:fondue \\| (a\\\\b)"]
    expect(page.locator(".chip")).to_have_text(re.compile(r"Title contains fondue \| \(a\\b\)"))


def test_the_keyboard_reaches_everything_and_escape_closes(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the figures")
    page.locator("#period summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#period .panel").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#period .panel").is_hidden()
    page.click("#period summary")
    page.mouse.click(700, 700)
    assert page.locator("#period .panel").is_hidden()
    page.locator("#compare").focus()
    page.keyboard.press("Space")
    assert reader.address == {"compare": ["none"]}


def test_the_keyboard_keeps_its_place(reader: Reader) -> None:
    page = reader.open("?filter=country:is:DE")

    def press(where: str, *keys: str) -> None:
        page.locator(where).focus()
        for key in keys:
            page.keyboard.press(key)
        reader.ready()

    press("#card-pages .tabs a >> nth=2", "Enter")
    assert reader.address["pages"] == ["exit_path"]
    expect(page.locator(":focus")).to_have_text("Exit")
    press("#card-pages tbody a >> nth=0", "Enter")
    assert len(reader.address["filter"]) == 2
    expect(page.locator("#card-pages tbody a").first).to_be_focused()
    press(".chart-head select", "ArrowDown")
    assert reader.address["interval"] == ["week"]
    expect(page.get_by_label("Length of intervals")).to_be_focused()
    press("#period summary", "Enter", "Tab", "Enter")
    assert reader.address["period"] == ["today"]
    expect(page.locator("#period summary")).to_be_focused()
    press(".chip >> nth=1", "Enter")
    assert reader.address["filter"] == ["country:is:DE"]
    expect(page.locator("h1")).to_be_focused()


def test_what_reads_events_comes_last_and_moves_nothing(reader: Reader) -> None:
    page = reader.page
    held: list[Route] = []
    page.route(re.compile("dimension=name|filter=path"), lambda route: held.append(route))  # as if it took long
    page.goto(f"{reader.server.url}/?goal=page:/thanks&goal=event:Order placed")
    expect(page.locator("#card-devices tbody tr")).not_to_have_count(0)
    assert page.locator(".chart .line").count() > 0
    busy = page.locator("[aria-busy=true]:not(#room)")
    expect(busy).to_have_count(2)
    assert busy.evaluate_all("all => all.map(each => each.parentElement.id)") == ["card-happenings", "card-goals"]
    sizes = [page.locator(f"#{card}").bounding_box() for card in ("card-happenings", "card-goals")]
    wait_until(lambda: bool(page.evaluate("true")) and len(held) == 2, 15, "both have asked")
    for each in held:
        each.continue_()
    page.unroute_all()
    reader.ready()
    assert [page.locator(f"#{card}").bounding_box() for card in ("card-happenings", "card-goals")] == sizes
    assert page.evaluate("shifts") < 0.01


def test_goals_are_counted_kept_in_the_address_and_remembered(reader: Reader) -> None:
    page = reader.open()
    page.get_by_label("Page or event").fill("/thanks")
    reader.click("#card-goals footer button")
    page.get_by_label("Kind of goal").select_option("event")
    page.get_by_label("Page or event").fill("Order placed")
    reader.click("#card-goals footer button")
    assert reader.address["goal"] == ["page:/thanks", "event:Order placed"]
    rows = reader.rows("#card-goals")
    assert [row[0] for row in rows] == ["/thanks", "Order placed"]
    rate = number(rows[1][1]) / number(shown_total(reader, "Visitors"))
    assert float(rows[1][2].rstrip("%")) == pytest.approx(rate * 100, abs=0.06)
    reader.open()  # a bare address: this browser remembers
    assert [row[0] for row in reader.rows("#card-goals")] == ["/thanks", "Order placed"]
    assert reader.address["goal"] == ["page:/thanks", "event:Order placed"]  # whoever is given it sees the same
    reader.click(page.get_by_label("Remove the goal /thanks"))
    assert reader.address["goal"] == ["event:Order placed"]
    reader.open("?goal=page:&goal=colour:red&goal=page:/cart")
    assert [row[0] for row in reader.rows("#card-goals")] == ["/cart"]


def test_the_card_of_events_tells_what_people_did_in_words(reader: Reader) -> None:
    page = reader.open()
    for tab, types in (("Events", "track|form"), ("Clicks", "click"), ("Errors", "error")):
        reader.click(page.locator("#card-happenings .tabs a", has_text=tab))
        answer = reader.server.ask("breakdown", dimension="name", filter=f"type:is:{types}")["rows"]
        named = {row["value"] for row in answer} or {"Nothing in this period."}
        assert {row[0] for row in reader.rows("#card-happenings")} == named
    reader.click(page.locator("#card-happenings .tabs a", has_text="Types"))
    shown = {row[0] for row in reader.rows("#card-happenings")}
    assert shown == {"Page", "Measurement", "Click", "Event", "Form", "Known user"}
    reader.click(page.locator("#card-happenings tbody a", has_text="Known user"))
    expect(page.locator(".chip")).to_contain_text("Event type is Known user")
    reader.click(page.locator("#card-happenings .tabs a", has_text="Events"))
    assert [row[0] for row in reader.rows("#card-happenings")] == ["Without a name"]


def test_filters_that_nothing_fits_are_named_with_a_way_out(reader: Reader) -> None:
    page = reader.open("?filter=path:is:/nowhere&filter=country:is:DE&period=7d")
    expect(page.locator(".hero > .note")).to_contain_text("Nothing in this period fits the filters.")
    reader.click("text=Take them out")
    assert reader.address == {"period": ["7d"]}
    assert page.locator(".hero > .note").count() == 0


def test_an_event_shows_its_properties_one_click_deeper(reader: Reader) -> None:
    page = reader.open()
    reader.click(page.locator("#card-happenings a", has_text="Order placed"))
    assert reader.address == {"view": ["event"], "name": ["Order placed"]}
    assert {row[0] for row in reader.rows("#properties")} == {"plan", "price"}
    reader.click(page.locator("#properties a", has_text="plan"))
    assert {row[0] for row in reader.rows("#values")} == {"once", "monthly"}
    reader.click("text=Filter by it")
    assert reader.address == {"filter": ["name:is:Order placed"]}


def test_the_whole_list_of_a_breakdown_goes_on(reader: Reader) -> None:
    page = reader.open()
    reader.click("#card-pages .rest")
    assert reader.address == {"view": ["list"], "dimension": ["path"]}
    assert len(reader.rows("#room")) == 10
    assert page.locator("#views [aria-current]").inner_text() == "Overview"


def test_exports_are_of_the_period_and_the_filters(reader: Reader) -> None:
    page = reader.open("?period=7d&filter=name:is:Order placed")
    page.click("#more summary")
    with page.expect_download() as downloading:
        page.click("text=Export as JSON lines")
    lines = downloading.value.path().read_text().splitlines()
    assert len(lines) == number(shown_total(reader, "Events"))
    assert all('"name":"Order placed"' in line for line in lines)


def test_nothing_moves_nothing_comes_from_elsewhere_and_little_is_loaded(reader: Reader) -> None:
    page = reader.open()
    assert page.evaluate("shifts") < 0.01
    assert {url for url in reader.requests if not url.startswith(reader.server.url)} == set()
    sizes = "performance.getEntriesByType('resource').filter(({name}) => name.includes('/static/'))"
    loaded = page.evaluate(f"{sizes}.map(({{decodedBodySize}}) => decodedBodySize)")
    print(f"the dashboard's first view loads {sum(loaded):,} bytes in {len(loaded)} files, before gzip")
    assert 20_000 < sum(loaded) < 150_000
    page.reload()
    reader.ready()
    assert page.evaluate(f"{sizes}.map(({{transferSize}}) => transferSize)") == [0] * len(loaded)


def test_on_a_narrow_screen_nothing_is_wider_than_the_screen(reader: Reader) -> None:
    reader.page.set_viewport_size({"width": 390, "height": 844})
    page = reader.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_running_period_is_renewed_while_it_is_looked_at(chromium: Browser, live_server: Server) -> None:
    with reading(chromium, live_server) as reader:
        reader.sign_in()
        send(live_server, "/first")
        wait_until(lambda: reader.server.ask("stats")["events"] == 1, 30, "the first event is stored")
        page = reader.page
        page.clock.install()
        reader.open("?pages=exit_path")
        page.evaluate("scrollTo(0, 200); window.shifts = 0")
        link = page.locator("#card-places tbody a").first
        link.focus()
        send(live_server, "/second")
        wait_until(lambda: reader.server.ask("stats")["events"] == 2, 30, "the second event is stored")
        page.locator("#period").evaluate("menu => menu.open = true")
        asked = len([url for url in reader.requests if "/api/v1/stats?" in url])
        page.clock.run_for(31_000)
        assert shown_total(reader, "Events") == "1"
        assert len([url for url in reader.requests if "/api/v1/stats?" in url]) == asked  # a menu is open
        page.locator("#period").evaluate("menu => menu.open = false")
        link.focus()

        def renewed() -> bool:
            page.clock.run_for(31_000)
            page.wait_for_timeout(500)
            return shown_total(reader, "Events") == "2"

        wait_until(renewed, 30, "the figures are renewed")
        expect(page.locator("#card-pages tbody")).to_contain_text("/second")
        expect(link).to_be_focused()
        assert (page.evaluate("[scrollY, shifts]"), reader.address) == ([200, 0], {"pages": ["exit_path"]})
        reader.open("?period=yesterday")
        asked = len(reader.requests)
        page.clock.run_for(31_000)
        assert not [url for url in reader.requests[asked:] if "/api/v1/stats?" in url]  # what is over stays


@pytest.mark.parametrize("width", [1280, 1360])
def test_the_totals_have_room(chromium: Browser, shop_server: Server, width: int) -> None:
    with reading(chromium, shop_server, viewport={"width": width, "height": 800}) as reader:
        reader.sign_in()
        page = reader.open()
        page.locator(".total strong").nth(5).evaluate("figure => figure.textContent = '59 min 59 s'")
        widths = page.locator(".total strong, .total .label").evaluate_all(
            "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent)"
        )
        assert widths == []
        assert len(page.locator(".total").evaluate_all("all => [...new Set(all.map(each => each.offsetTop))]")) == 1
