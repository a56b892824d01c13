"""Funnels: exclusions, breakdowns, shares and times; test_reference.py and test_own_functions.py check their counts."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def at(seconds: float, **overrides: Any) -> Row:
    return event(at=NOON + timedelta(seconds=seconds), session_started=NOON, **overrides)


def test_a_funnel_tells_shares_and_times(asker: Asker) -> None:
    asker.store(at(0, device_id="a"), at(10, device_id="a", type="track", name="cart"))
    asker.store(at(0, device_id="b"), at(90, device_id="b", type="track", name="cart"))
    asker.store(at(0, device_id="c"), at(5, device_id="c"), at(25, device_id="c", type="track", name="cart"))
    asker.store(at(0, device_id="d"), at(30, device_id="c", type="track", name="buy"))
    asker.store(at(0, device_id="robot", bot="crawler"), at(7, device_id="robot", name="cart", bot="crawler"))
    body = RANGE | {"steps": [{"type": "page"}, {"type": "track", "name": "cart"}, {"filters": ["name:is:buy"]}]}
    assert asker.ask("/funnel", body=body) == {
        "rows": [
            {"step": 1, "type": "page", "name": None, "filters": [], "count": 4, "conversion": 1, "step_conversion": 1,
             "median_seconds": None},
            {"step": 2, "type": "track", "name": "cart", "filters": [], "count": 3, "conversion": 0.75,
             "step_conversion": 0.75, "median_seconds": 20},
            {"step": 3, "type": None, "name": None, "filters": ["name:is:buy"], "count": 1, "conversion": 0.25,
             "step_conversion": 1 / 3, "median_seconds": 5},
        ],
        "next": None,
        "exact": True,
    }  # fmt: skip


def buy(actor: str, *names: str, **overrides: Any) -> list[Row]:
    """Return the events of a device, a second after another."""
    return [at(seconds, device_id=actor, type="track", name=name, **overrides) for seconds, name in enumerate(names)]


CHECKOUT = {"steps": [{"name": "cart"}, {"name": "address"}, {"name": "pay"}]}


@pytest.mark.parametrize(
    ("exclusion", "counts"),
    [
        ({"name": "help"}, [4, 3, 1]),
        ({"name": "help", "before": 2}, [4, 3, 3]),
        ({"name": "help", "after": 2}, [4, 4, 3]),
        ({"name": "help", "after": 1, "before": 3}, [4, 3, 1]),
        ({"name": "address", "after": 1, "before": 2}, [4, 0, 0]),
        ({"name": "pay", "after": 1, "before": 2}, [4, 4, 4]),
        ({"filters": ["name:is:help|pay"], "before": 3}, [4, 3, 0]),
    ],
)
def test_an_exclusion_ends_a_try_between_its_steps(asker: Asker, exclusion: dict[str, Any], counts: list[int]) -> None:
    asker.store(*buy("straight", "cart", "address", "pay"))
    asker.store(*buy("asks before the address", "cart", "help", "address", "pay"))
    asker.store(*buy("asks before paying", "cart", "address", "help", "pay"))
    asker.store(*buy("asks and begins again", "cart", "address", "help", "cart", "help", "address", "pay"))
    answer = asker.ask("/funnel", RANGE, body=CHECKOUT | {"exclude": [exclusion]})
    assert [row["count"] for row in answer["rows"]] == counts


def test_a_breakdown_tells_the_steps_of_each_value(asker: Asker) -> None:
    asker.store(*buy("a", "cart", "address", country="FR"), *buy("b", "cart", "address", "pay", country="FR"))
    asker.store(*buy("c", "cart", "pay", country="DE"), *buy("d", "pay", country="IT"))
    asker.store(
        at(0, device_id="moves", name="cart", country="DE"), at(1, device_id="moves", name="cart", country="ES")
    )
    asker.store(at(2, device_id="moves", name="address", country="ES"))
    asked = CHECKOUT | {"breakdown": "country", "limit": 1}
    first = asker.ask("/funnel", RANGE, body=asked)
    assert [(row["country"], row["value"], row["step"], row["count"]) for row in first["rows"]] == [
        ("DE", "DE", 1, 2), ("DE", "DE", 2, 1), ("DE", "DE", 3, 0),
    ]  # fmt: skip
    second = asker.ask("/funnel", RANGE | {"offset": str(first["next"])}, body=asked)
    assert [(row["value"], row["count"]) for row in second["rows"]] == [("FR", 2), ("FR", 2), ("FR", 1)]
    assert (first["next"], second["next"]) == (1, None)


def test_what_every_question_understands_stands_in_the_body_or_in_the_address(asker: Asker) -> None:
    asker.store(at(0, country="FR"), at(1, country="FR", name="buy"), at(0, device_id="b", country="DE"))
    body = {"steps": [{"type": "page"}, {"name": "buy"}]}
    in_body = asker.ask("/funnel", body=body | RANGE | {"filter": ["country:is:FR"]})
    in_address = asker.ask("/funnel", RANGE | {"filter": "country:is:FR"}, body=body)
    assert in_body == in_address
    assert [row["count"] for row in in_body["rows"]] == [1, 1]
    assert asker.refusal("/funnel", RANGE, body=body | RANGE)[:2] == (400, "bad_parameter")


def test_a_step_may_ask_for_the_session_it_lies_in(asker: Asker) -> None:
    asker.store(at(0, path="/in", session_id="1"), at(1, name="buy", session_id="1"))
    asker.store(at(0, path="/other", device_id="b"), at(1, name="buy", device_id="b"))
    steps = [{"type": "page", "filters": ["entry_path:is:/in"]}, {"name": "buy"}]
    assert [row["count"] for row in asker.ask("/funnel", RANGE, body={"steps": steps})["rows"]] == [1, 1]


TWO = [{"type": "page"}, {"name": "buy"}]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_funnel"),
        (b"{", 400, "bad_funnel"),
        (b'{"steps": "\xff"}', 400, "bad_funnel"),
        (b"[" * 60_000, 400, "bad_funnel"),
        ([], 400, "bad_funnel"),
        ({"steps": TWO[:1]}, 400, "bad_funnel"),
        ({"steps": TWO * 6}, 400, "bad_funnel"),
        ({"steps": [*TWO, {}]}, 400, "bad_funnel"),
        ({"steps": [*TWO, {"colour": "red"}]}, 400, "bad_funnel"),
        ({"steps": [*TWO, {"filters": ["colour:is:red"]}]}, 400, "unknown_dimension"),
        ({"steps": [{"filters": ["path:is:/"] * 11}] * 2}, 422, "too_many_filters"),
        ({"steps": TWO, "project": "rival"}, 400, "bad_funnel"),
        ({"steps": TWO, "by": "session_id"}, 400, "bad_funnel"),
        ({"steps": TWO, "window_seconds": 0}, 400, "bad_funnel"),
        ({"steps": TWO, "window_seconds": 1e300}, 400, "bad_funnel"),
        ({"steps": TWO, "bots": "maybe"}, 400, "unknown_bots"),
        ({"steps": TWO, "exclude": [{}]}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"name": "help", "after": 2}]}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"name": "help", "before": 3}]}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"name": "help", "after": 0}]}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"name": "help", "between": 1}]}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"name": "help"}] * 11}, 400, "bad_funnel"),
        ({"steps": TWO, "exclude": [{"filters": ["colour:is:red"]}]}, 400, "unknown_dimension"),
        ({"steps": TWO, "breakdown": "colour"}, 400, "unknown_dimension"),
        ({"steps": TWO, "breakdown": "entry_path"}, 400, "unknown_dimension"),
        ({"steps": TWO, "breakdown": "path", "limit": 0}, 400, "bad_limit"),
        ({"steps": TWO, "breakdown": "path", "offset": -1}, 400, "bad_offset"),
        (b" " * 70_000, 413, "too_large"),
    ],
)
def test_what_is_no_funnel_is_refused(asker: Asker, body: Any, status: int, code: str) -> None:
    assert asker.refusal("/funnel", body=body)[:2] == (status, code)


def test_only_a_read_key_may_ask_and_only_of_its_project(asker: Asker) -> None:
    asker.store(at(0, project="rival"), at(1, project="rival", name="buy"))
    body = {"steps": TWO}
    assert [row["count"] for row in asker.ask("/funnel", RANGE, body=body)["rows"]] == [0, 0]
    assert [row["count"] for row in asker.ask("/funnel", RANGE, body=body, key="rival")["rows"]] == [1, 1]
    assert asker.refusal("/funnel", body=body, key="shop write")[:2] == (403, "wrong_key")
    assert asker.refusal("/funnel", body=body, headers={})[:2] == (401, "no_key")
    assert asker.response("/funnel").status_code == 405


def test_a_step_of_an_unknown_type_is_refused(asker: Asker) -> None:
    for part in ({"steps": [{"type": "zz"}, {"name": "x"}]}, CHECKOUT | {"exclude": [{"type": "zz"}]}):
        status, code, reason = asker.refusal("/funnel", RANGE, body=part)
        assert (status, code) == (400, "bad_funnel")
        assert '.type is "zz", but should be one of alias, click, ' in reason
