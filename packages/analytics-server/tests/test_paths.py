"""Steps before and after a page or an event; test_reference.py recomputes them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

pytestmark = pytest.mark.engine


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def test_the_most_frequent_steps_come_first_and_the_end_is_told(asker: Asker) -> None:
    for number, then in enumerate(["/b", "/b", "/c", None]):
        asker.store(event(path="/a", session_id=str(number), session_started=NOON))
        if then:
            later = NOON + timedelta(hours=1)
            asker.store(event(path=then, session_id=str(number), at=later, session_started=NOON))
    assert asker.ask("/paths", RANGE | {"page": "/a"}) == {
        "rows": [
            {"page": "/b", "event": None, "types": ["page"], "count": 2, "share": 0.5},
            {"page": None, "event": None, "types": [], "count": 1, "share": 0.25},
            {"page": "/c", "event": None, "types": ["page"], "count": 1, "share": 0.25},
        ],
        "next": None,
        "exact": True,
    }
    first = asker.ask("/paths", RANGE | {"page": "/a", "limit": 1})["rows"]
    assert first == [{"page": "/b", "event": None, "types": ["page"], "count": 2, "share": 0.5}]
    before = asker.ask("/paths", RANGE | {"page": "/c", "direction": "previous"})["rows"]
    assert before == [{"page": "/a", "event": None, "types": ["page"], "count": 1, "share": 1}]


def test_a_step_tells_what_types_of_events_took_it(asker: Asker) -> None:
    for number, then in enumerate(["click", "track", "click"]):
        session = {"session_id": str(number), "session_started": NOON}
        bought = event(type=then, name="Buy", at=NOON + timedelta(minutes=1), **session)
        asker.store(event(path="/a", **session), bought)
    (row,) = asker.ask("/paths", RANGE | {"page": "/a"})["rows"]
    assert row == {"page": None, "event": "Buy", "types": ["click", "track"], "count": 3, "share": 1}


def test_of_pages_alone_what_happens_on_the_way_is_passed_over(asker: Asker) -> None:
    walk = ["page", "click", "track", "page", "click"]
    asker.store(
        *(
            event(type=kind, name="Buy", path=f"/{number}", at=NOON + timedelta(minutes=number), session_started=NOON)
            for number, kind in enumerate(walk)
        )
    )

    def places(**params: str) -> list[tuple[str | None, int]]:
        rows = asker.ask("/paths", RANGE | params | {"steps": "pages"})["rows"]
        assert {row["event"] for row in rows} == {None}
        return [(row["page"], row["count"]) for row in rows]

    assert places(page="/0") == [("/3", 1)]
    assert places(page="/3", direction="previous") == [("/0", 1)]
    assert places(page="/3") == [(None, 1)]
    assert places(event="Buy") == [("/3", 2), (None, 1)]
    assert places(event="Buy", direction="previous") == [("/0", 2), ("/3", 1)]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "missing_parameter"),
        ({"page": "/", "event": "buy"}, "missing_parameter"),
        ({"page": "/", "direction": "sideways"}, "unknown_direction"),
        ({"page": "/", "limit": 0}, "bad_limit"),
    ],
)
def test_what_is_not_understood_is_refused(asker: Asker, asked: dict[str, Any], code: str) -> None:
    assert asker.refusal("/paths", asked)[:2] == (400, code)
