"""A header joins the events on both sides of a request to one session; nonsense in it is ignored."""

from collections.abc import Callable
from typing import Any

import pytest

from shockmouse_analytics import Analytics, Visitor
from shockmouse_analytics.session_header import Joint, read, write

Make = Callable[..., Analytics]


def test_events_of_caller_and_called_share_session_and_device(client: Make, server: Any) -> None:
    caller, called = client(), client(privacy="full")
    caller.track("Called")
    (value,) = caller.session_headers().values()
    called.track("Served", visitor=Visitor(ip="203.0.113.7").joined(value))
    assert caller.flush()
    assert called.flush()
    ids = {event["name"]: (event["device_id"], event["session_id"]) for event in server.events}
    assert ids["Called"] == ids["Served"]


def test_a_visitors_session_is_passed_further_on(client: Make) -> None:
    analytics, visitor = client(), Visitor(session_id="s-1", device_id="d-1")
    assert analytics.session_headers(visitor) == {"Shockmouse-Session": "01;s=s-1;d=d-1"}
    assert analytics.session_headers(Visitor(ip="203.0.113.7")) == {}


def test_nothing_is_passed_on_after_a_refusal(client: Make) -> None:
    analytics = client()
    analytics.opt_out()
    assert analytics.session_headers() == {}


@pytest.mark.parametrize("joint", [Joint("s"), Joint("a-b_c.d~e", "f" * 64)])
def test_what_is_written_can_be_read(joint: Joint) -> None:
    assert read(f" {write(joint)} ") == joint


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "01",
        "01;s=",
        "02;s=a",
        "01;s=a b",
        "01;s=a;d=",
        "01;s=a;x=b",
        "01;s=" + "a" * 65,
        "01;s=ä",
        "01;s=a\n;d=b",
    ],
)
def test_nonsense_is_ignored(value: str | None) -> None:
    assert read(value) is None
    assert Visitor(user_id="ann").joined(value) == Visitor(user_id="ann")


def test_ids_that_a_header_cannot_hold_are_not_written() -> None:
    assert [write(Joint("a\r\nSet-Cookie: x")), write(Joint("a", "d" * 65))] == ["", ""]


def test_what_is_known_of_a_visitor_stays() -> None:
    known = Visitor(device_id="mine")
    assert known.joined("01;s=s;d=theirs") == known
    assert known.joined("01;s=s;d=mine") == Visitor(device_id="mine", session_id="s")
    assert Visitor(session_id="mine").joined("01;s=s") == Visitor(session_id="mine")
