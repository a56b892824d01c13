"""Every other view of the dashboard: what it shows equals the API's answer, and its state is in the address."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import reading
from tests.browser.reader import Reader, number
from tests.browser.shop import VITALS
from tests.server_process import Server

pytestmark = pytest.mark.browser


LABELS = {"page": "Page", "track": "Event", "click": "Click", "form": "Form", "identify": "Known user"}


def percentage(text: str) -> float:
    return float(text.rstrip("%")) / 100


def test_a_session_is_one_click_from_the_list_and_tells_its_events_in_order(reader: Reader) -> None:
    page = reader.open("?view=sessions&filter=name:is:Order placed")
    answer = reader.server.ask("sessions", limit="1000", filter="name:is:Order placed", **reader.range("sessions"))
    shown = reader.rows("#room")
    assert len(shown) == min(50, len(answer["rows"]))
    reader.click(page.locator("#room tbody a").first)
    chosen = answer["rows"][0]
    assert reader.address["session"] == [chosen["session_id"]]
    told = reader.server.ask(f"sessions/{chosen['session_id']}")["events"]
    kinds = page.locator("#timeline li .kind").all_text_contents()
    others = [LABELS[event["type"]] for event in told if event["name"] not in VITALS]
    assert "Known user" in others
    assert [kind for kind in kinds if kind != "Measurement"] == others
    vitals = [event["name"] for event in told if event["name"] in VITALS]
    rows = page.locator("#timeline li.step-performance").all_text_contents()
    assert (len(rows), len(vitals)) == (1, len(VITALS))  # of the page that the visit began with
    assert re.findall(r"(\w+)\s[\d.]+", rows[0]) == ["LCP", "INP", "CLS", "FCP", "TTFB"]
    assert page.locator("#views [aria-current]").inner_text() == "Sessions"
    page.go_back()
    reader.ready()
    assert reader.rows("#room") == shown


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("click", re.compile(r"Click Add to cart \S+tag: button")),
        ("form", re.compile(r"fields: email, message · outcome")),
    ],
)
def test_a_timeline_tells_an_event_in_words_and_once(reader: Reader, kind: str, told: re.Pattern[str]) -> None:
    page = reader.open(f"?view=sessions&filter=type:is:{kind}")
    reader.click(page.locator("#room tbody a").first)
    steps = page.locator(f"#timeline li.step-{kind}").all_text_contents()
    assert steps != []
    assert [step for step in steps if not told.search(step)] == []


def test_the_list_of_sessions_goes_on_and_back(reader: Reader) -> None:
    page = reader.open("?view=sessions&period=90d")
    first = reader.rows("#room")
    reader.click(page.get_by_role("link", name="Next"))
    assert len(reader.address["cursor"][0]) > 10
    second = reader.rows("#room")
    assert (len(second), [row for row in second if row in first]) == (50, [])
    page.go_back()
    reader.ready()
    assert reader.rows("#room") == first


@pytest.mark.parametrize(
    "query",
    [
        "?period=constructor",
        "?period=dates&from=1970-01-01&to=1970-01-02",
        "?period=dates&from=2026-02-31&to=2026-03-01",
        "?view=vitals&dimension=toString&measure=valueOf",
        "?view=retention&cohort=toString",
    ],
)
def test_odd_words_in_an_address_stand_for_the_usual(reader: Reader, query: str) -> None:
    page = reader.open(query)
    assert page.locator(".failure").count() == 0
    shown = page.locator("#room").inner_text()
    (view,) = reader.address.get("view", ["overview"])
    assert reader.open(f"?view={view}").locator("#room").inner_text() == shown


def test_a_view_that_cannot_be_loaded_says_so_and_can_be_tried_again(reader: Reader) -> None:
    page = reader.open()
    page.route("**/retention.js", lambda route: route.abort())
    reader.click(page.get_by_role("link", name="Retention"))
    expect(page.locator(".failure")).to_contain_text("The server does not answer.")
    page.unroute_all()
    reader.click(page.get_by_role("button", name="Try again"))
    expect(page.locator("#room table")).to_have_count(1)


def test_a_view_that_does_not_exist_says_so(reader: Reader) -> None:
    page = reader.open("?view=<b>nonsense&period=7d")
    assert page.locator("h1").inner_text() == "No such view"
    assert "no view “<b>nonsense”" in page.locator("#room").inner_text()
    assert page.locator("#views [aria-current]").count() == 0
    reader.click("text=Open the overview")
    assert reader.address == {"period": ["7d"]}
    assert page.locator(".total").count() == 7


@pytest.mark.parametrize("wrong", ["nonsense", "colour:is:red", "type:is:<b>clicks"])
def test_a_mistyped_filter_is_named_and_taken_out_by_the_keyboard(reader: Reader, wrong: str) -> None:
    page = reader.open(f"?view=sessions&filter=country:is:DE&filter={wrong}&period=90d")
    told = page.get_by_role("alert")
    assert told.locator("p").all_text_contents() == [f"There is no filter “{wrong}”: it may be mistyped or cut."]
    page.locator("#more summary").focus()
    for _ in range(3):  # the chips of both filters come first
        page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Remove this filter")
    page.keyboard.press("Enter")
    reader.ready()
    assert reader.address == {"view": ["sessions"], "filter": ["country:is:DE"], "period": ["90d"]}
    assert (len(reader.rows("#room")) > 5, told.count()) == (True, 0)


@pytest.mark.parametrize(
    ("query", "words", "way"),
    [
        ("?view=list&dimension=colour", "Unknown dimension 'colour'.", "Open Overview"),
        ("?view=session&session=gone", "There is no session 'gone' in this range.", "Open Sessions"),
        ("?view=devices&cursor=cut", "Cursor 'cut' is not one that an answer gave.", "Open Devices"),
    ],
)
def test_an_address_that_leads_nowhere_offers_a_way_out(reader: Reader, query: str, words: str, way: str) -> None:
    page = reader.open(f"{query}&filter=country:is:DE")
    expect(page.get_by_role("alert").locator("p")).to_have_text(words)
    reader.click(page.get_by_role("link", name=way))
    assert reader.address["filter"] == ["country:is:DE"]
    assert page.get_by_role("alert").count() == 0


def test_on_a_phone_the_list_of_views_shows_the_chosen_one(chromium: Browser, shop_server: Server) -> None:
    with reading(chromium, shop_server, viewport={"width": 390, "height": 844}) as reader:
        reader.sign_in()
        chosen = reader.open("?view=health").locator("#views [aria-current]")
        expect(chosen).to_have_text("Data health")
        expect(chosen).to_be_in_viewport(ratio=1)


def test_a_device_has_its_hours_its_fingerprint_and_its_sessions(reader: Reader) -> None:
    page = reader.open("?view=devices")
    summary = reader.server.ask("devices/summary", **reader.range("devices/summary"))
    assert number(page.locator(".wide-facts dd").first.inner_text()) == summary["devices"]
    hours = page.locator(".week tbody td").all_text_contents()
    assert (len(hours), sum(map(number, hours))) == (168, sum(row["events"] for row in summary["usage"]))
    reader.click(page.locator(".wide tbody a").first)
    asked = f"devices/{reader.address['device'][0]}"
    device = reader.server.ask(asked, **reader.range(asked))
    assert page.locator("dd code").inner_text() == device["device_id"]
    assert len(reader.rows(".wide")) == len(device["sessions"])


def test_one_s_own_device_is_left_out_of_every_figure(reader: Reader) -> None:
    page = reader.open("?view=devices")
    devices = number(page.locator(".wide-facts dd").first.inner_text())
    reader.click(page.locator(".wide tbody a").first)
    reader.click("text=This is me: leave it out")
    reader.click(page.get_by_role("link", name="Devices", exact=True))
    assert number(page.locator(".wide-facts dd").first.inner_text()) == devices - 1
    expect(page.locator(".chips")).to_contain_text("Without my own visits")
    page.click("#more summary")
    page.click("text=Leave my own visits out")
    site = page.locator("dialog a").first
    assert site.get_attribute("href") == "https://shop.example/#shockmouse-ignore"
    assert site.get_attribute("rel") == "noopener noreferrer"
    reader.click("dialog >> text=Count again")
    assert number(page.locator(".wide-facts dd").first.inner_text()) == devices


def test_a_funnel_is_built_and_stands_in_the_address(reader: Reader) -> None:
    page = reader.open("?view=funnels")
    page.get_by_label("Step 1: page or event").fill("/")
    page.get_by_label("Step 2: page or event").fill("/cart")
    reader.click("text=Add a step")
    page.get_by_label("Step 3: page or event").fill("Order placed")
    page.get_by_label("Within").select_option("86400")
    reader.click("text=Show the funnel")
    steps = ["page:/", "page:/cart", "event:Order placed"]
    assert (reader.address["step"], reader.address["window"]) == (steps, ["86400"])
    rows = reader.rows("#funnel-result")
    assert [row[0] for row in rows] == ["1. /", "2. /cart", "3. Order placed"]
    counts = [number(row[1]) for row in rows]
    assert counts[0] > counts[1] > counts[2] > 0
    assert percentage(rows[2][2]) == pytest.approx(counts[2] / counts[0], abs=0.001)
    reader.click(page.get_by_label("Move up step 3"))
    assert reader.address["step"] == [steps[0], steps[2], steps[1]]
    page.go_back()
    reader.ready()
    assert reader.rows("#funnel-result") == rows


def funnel(server: Server, body: dict[str, Any]) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {server.keys.read_key}", "Content-Type": "application/json"}
    answer = server.request("POST", "/api/v1/funnel", json.dumps(body).encode(), **headers)
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def test_a_funnel_has_exclusions_and_is_split(reader: Reader) -> None:
    page = reader.open("?view=funnels&step=page:/&step=page:/cart&step=event:Order placed&period=90d")
    reader.click("text=Add an exclusion")
    page.get_by_label("Exclusion 1: page or event").fill("Added to cart")
    page.get_by_label("Exclusion 1: after").select_option("2")
    page.get_by_label("Split by").select_option("device_type")
    reader.click("text=Show the funnel")
    assert reader.address["exclude"] == ["2-3:event:Added to cart"]
    assert reader.address["breakdown"] == ["device_type"]
    steps = [{"type": "page", "filters": [f"path:is:{path}"]} for path in ("/", "/cart")] + [{"name": "Order placed"}]
    body = reader.range("funnel") | {"steps": steps}
    body |= {"exclude": [{"name": "Added to cart", "after": 2, "before": 3}]}
    told = funnel(reader.server, body)
    assert [number(row[1]) for row in reader.rows("#funnel-result")] == [row["count"] for row in told]
    split = funnel(reader.server, body | {"breakdown": "device_type"})
    shown = [[row[0].lower(), *map(number, row[1:4])] for row in reader.rows("#funnel-split")]
    values = [split[at : at + 3] for at in range(0, len(split), 3)]
    assert shown == [[rows[0]["value"], *(row["count"] for row in rows)] for rows in values]


def test_retention_is_a_grid_of_cohorts(reader: Reader) -> None:
    page = reader.open("?view=retention&cohort=week&period=90d")
    shown = reader.rows(".retention")
    rows = reader.server.ask("retention", interval="week", **reader.range("retention"))["rows"]
    assert [number(row[1]) for row in shown[1:]] == [row["visitors"] for row in rows][-len(shown) + 1 :]
    over = [row for row in rows if len(row["returned"]) > 2]  # the last one's week after still runs
    again, asked = (
        sum(numbers) for numbers in zip(*((row["returned"][1], row["visitors"]) for row in over), strict=True)
    )
    assert (shown[0][0], percentage(shown[0][2])) == ("All", pytest.approx(again / asked, abs=0.001))
    assert page.locator(".retention .running").count() == len([row for row in shown[1:] if len(row) > 2])
    assert page.locator(".retention .running").last.get_attribute("title").endswith(" so far")
    page.get_by_label("Cohorts by").select_option("month")
    reader.ready()
    assert reader.address["cohort"] == ["month"]
    assert len(reader.rows(".retention")) in (4, 5)


def test_paths_are_walked_by_clicks(reader: Reader) -> None:
    page = reader.open("?view=paths&page=/cart")
    after = page.locator(".split > section").nth(1)
    answer = reader.server.ask("paths", page="/cart", steps="pages", **reader.range("paths"))["rows"]
    assert after.locator("tbody a").all_text_contents() == [row["page"] for row in answer if row["page"]]
    page.get_by_label("Steps").select_option("Pages and events")
    reader.ready()
    assert reader.address["steps"] == ["all"]
    reader.click(after.locator("a", has_text="Order placed"))
    assert reader.address["event"] == ["Order placed"]
    assert page.get_by_label("Page or event").input_value() == "Order placed"
    assert "/thanks" in after.inner_text()
    reader.open("?view=paths&page=/cheese/comte&steps=all")
    assert "Add to cart · click" in after.locator("tbody a").all_text_contents()
    page.get_by_label("Around a page or an event").select_option("page")
    page.get_by_label("Page or event").fill("/pricing")
    expect(page.locator("#path-values option")).to_have_count(10)  # of all pages
    reader.click("form.path-form button")
    assert reader.address["page"] == ["/pricing"]
    answer = reader.server.ask("paths", page="/pricing", direction="next", limit="12", **reader.range("paths"))
    assert len(after.locator("tbody tr").all()) == len(answer["rows"])
    reader.open("?view=paths&page=/nowhere")
    assert reader.rows(".split") == [["“/nowhere” was not seen in this period."]] * 2


def test_vitals_are_rated_by_the_known_thresholds(reader: Reader) -> None:
    page = reader.open("?view=vitals&period=90d&dimension=device_type")
    answer = reader.server.ask("vitals", filter="name:is:LCP", **reader.range("vitals"))["rows"][0]
    card = page.locator(".vital", has_text="LCP")
    rating = "Good" if answer["p75"] <= 2500 else "Needs improvement" if answer["p75"] <= 4000 else "Poor"
    assert card.locator(".score").inner_text().split("\n") == [
        f"{answer['p75'] / 1000:.2f}".rstrip("0").rstrip(".") + " s",
        rating,
    ]
    assert {row[0] for row in reader.rows("#room > section")} == {"Desktop", "Mobile"}
    reader.click(page.locator(".vital-link", has_text="CLS"))
    assert reader.address["measure"] == ["CLS"]
    expect(page.locator("#room > section h2").first).to_have_text("Cumulative layout shift (CLS)")


def test_bots_are_told_with_the_reason(reader: Reader) -> None:
    page = reader.open("?view=bots")
    answer = reader.server.ask("breakdown", dimension="bot", bots="only", **reader.range("breakdown"))["rows"]
    assert [(row[0], number(row[2])) for row in reader.rows("#reasons")] == [
        (row["value"], row["events"]) for row in answer
    ]
    reader.click("text=of them alone")
    expect(page.locator(".chip")).to_contain_text("Bots only")
    assert reader.rows("#card-devices")


def test_a_click_on_a_view_keeps_period_and_filters(reader: Reader) -> None:
    page = reader.open("?period=7d&filter=country:is:DE&pages=exit_path")
    reader.click(page.get_by_role("link", name="Sessions", exact=True))
    assert reader.address == {"view": ["sessions"], "period": ["7d"], "filter": ["country:is:DE"]}
    assert page.locator("h1").evaluate("title => title === document.activeElement")
