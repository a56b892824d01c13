"""What happened reaches the server once, whatever happens to network, tab and storage."""

import time
from collections import Counter
from itertools import pairwise

import pytest
from playwright.sync_api import Page, Route

from tests.browser.visitor import Visitor
from tests.server_process import wait_until

pytestmark = pytest.mark.browser
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "retry-after"}
MANY = "for (let i = 0; i < {0}; i++) shockmouse.track('numbered', {{number: {1} + i, filling: 'ä'.repeat({2})}})"


def numbers(visitor: Visitor, number: int) -> list[int]:
    """Return the numbers of all stored events, once there are so many; each must be there once."""
    return sorted(row["properties"]["number"] for row in visitor.stored(number, "numbered"))


def kept(tab: Page) -> list[str]:
    return [name[:17] for name in tab.evaluate("Object.keys(localStorage)") if name.startswith("shockmouse.batch.")]


def test_a_batch_of_one_second_is_one_request_without_preflight(visitor: Visitor) -> None:
    asked: list[tuple[str, str]] = []
    visitor.context.on("request", lambda request: asked.append((request.method, request.url.split("?")[0])))
    visitor.put("/")
    tab = visitor.open("/")
    tab.evaluate(MANY.format(20, 0, 1))
    assert numbers(visitor, 20) == list(range(20))
    assert asked[2:] == [("POST", f"{visitor.server.url}/v1/events")]
    assert len({row["batch_id"] for row in visitor.rows()}) == 1


def test_events_of_an_offline_time_arrive_when_the_network_is_back(visitor: Visitor) -> None:
    visitor.put("/")
    tab = visitor.open("/")
    visitor.stored(1)
    visitor.context.set_offline(True)
    tab.evaluate(MANY.format(3, 0, 1))
    tab.evaluate("shockmouse.flush()")
    tab.evaluate(MANY.format(3, 3, 1))
    tab.wait_for_timeout(1500)
    visitor.context.set_offline(False)
    assert numbers(visitor, 6) == [0, 1, 2, 3, 4, 5]


def test_with_consent_the_next_page_delivers_what_the_last_could_not(visitor: Visitor) -> None:
    for path in ("/", "/next"):
        visitor.put(path, consent="given")
    tab = visitor.open("/")
    visitor.stored(1)

    def break_off(route: Route) -> None:
        route.abort("connectionrefused")

    visitor.context.route("**/v1/events*", break_off)
    tab.evaluate(MANY.format(3, 0, 1))
    tab.evaluate("shockmouse.flush()")
    assert kept(tab) == ["shockmouse.batch."]
    tab.evaluate(MANY.format(3, 3, 1))
    tab.goto(f"{visitor.origin}/next")
    assert len(kept(tab)) >= 2
    visitor.context.unroute("**/v1/events*", break_off)
    visitor.open("/", tab)
    assert numbers(visitor, 6) == [0, 1, 2, 3, 4, 5]
    tab.wait_for_function("!Object.keys(localStorage).some(name => name.startsWith('shockmouse.batch.'))")


def test_with_consent_the_next_page_delivers_what_has_had_no_answer(visitor: Visitor) -> None:
    for path in ("/", "/next"):
        visitor.put(path, consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    asked: list[Route] = []
    visitor.context.route("**/v1/events*", lambda route: asked.append(route))  # which answers nothing
    tab.evaluate(MANY.format(5, 0, 1))
    wait_until(lambda: bool(tab.evaluate("1")) and len(asked) == 1, 20, "the batch is on its way")
    tab.goto("about:blank")
    visitor.context.unroute("**/v1/events*")
    visitor.open("/next", tab)
    assert numbers(visitor, 5) == [0, 1, 2, 3, 4]


def test_what_has_no_room_in_the_local_queue_is_counted(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    before = told_dropped(visitor, "queue_full")
    visitor.context.route("**/v1/events*", lambda route: route.abort("connectionrefused"))
    for first in range(0, 60, 10):
        tab.evaluate(MANY.format(10, first, 8000))
        tab.evaluate("shockmouse.flush()")
    visitor.context.unroute("**/v1/events*")
    tab.evaluate("shockmouse.flush()")
    tab.wait_for_function("!Object.keys(localStorage).some(name => name.startsWith('shockmouse.batch.'))")
    tab.evaluate(MANY.format(1, 60, 1))  # tells what is lost until then
    wait_until(lambda: 60 in [row["properties"].get("number") for row in visitor.rows()], 20, "it is stored")
    dropped = told_dropped(visitor, "queue_full") - before
    assert 20 < dropped < 60
    assert len(numbers(visitor, 61 - dropped)) == 61 - dropped


def test_a_lost_answer_does_not_double_anything(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    lost: list[int] = []

    def lose_answers(route: Route) -> None:
        if len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort("connectionreset")
        else:
            route.continue_()

    visitor.context.route("**/v1/events*", lose_answers)
    tab.evaluate(MANY.format(5, 0, 1))
    tab.wait_for_timeout(1500)
    tab.evaluate("shockmouse.flush()")
    tab.wait_for_function("!Object.keys(localStorage).some(name => name.startsWith('shockmouse.batch.'))")
    assert lost == [200, 200]
    assert numbers(visitor, 5) == [0, 1, 2, 3, 4]


def test_a_server_that_asks_for_patience_gets_it(visitor: Visitor) -> None:
    visitor.put("/")
    tab = visitor.open("/")
    visitor.stored(1)
    statuses = [503, 429]
    asked: list[float] = []
    patience = {"Retry-After": "1", **ANY_ORIGIN}

    def refuse(route: Route) -> None:
        asked.append(time.monotonic())
        if statuses:
            route.fulfill(status=statuses.pop(), headers=patience)
        else:
            route.continue_()

    visitor.context.route("**/v1/events*", refuse)
    tab.evaluate(MANY.format(2, 0, 1))
    assert numbers(visitor, 2) == [0, 1]
    assert [later - sooner >= 0.9 for sooner, later in pairwise(asked)] == [True, True]


def told_dropped(visitor: Visitor, reason: str) -> int:
    """Return how many events scripts have told of as dropped for this reason."""
    text = visitor.server.request("GET", "/metrics").body.decode()
    return sum(
        int(float(line.split()[-1]))
        for line in text.splitlines()
        if "client_events_dropped" in line and f'"{reason}"' in line
    )


def test_what_a_proxy_refuses_as_too_large_is_halved_and_only_a_single_event_is_dropped(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    before, statuses = told_dropped(visitor, "too_large"), Counter[int]()

    def limit(route: Route) -> None:
        is_small = len(route.request.post_data_buffer or b"") <= 9000
        statuses[200 if is_small else 413] += 1
        route.continue_() if is_small else route.fulfill(status=413, headers=ANY_ORIGIN)

    visitor.context.route("**/v1/events*", limit)
    tab.evaluate(MANY.format(20, 0, 1000) + ";" + MANY.format(2, 20, 5000) + ";" + MANY.format(3, 22, 1))  # 60 KB
    assert numbers(visitor, 23) == [*range(20), 22, 23, 24]
    tab.evaluate("shockmouse.track('after')")
    visitor.stored(1, "after")
    wait_until(lambda: told_dropped(visitor, "too_large") - before == 2, 20, "the two are counted")
    assert kept(tab) == []
    refused = statuses[413]
    tab.evaluate(MANY.format(8, 30, 1000))
    numbers(visitor, 31)
    assert (statuses[413], refused < 20) == (refused, True)  # the size is remembered


def test_what_may_be_stored_already_is_never_cut_anew(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    before, asked = told_dropped(visitor, "too_large"), list[str]()

    def lose_then_refuse(route: Route) -> None:
        batch = route.request.post_data_json["batch_id"]
        asked.append(batch)
        if len(asked) == 1:
            assert route.fetch().status == 200
            route.abort("connectionreset")
        elif batch == asked[0]:
            route.fulfill(status=413, headers=ANY_ORIGIN)
        else:
            route.continue_()

    visitor.context.route("**/v1/events*", lose_then_refuse)
    tab.evaluate(MANY.format(4, 0, 1))
    wait_until(lambda: (tab.wait_for_timeout(50), len(asked) == 2)[1], 20, "it is tried again")
    wait_until(lambda: kept(tab) == [], 20, "the page has read the refusal")  # the next event tells of it
    tab.evaluate("shockmouse.track('after')")
    visitor.stored(1, "after")
    assert numbers(visitor, 4) == [0, 1, 2, 3]
    assert asked[0] == asked[1] != asked[2]
    wait_until(
        lambda: told_dropped(visitor, "too_large") - before == 4, 20, "they are counted as dropped: nobody knows better"
    )


def test_reloads_and_two_tabs_at_once_lose_and_double_nothing(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tabs = [visitor.open("/"), visitor.open("/")]
    for turn in range(4):
        for place, tab in enumerate(tabs):
            tab.evaluate(MANY.format(5, (turn * 2 + place) * 5, 1))
            visitor.open("/", tab)
    assert numbers(visitor, 40) == list(range(40))
    rows = visitor.stored(10, "page")
    assert len({row["device_id"] for row in rows}) == 1
    assert len({row["session_id"] for row in rows}) == 2  # a tab is a session


def test_over_64_kib_at_unload_reach_the_server_now_or_from_the_next_page(visitor: Visitor) -> None:
    for path in ("/", "/next"):
        visitor.put(path, consent="given")
    tab = visitor.open("/")
    tab.evaluate(MANY.format(20, 0, 4000) + "; location.href = '/next'")  # 160 KB
    tab.wait_for_url("**/next")
    assert numbers(visitor, 20) == list(range(20))


WITHOUT = {  # and how much of one character an event holds, so that all fit into the budget
    "nothing missing": ("", 2000),
    "no fetchLater": ("delete window.fetchLater", 1600),
    "neither": ("delete window.fetchLater; delete Navigator.prototype.sendBeacon", 1600),
}


@pytest.mark.parametrize("missing", WITHOUT)
def test_64_kib_at_unload_arrive_without_any_storage(visitor: Visitor, missing: str) -> None:
    script, filling = WITHOUT[missing]
    visitor.put("/", head=f"<script>{script}</script>")
    visitor.site.put(visitor.host, "/next", "<!doctype html><title>Without the script</title>")
    tab = visitor.open("/")
    tab.evaluate(MANY.format(15, 0, filling) + "; location.href = '/next'")  # about 64 KiB
    tab.wait_for_url("**/next")
    assert numbers(visitor, 15) == list(range(15))


def test_what_waits_for_the_network_is_bounded_and_the_oldest_goes(visitor: Visitor) -> None:
    visitor.put("/", consent="given")
    tab = visitor.open("/")
    visitor.stored(1)
    visitor.context.set_offline(True)
    tab.evaluate(MANY.format(100, 0, 4000))
    tab.evaluate("shockmouse.flush()")
    tab.wait_for_timeout(500)
    size = tab.evaluate("Object.keys(localStorage).reduce((sum, name) => sum + localStorage[name].length, 0)")
    assert 150_000 < size < 257_000
    visitor.context.set_offline(False)
    tab.wait_for_function("!Object.keys(localStorage).some(name => name.startsWith('shockmouse.batch.'))")
    tab.evaluate("shockmouse.track('last')")
    visitor.stored(1, "last")  # is stored after all that was acknowledged before
    found = numbers(visitor, 40)
    assert found == list(range(100 - len(found), 100))


def test_without_local_storage_events_still_arrive_without_ids(visitor: Visitor) -> None:
    blocked = (
        "for (const area of ['localStorage', 'sessionStorage'])"
        "Object.defineProperty(window, area, {get() { throw new DOMException('blocked') }})"
    )
    visitor.put("/", consent="given", head=f"<script>{blocked}</script>")
    tab = visitor.open("/")
    tab.evaluate(MANY.format(3, 0, 1))
    assert numbers(visitor, 3) == [0, 1, 2]
    rows = visitor.rows()
    assert Counter((row["privacy"], len(row["device_id"])) for row in rows) == {("strict", 32): len(rows)}


def test_under_its_further_name_the_script_uses_the_further_name_of_ingestion(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.context.on("request", lambda request: asked.append(request.url.split("?")[0]))
    key = visitor.server.keys.write_key
    head = f'<script defer src="{visitor.server.url}/m/cheese.js" data-key="{key}"></script>'
    visitor.site.put(visitor.host, "/", f"<!doctype html><title>Renamed</title>{head}")
    visitor.open("/")
    assert [row["name"] for row in visitor.stored(1)] == ["Renamed"]
    assert asked[1:] == [f"{visitor.server.url}/m/cheese.js", f"{visitor.server.url}/m/crumbs"]
