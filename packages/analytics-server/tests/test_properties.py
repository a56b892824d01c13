"""What properties there are: names that filters know, types, examples."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reference
from asking import NOON, RANGE, Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server.properties import properties
from shockmouse_analytics_server.question import Question
from shockmouse_analytics_server.ranges import find_zone, parse_range

pytestmark = pytest.mark.engine

NUMBERS = itertools.count()
TYPES = {str: "string", int: "number", float: "number", bool: "boolean", list: "list"}
values = st.sampled_from(["pro", "it's", "2026-01-01", 7, 1.5, True, False, [1, 2], ["x", "y"]])
keys = st.sampled_from(["plan", "a.b", "größe", "it's"])
objects = st.dictionaries(keys, values | st.dictionaries(keys, values, min_size=1, max_size=2), max_size=3)
carriers = st.tuples(objects, objects, st.sampled_from([1.0, 0.5, 0.4]))


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from leaves(f"{name}.{key}", inner)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(carried=st.lists(carriers, min_size=1, max_size=8))
def test_properties_equal_a_recomputation(asker: Asker, carried: list[tuple[Any, Any, float]]) -> None:
    project = f"props{next(NUMBERS)}"
    asker.add_project(project)
    rows = [
        event(project=project, properties=first, user_properties=second, sample_rate=rate)
        for first, second, rate in carried
    ]
    asker.store(*rows)
    found: dict[str, list[Any]] = defaultdict(list)
    weights: dict[str, Any] = defaultdict(int)
    for first, second, rate in carried:
        for name, value in [*leaves("property", first), *leaves("user_property", second)]:
            found[name].append(value)
            weights[name] += reference.WEIGHTS[rate]
    answer = asker.ask("/properties", RANGE, key=project)
    assert (answer["next"], answer["exact"]) == (None, True)
    assert [row["events"] for row in answer["rows"]] == sorted((row["events"] for row in answer["rows"]), reverse=True)
    assert {row["name"]: (row["types"], row["events"]) for row in answer["rows"]} == {
        name: (sorted({TYPES[type(value)] for value in seen}), reference.half_up(weights[name]))
        for name, seen in found.items()
    }
    for row in answer["rows"]:
        seen = {repr(value) for value in found[row["name"]]}
        assert {repr(value) for value in row["examples"]} <= seen
        assert len(row["examples"]) == min(len(seen), 5)


def test_examples_are_few_and_short(asker: Asker) -> None:
    asker.store(*(event(properties={"n": number, "long": "x" * 500}) for number in range(9)))
    rows = {row["name"]: row["examples"] for row in asker.ask("/properties", RANGE)["rows"]}
    assert rows["property.long"] == []
    assert len(rows["property.n"]) == 5


def test_only_the_latest_events_are_looked_at_and_the_answer_says_so(asker: Asker, shared: Any) -> None:
    asker.store(event(properties={"old": 1}, at=NOON.timestamp() - 60), *(event(properties={"new": 1}),) * 3)
    project = asker.project("shop")
    zone = find_zone("UTC")
    question = Question(project=project, range=parse_range("2026-03-01", "2026-04-01", zone, NOON, NOON - NOON))

    async def ask(database: Any) -> Any:
        return [await properties(database, question, 10, looked_at) for looked_at in (2, 4)]

    few, all_of_them = shared.run(ask, read_only=True)
    assert ([row["name"] for row in few[0]], few[1]) == (["property.new"], False)
    assert ([row["name"] for row in all_of_them[0]], all_of_them[1]) == (["property.new", "property.old"], True)
