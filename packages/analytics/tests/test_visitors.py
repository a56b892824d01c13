"""Events of a program that serves others belong to its visitors, not to the program's own device."""

from collections.abc import Callable
from typing import Any

import pytest

from shockmouse_analytics import Analytics, Visitor
from shockmouse_analytics.visitor import truncate

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_a_visitors_event_tells_nothing_of_the_programs_own_device(
    server: Any, client: Callable[..., Analytics]
) -> None:
    analytics = client()
    analytics.identify("operator")
    analytics.page(url="https://shop.example/", visitor=Visitor(ip="203.0.113.77", user_agent=FIREFOX))
    analytics.track("Own event")
    assert analytics.flush(timeout=10)

    page = next(event for event in server.events if event["type"] == "page")
    assert page["privacy"] == "strict"
    assert page["context"] == {
        "locale": None,
        "timezone": None,
        "ip": "203.0.113.0",
        "user_agent": FIREFOX,
        "page": {"url": "https://shop.example/"},
    }
    assert page.keys() & {"device_id", "session_id", "session_started_at", "user_id", "fingerprint"} == set()
    own = [event for event in server.events if event["type"] != "page"]
    assert [event["user_id"] for event in own] == ["operator", "operator"]
    assert all(event["device_id"] for event in own)


def test_ids_given_for_a_visitor_are_sent_as_given(server: Any, client: Callable[..., Analytics]) -> None:
    analytics = client()
    visitor = Visitor(device_id="cookie-1", session_id="visit-1", user_id="user-42")
    analytics.track("Basket filled", {"token": "t-1"}, visitor=visitor)
    assert analytics.flush(timeout=10)

    (event,) = server.events
    told = {name: event[name] for name in ("device_id", "session_id", "user_id", "privacy", "properties")}
    assert told == {
        "device_id": "cookie-1",
        "session_id": "visit-1",
        "user_id": "user-42",
        "privacy": "balanced",
        "properties": {"token": "[redacted]"},
    }


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("2002:cb00:714d::1", "203.0.113.0"),
        ("2001:0:4136:e378:8000:63bf:34ff:8eb2", "203.0.113.0"),
        ("64:ff9b::cb00:714d", "203.0.113.0"),
        ("unknown", None),
        ("", None),
    ],
)
def test_only_the_network_of_an_address_is_kept(address: str, kept: str | None) -> None:
    assert truncate(address) == kept
