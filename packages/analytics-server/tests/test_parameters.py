"""What every path of the query API says to parameters that it does not know or cannot take; the future is allowed."""

from collections.abc import Iterator
from typing import Any

import pytest
from asking import Asker

from shockmouse_analytics_server.api import PATHS
from shockmouse_analytics_server.openapi import document
from shockmouse_analytics_server.question import COMMON

STEPS = {"steps": [{"type": "page"}, {"type": "click"}]}
NEEDED = {"/breakdown": {"dimension": "path"}, "/paths": {"page": "/"}}
GETS = [path.path.replace("{id:path}", "nobody") for path in PATHS if path.method == "GET"] + ["/export"]
ALL = [*GETS, "/funnel"]
LISTS = [path.path for path in PATHS if "limit" in path.also and "id" not in path.path and path.method == "GET"]

# parameters, code, what the reason names
WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"surprise": "1"}, "unknown_parameter", "surprise"),
    ({"project": "rival"}, "unknown_parameter", "project"),
    ({"From": "2026-01-01"}, "unknown_parameter", "From"),
    ({"": "x"}, "unknown_parameter", "''"),
    ({"from": "2026-02-01", "to": "2026-01-01"}, "bad_range", "from"),
    ({"from": "yesterday"}, "bad_time", "yesterday"),
    ({"from": ""}, "bad_time", "from"),
    ({"to": "2026-13-01"}, "bad_time", "2026-13-01"),
    ({"to": "9999-01-01"}, "bad_time", "9999-01-01"),
    ({"timezone": "'; drop table events --"}, "bad_timezone", "drop table"),
    ({"timezone": "../../etc/passwd"}, "bad_timezone", "etc/passwd"),
    ({"timezone": "Mars/Olympus"}, "bad_timezone", "Mars/Olympus"),
    ({"bots": "maybe"}, "unknown_bots", "maybe"),
    ({"filter": "path"}, "bad_filter", "path"),
    ({"filter": "path:equals:/"}, "bad_filter", "equals"),
    ({"filter": "colour:is:red"}, "unknown_dimension", "colour"),
    ({"filter": "property.:is:x"}, "unknown_dimension", "property."),
    ({"filter": "property.n:gt:many"}, "bad_filter", "gt"),
]


@pytest.fixture(scope="module")
def asker(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path_factory.mktemp("parameters")) as asker:
        yield asker


def body_of(path: str) -> dict[str, Any] | None:
    return STEPS if path == "/funnel" else None


@pytest.mark.engine
@pytest.mark.parametrize("path", ALL)
def test_what_is_not_understood_is_400_and_named(asker: Asker, path: str) -> None:
    for params, code, named in WRONG:
        asked = NEEDED.get(path, {}) | params
        status, told, reason = asker.refusal(path, asked, body=body_of(path))
        assert (params, status, told) == (params, 400, code)
        assert named in reason, (params, reason)


@pytest.mark.engine
@pytest.mark.parametrize("path", ALL)
def test_a_parameter_given_twice_is_400_and_named(asker: Asker, path: str) -> None:
    twice = [*NEEDED.get(path, {}).items(), ("timezone", "UTC"), ("timezone", "Europe/Paris")]
    status, code, reason = asker.refusal(path, twice, body=body_of(path))
    assert (status, code, reason) == (400, "bad_parameter", "timezone is given twice")


@pytest.mark.engine
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["-1", "0", "1001", "1000000000", "1e3", "ten", "", "५"])
def test_a_limit_out_of_bounds_is_400_and_named(asker: Asker, path: str, limit: str) -> None:
    status, code, reason = asker.refusal(path, NEEDED.get(path, {}) | {"limit": limit})
    assert (status, code) == (400, "bad_limit")
    assert repr(limit) in reason


@pytest.mark.engine
@pytest.mark.parametrize("path", ALL)
def test_the_future_and_an_empty_range_are_allowed(asker: Asker, path: str) -> None:
    expected = 404 if "nobody" in path else 200
    for asked in ({"from": "2100-01-01", "to": "2100-02-01"}, {"from": "2026-01-01", "to": "2026-01-01"}):
        answer = asker.response(path, NEEDED.get(path, {}) | asked, body=body_of(path))
        assert (asked, answer.status_code) == (asked, expected)


def test_the_document_tells_the_parameters_that_each_path_knows() -> None:
    told = document()["paths"]
    for path in PATHS:
        operation = told[f"/api/v1{path.path.replace(':path', '')}"][path.method.lower()]
        names = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        assert (path.path, names) == (path.path, set(COMMON | path.also))
