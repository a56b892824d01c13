"""How far a page was read, and how long it had a person's attention."""

import time

import pytest

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_scroll_depth_and_engaged_time_are_of_each_page(visitor: Visitor) -> None:
    visitor.put("/", '<div style="height: 4000px">long</div>')
    visitor.put("/short", "short")
    tab = visitor.open("/")
    tab.set_viewport_size({"width": 1000, "height": 1000})
    tab.mouse.wheel(0, 1000)
    tab.wait_for_function("scrollY >= 1000")
    tab.wait_for_timeout(300)
    tab.evaluate("scrollTo(0, 0)")
    started = time.monotonic()
    tab.wait_for_timeout(500)
    tab.goto(f"{visitor.origin}/short")
    tab.wait_for_timeout(600)
    tab.goto("about:blank")
    told = visitor.stored(2, "engagement")
    visitor_seconds = time.monotonic() - started
    assert [row["path"] for row in told] == ["/", "/short"]
    depths = [row["properties"]["scroll_percent"] for row in told]
    assert 45 <= depths[0] <= 55
    assert depths[1] == 100
    assert 500 <= told[0]["properties"]["engaged_ms"] < 30_000
    assert 500 <= told[1]["properties"]["engaged_ms"] < visitor_seconds * 1000
