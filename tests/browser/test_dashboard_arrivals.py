"""The dashboard of a server to which events come while somebody looks: live, long sessions, a first day, bots alone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import reading
from tests.browser.reader import Reader, number
from tests.browser.shop import BOT, MACHINES
from tests.server_process import Server, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture
def watcher(chromium: Browser, live_server: Server) -> Iterator[Reader]:
    with reading(chromium, live_server) as somebody:
        somebody.sign_in()
        yield somebody


def happen(server: Server, key: str | None = None, **members: Any) -> None:
    event = {
        "event_id": str(uuid4()),
        "type": "track",
        "timestamp": datetime.now(UTC).isoformat(),
        "context": {"user_agent": MACHINES[0].agent, "page": {"path": "/live"}},
    }
    assert server.post({"events": [event | members]}, key).status == 200


def session_has(server: Server, device_id: str, events: int) -> None:
    """Wait until the session counts its events: each is listed a moment before it is counted."""

    def counted() -> bool:
        return [row["events"] for row in server.ask("sessions", filter=f"device_id:is:{device_id}")["rows"]] == [events]

    wait_until(counted, 30, f"{events} events are counted in the session", every=0.2)


def test_on_a_phone_each_event_is_one_line(chromium: Browser, live_server: Server) -> None:
    name = "Newsletter subscription confirmed after double opt in, from the page about fondue"
    keys = live_server.create_project("phone")
    happen(live_server, keys.write_key, name=name)
    with reading(chromium, live_server, viewport={"width": 390, "height": 844}) as reader:
        reader.sign_in(keys.read_key)
        row = reader.open("?view=live").locator("#stream tbody tr", has_text=name)
        row.wait_for()
        assert row.evaluate("row => row.offsetHeight") < 34
        row.hover()  # a touch tells the whole name
        assert row.evaluate("row => row.offsetHeight") > 50


def test_events_appear_as_they_come(watcher: Reader) -> None:
    happen(watcher.server, name="Before")
    asked = watcher.server.ask
    wait_until(lambda: asked("events", filter="name:is:Before")["rows"] != [], 30, "it is stored")
    page = watcher.open("?view=live")
    expect(page.locator("#stream [role=status]")).to_have_text("Listening")
    expect(page.locator("#stream tbody tr")).to_have_count(1)
    happen(watcher.server, name="<img src=x onerror=alert(1)>")
    rows = page.locator("#stream tbody tr")
    expect(rows.first).to_contain_text("<img src=x onerror=alert(1)>", timeout=15_000)
    page.get_by_role("button", name="Pause").click()
    happen(watcher.server, name="Meanwhile")
    happen(watcher.server, type="page", name="Live")
    expect(page.locator("#now-pages")).to_contain_text("/live", timeout=15_000)
    assert "Meanwhile" not in page.locator("#stream tbody").inner_text()
    page.get_by_role("button", name="Go on").click()
    happen(watcher.server, name="After")
    expect(rows.first).to_contain_text("After", timeout=15_000)
    told = page.locator("#stream tbody").inner_text()
    assert [told.count(name) for name in ("Before", "Meanwhile", "After")] == [1, 1, 1]
    wait_until(lambda: watcher.server.ask("stats")["events"] == 5, 30, "all are counted", every=0.2)
    watcher.click(page.get_by_role("link", name="Overview", exact=True))
    assert number(page.locator(".total strong").nth(3).inner_text()) == 5


def test_what_a_page_measures_is_one_live_row_and_no_column_is_cut(watcher: Reader) -> None:
    page = watcher.open("?view=live")
    expect(page.locator("#stream [role=status]")).to_have_text("Listening")
    before = page.locator("#stream tbody tr:not(.empty)").count()
    visit = {"session_id": "measured", "device_id": "measured", "user_id": "somebody@shop.example"}
    happen(watcher.server, type="page", name="Comté", **visit)
    rows = page.locator("#stream tbody tr")
    expect(rows.first).to_contain_text("Comté", timeout=15_000)
    link = rows.first.locator("a")
    for name, value in {"LCP": 1834, "TTFB": 310, "CLS": 0.02}.items():
        happen(watcher.server, type="performance", name=name, properties={"value": value}, **visit)
    happen(watcher.server, type="performance", name="render report", properties={"duration_ms": 5}, **visit)
    read = {"scroll_percent": 80, "engaged_ms": 9000}
    happen(watcher.server, type="performance", name="engagement", properties=read, **visit)
    measured = page.locator("#stream tbody tr", has_text="LCP")
    words = re.compile("Measurement LCP\\s1.83\\ss · CLS\\s0.02 · TTFB\\s310\\sms · scrolled 80%, looked for 9 s")
    expect(measured).to_contain_text(words, timeout=15_000)
    expect(page.locator("#stream tbody tr", has_text="render report")).to_have_count(1)
    assert (rows.count(), link.get_attribute("href")) == (before + 3, "?view=session&session=measured&device=measured")
    for width in (1440, 1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("#stream .wide").evaluate("box => box.scrollWidth - box.clientWidth") <= 0, width


def test_a_session_without_pages_says_what_it_was(watcher: Reader) -> None:
    for name in ("Backup began", "Backup finished"):
        happen(watcher.server, name=name, session_id="nightly", device_id="program", context={})
    session_has(watcher.server, "program", 2)
    page = watcher.open("?view=sessions&filter=device_id:is:program")
    (row,) = watcher.rows("#room")
    titles = page.locator("#room thead th").all_inner_texts()
    told = dict(zip(titles, row, strict=True))
    assert (told["Pages"], told["Source"]) == ("2 events", "–")


def test_a_session_of_many_events_goes_on(watcher: Reader) -> None:
    began = datetime.now(UTC) - timedelta(minutes=20)
    members = {"type": "track", "session_id": "long", "device_id": "patient", "session_started_at": began.isoformat()}
    events = [
        members
        | {"event_id": str(uuid4()), "name": f"Step {n}", "timestamp": (began + timedelta(seconds=n)).isoformat()}
        for n in range(1001)
    ]
    for part in (events[:500], events[500:]):
        assert watcher.server.post({"events": part}).json()["accepted"] == len(part)
    session_has(watcher.server, "patient", 1001)
    page = watcher.open("?view=session&session=long")
    expect(page.locator("#timeline footer")).to_contain_text("1,000 of 1,001 events are shown")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#timeline li")).to_have_count(1001)
    assert "Step 1000" in page.locator("#timeline li").last.inner_text()
    assert not page.locator("#timeline footer").is_visible()


def test_data_health_tells_what_was_rejected_and_why(watcher: Reader) -> None:
    server = watcher.server
    happen(server, name="Good")
    bad = {"event_id": str(uuid4()), "type": "track", "timestamp": datetime.now(UTC).isoformat()}
    batch = {"batch_id": str(uuid4()), "events": [bad, bad | {"event_id": str(uuid4()), "name": "Good too"}]}
    codes = [server.post(batch).json()["rejected"][0]["code"] for _ in range(2)]
    page = watcher.open("?view=health")
    facts = dict(zip(*(page.locator(f"#health {tag}").all_text_contents() for tag in ("dt", "dd")), strict=True))
    assert (number(facts["Rejected"]), number(facts["Duplicates"])) == (2, 1)
    assert codes == ["bad_name", "bad_name"]
    assert ["The name is missing or too long.", "bad_name", "2"] in watcher.rows("#room")
    expect(page.locator(".verdict")).to_contain_text("Some were rejected")


def test_a_first_day_looks_as_it_is_meant(watcher: Reader) -> None:
    keys = watcher.server.create_project("first")
    event = {"event_id": str(uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat()}
    watcher.server.post({"events": [event | {"context": {"user_agent": MACHINES[0].agent}}]}, keys.write_key)
    watcher.sign_in(keys.read_key)
    page = watcher.open("?period=today&interval=day")
    figure = page.locator(".chart .figure")
    expect(figure).to_have_text("1", timeout=15_000)
    assert page.locator(".chart .tick").all_text_contents()[:2] == ["0", "1"]  # there are no half visitors
    page = watcher.open()
    box, chart = (where.bounding_box() or {"x": 0, "width": 0} for where in (figure, page.locator(".chart")))
    assert 0 < box["x"] + box["width"] < chart["x"] + chart["width"]
    assert page.locator(".chart .before").count() == 0  # nothing was before
    page = watcher.open("?view=retention&period=7d")
    today = datetime.now(UTC)
    words = f"The only visitor of this period came on {today:%a}, {today.day} {today:%b} {today.year}"
    expect(page.locator("#room p")).to_have_text(f"{words}: who comes back shows from the next day on.")


def test_a_project_with_bots_alone_says_so(watcher: Reader) -> None:
    keys = watcher.server.create_project("bots")
    event = {"event_id": str(uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat()}
    watcher.server.post({"events": [event | {"context": {"user_agent": BOT}}]}, keys.write_key)
    watcher.sign_in(keys.read_key)
    page = watcher.open()
    expect(page.get_by_text("Only bots came in this period: 1 of their events")).to_be_visible(timeout=15_000)
    watcher.click("text=See why")
    assert [row[0] for row in watcher.rows("#reasons")] == ["crawler"]


def test_a_time_zone_moves_the_days(watcher: Reader) -> None:
    keys = watcher.server.create_project("far")
    watcher.server.command("project", "set", "far", "--timezone", "Pacific/Kiritimati")
    stamp = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    event = {"event_id": str(uuid4()), "type": "page", "timestamp": stamp, "context": {"user_agent": MACHINES[0].agent}}
    watcher.server.post({"events": [event]}, keys.write_key)
    asked = {"path": "/api/v1/stats", "Authorization": f"Bearer {keys.read_key}"}
    wait_until(lambda: watcher.server.request("GET", **asked).json()["visitors"] == 1, 30, "it is counted", every=0.2)
    watcher.sign_in(keys.read_key)
    page = watcher.open("?period=7d")
    expect(page.locator(".total strong").first).to_have_text("1", timeout=15_000)
    page.click(".chart-box summary")
    local = datetime.now(UTC) - timedelta(hours=1) + timedelta(hours=14)
    day = f"{local:%a}, {local.day} {local:%b} {local.year}"
    assert [day, "1", "0"] in watcher.rows(".chart-box table")
    assert "Pacific/Kiritimati" in page.locator(".range").inner_text()
