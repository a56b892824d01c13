"""Steps before and after a page or an event, against a plain walk through the sessions."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import reference
from asking import NOON, RANGE, Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

NUMBERS = itertools.count()
walked = st.fixed_dictionaries({
    "minutes": st.integers(-30, 30),
    "type": st.sampled_from(["page", "page", "screen", "track", "click", "performance"]),
    "path": st.sampled_from(["/", "/a", "/b"]),
    "name": st.sampled_from(["", "buy"]),
    "device_id": st.sampled_from("ab"),
    "session_id": st.sampled_from("12"),
    "country": st.sampled_from(["", "FR"]),
    "sample_rate": st.sampled_from([1.0, 0.5, 0.4]),
    "bot": st.sampled_from(["", "", "", "crawler"]),
})  # fmt: skip


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def step_of(row: Row) -> tuple[str | None, str | None]:
    return (row.path, None) if row.type in reference.VIEWS else (None, row.name)


def expected(rows: list[Row], anchor: tuple[str | None, str | None], is_next: bool, country: str) -> Any:
    counts: dict[tuple[str | None, str | None], Fraction] = defaultdict(Fraction)
    steps = [row for row in rows if not row.bot and row.type in (*reference.VIEWS, *reference.ACTIONS)]
    for session in reference.sessions_of(steps).values():
        walk = sorted(session, key=reference.order)
        weight = min(reference.WEIGHTS[row.sample_rate] for row in walk)
        for number, row in enumerate(walk):
            beside = number + (1 if is_next else -1)
            is_inside = NOON - timedelta(minutes=15) <= reference.utc(row.at) < NOON + timedelta(minutes=15)
            if step_of(row) == anchor and is_inside and country in ("", row.country):
                counts[step_of(walk[beside]) if 0 <= beside < len(walk) else (None, None)] += weight
    total = sum(counts.values())
    return {
        step: {"count": reference.half_up(count), "share": pytest.approx(float(count / total))}
        for step, count in counts.items()
    }


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    happened=st.lists(walked, max_size=20),
    anchor=st.sampled_from([("/", None), ("/a", None), (None, "buy")]),
    is_next=st.booleans(),
    country=st.sampled_from(["", "FR"]),
)
def test_neighbours_equal_a_recomputation(
    asker: Asker, happened: list[dict[str, Any]], anchor: tuple[str | None, str | None], is_next: bool, country: str
) -> None:
    project = f"paths{next(NUMBERS)}"
    asker.add_project(project)
    rows = [
        event(project=project, at=NOON + timedelta(minutes=one.pop("minutes")), session_started=NOON, **one)
        for one in happened
    ]
    asker.store(*rows)
    page, name = anchor
    asked = {"from": (NOON - timedelta(minutes=15)).isoformat(), "to": (NOON + timedelta(minutes=15)).isoformat()}
    asked |= {"page": page} if page is not None else {"event": str(name)}
    asked |= {"direction": "next" if is_next else "previous"} | ({"filter": "country:is:FR"} if country else {})
    answer = asker.ask("/paths", asked, key=project)
    assert {(row.pop("page"), row.pop("event")): row for row in answer["rows"]} == expected(
        rows, anchor, is_next, country
    )


def test_the_most_frequent_steps_come_first_and_the_end_is_told(asker: Asker) -> None:
    for number, then in enumerate(["/b", "/b", "/c", None]):
        asker.store(event(path="/a", session_id=str(number), session_started=NOON))
        if then:
            later = NOON + timedelta(hours=1)
            asker.store(event(path=then, session_id=str(number), at=later, session_started=NOON))
    assert asker.ask("/paths", RANGE | {"page": "/a"}) == {
        "rows": [
            {"page": "/b", "event": None, "count": 2, "share": 0.5},
            {"page": None, "event": None, "count": 1, "share": 0.25},
            {"page": "/c", "event": None, "count": 1, "share": 0.25},
        ],
        "next": None,
        "exact": True,
    }
    first = asker.ask("/paths", RANGE | {"page": "/a", "limit": 1})["rows"]
    assert first == [{"page": "/b", "event": None, "count": 2, "share": 0.5}]
    before = asker.ask("/paths", RANGE | {"page": "/c", "direction": "previous"})["rows"]
    assert before == [{"page": "/a", "event": None, "count": 1, "share": 1}]


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
