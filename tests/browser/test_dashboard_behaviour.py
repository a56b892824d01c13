"""Who comes back, which ways people take, on what they come, and what is left out: equal to what the API answers."""

import re
import uuid
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import reading
from tests.browser.reader import Reader, number
from tests.server_process import Server

pytestmark = pytest.mark.browser


def range_of(reader: Reader, question: str) -> dict[str, str]:
    """Return the range that the page asked this question with, the last time."""
    url = [url for url in reader.requests if f"/api/v1/{question}?" in url][-1]
    found = dict(re.findall(r"[?&](from|to|interval)=([^&]+)", url))
    return {name: text.replace("%3A", ":") for name, text in found.items()}


def test_the_retention_grid_tells_each_cohort(reader: Reader) -> None:
    page = reader.open("?view=retention")
    rows = reader.server.ask("retention", **range_of(reader, "retention"))["rows"]
    shown = reader.rows(".heat")
    assert len(shown) == 1 + len([row for row in rows if row["visitors"]])
    assert [number(row[1]) for row in shown[1:]] == [row["visitors"] for row in rows if row["visitors"]]
    assert [row[2] for row in shown] == ["100%"] * len(shown)
    came_again = sum(row["returned"][1] for row in rows if len(row["returned"]) > 1)
    had = sum(row["visitors"] for row in rows if len(row["returned"]) > 1)
    assert abs(float(shown[0][3].rstrip("%")) - 100 * came_again / had) < 0.051
    page.select_option("[aria-label='Length of cohorts']", "day")
    reader.ready()
    assert (reader.address["cohort"], reader.rows(".heat")[0][2]) == (["day"], "100%")


def test_paths_lead_from_step_to_step(reader: Reader) -> None:
    page = reader.open("?view=paths")
    middle = page.locator("[name=middle]").input_value()
    answer = reader.server.ask("paths", page=middle, limit="15", **range_of(reader, "paths"))
    before, after = page.locator(".cards .card").all()
    expect(before.locator("tbody tr").first).to_be_visible()
    shown = [
        [text.strip() for text in row.locator("th, td").all_text_contents()] for row in after.locator("tr").all()[1:]
    ]
    assert [number(row[1]) for row in shown] == [row["count"] for row in answer["rows"]]
    step = after.locator("tbody a").first
    name = step.get_attribute("title")
    reader.click(step)
    assert [name] in (reader.address.get("page"), reader.address.get("event"))
    page.select_option("[name=kind]", "event")
    page.fill("[name=middle]", "Order placed")
    reader.click("text=Show its paths")
    assert (reader.address["event"], "page" in reader.address) == (["Order placed"], False)
    answer = reader.server.ask("paths", event="Order placed", limit="15", **range_of(reader, "paths"))
    first = reader.rows(".cards .card:last-child")[0]
    assert (first[0], number(first[1])) == (answer["rows"][0]["page"], answer["rows"][0]["count"])


def test_devices_what_they_share_and_one_of_them(reader: Reader) -> None:
    page = reader.open("?view=devices")
    told = reader.server.ask("devices/summary", **range_of(reader, "devices/summary"))
    facts = page.locator(".facts dd").all_text_contents()
    assert [number(facts[0]), number(facts[1])] == [told["devices"], told["devices_with_fingerprint"]]
    cells = page.locator(".week .cell").all_text_contents()
    assert (len(cells), sum(map(number, cells))) == (7 * 24, sum(each["events"] for each in told["usage"]))
    link = page.locator("tbody .link").first
    known = reader.rows(".wide:has(.link)")[0]
    reader.click(link)
    (device,) = reader.address["device"]
    one = reader.server.ask(f"devices/{device}", bots="include", **range_of(reader, f"devices/{device}"))
    assert page.locator(".facts code").inner_text() == device
    assert [number(known[5]), number(known[6])] == [one["pageviews"], one["events"]]
    assert len(reader.rows(".card:last-child")) == len(one["sessions"])


def test_bots_are_shown_with_the_reason_and_nowhere_else(reader: Reader) -> None:
    page = reader.open("?view=bots")
    asked = range_of(reader, "breakdown")
    reasons = reader.server.ask("breakdown", dimension="bot", metrics="events", bots="only", **asked)["rows"]
    shown = reader.rows(".cards .card:first-child")
    assert [(row[0], number(row[1])) for row in shown] == [("A crawler, by its name", reasons[0]["events"])]
    facts = page.locator(".facts dd").all_text_contents()
    assert number(facts[0]) == sum(row["events"] for row in reasons) > 0
    reader.click("text=Show the overview with them")
    assert (reader.address["bots"], page.locator(".chip").count()) == (["include"], 1)


def test_data_health_tells_the_counters_and_follows_them(chromium: Browser, browser_server: Server) -> None:
    with reading(chromium, browser_server) as reader:
        reader.sign_in()
        browser_server.post({"events": [{"type": "track", "name": "<b>bad</b>", "timestamp": "2026-11-25"}]})
        page = reader.open("?view=health")
        before = number(reader.rows(".cards .card")[0][1])
        now = datetime.now(UTC).isoformat()
        good = [{"event_id": str(uuid.uuid4()), "type": "track", "name": "n", "timestamp": now} for _ in range(3)]
        assert browser_server.post({"events": good}).status == 200
        grown = "known => +document.querySelector('.cards td').textContent.replace(/\\D/g, '') >= known + 3"
        page.wait_for_function(grown, arg=before)
        assert "are accepted" in page.locator(".facts").inner_text()
        assert number(dict(reader.rows(".card:nth-child(2)"))["bad event id"]) >= 1


@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 1360), ("light", 390)])
def test_the_views_are_kept_as_pictures_and_fit(
    chromium: Browser, shop_server: Server, scheme: str, width: int
) -> None:
    with reading(chromium, shop_server, color_scheme=scheme, viewport={"width": width, "height": 900}) as reader:
        reader.sign_in()
        for view in ("retention", "paths", "devices", "bots", "health"):
            page = reader.open(f"?view={view}")
            reader.keep(f"{view}-{scheme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        reader.click(reader.open("?view=devices").locator(".link").first)
        reader.keep(f"device-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
