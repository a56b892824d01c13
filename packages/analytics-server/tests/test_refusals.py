"""What is refused, path by path and parameter by parameter: 400 names what is wrong and what fits."""

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import RANGE, Asker

from shockmouse_analytics_server.api import PATHS
from shockmouse_analytics_server.clickhouse import Database

pytestmark = pytest.mark.engine

STEPS = [{"type": "page"}, {"name": "buy"}]
NEEDED: dict[str, dict[str, str]] = {"/breakdown": {"dimension": "path"}, "/paths": {"page": "/"}}
PARTS = {"colour:is:red": "colour", "visitors,clicks": "clicks"}  # what is wrong of a value
EVERY_PATH = [*(path.path.replace("{id:path}", "some") for path in PATHS), "/export", "/events/stream"]
# value → code, and what the reason says of it beside the value
COMMON: list[tuple[str, str, str, str]] = [
    ("from", "yesterday", "bad_time", "from must be RFC 3339 or YYYY-MM-DD"),
    ("from", "", "bad_time", "from must be RFC 3339 or YYYY-MM-DD"),
    ("to", "2026-13-01", "bad_time", "to must be RFC 3339 or YYYY-MM-DD"),
    ("to", "1e30", "bad_time", "between 1971 and 2140"),
    ("timezone", "Mars/Olympus", "bad_timezone", "give an IANA name"),
    ("timezone", "'; drop table events --", "bad_timezone", "give an IANA name"),
    ("timezone", "", "bad_timezone", "give an IANA name"),
    ("bots", "maybe", "unknown_bots", "one of exclude, include, only"),
    ("filter", "path:like:x", "bad_filter", "one of is, is_not, contains"),
    ("filter", "path", "bad_filter", "DIMENSION:OPERATOR:VALUE"),
    ("filter", "path:is_set:x", "bad_filter", "takes no value"),
    ("filter", "property.n:gt:much", "bad_filter", "takes one number or time"),
    ("filter", "colour:is:red", "unknown_dimension", "one of app_name, app_version, bot"),
    ("colour", "red", "unknown_parameter", "one of bots, "),
    ("project", "rival", "unknown_parameter", "one of bots, "),
]
LIMIT = [
    ("limit", value, "bad_limit", "limit must be a whole number of 1 to 1000")
    for value in ("0", "1001", "-1", "1.5", "x", "", "9" * 30)
]
OFFSET = [
    ("offset", value, "bad_offset", "offset must be a whole number of 0 to 1000000")
    for value in ("-1", "1000001", "x", "")
]
CURSOR = [
    ("cursor", value, "bad_cursor", "is not one that an answer gave")
    for value in ("", "!", "bm9uc2Vuc2U", "WzEsMl0", "W10", "é")
]
DIMENSION = [
    ("dimension", "colour", "unknown_dimension", "one of app_name, app_version"),
    ("dimension", "property.", "unknown_dimension", "property.NAME"),
    ("dimension", "", "unknown_dimension", "one of app_name"),
]
OWN: dict[str, list[tuple[str, str, str, str]]] = {
    "/stats": [("compare", "next", "unknown_compare", "one of previous")],
    "/timeseries": [
        ("metric", "clicks", "unknown_metric", "one of visitors, sessions"),
        ("metric", "", "unknown_metric", "one of visitors, sessions"),
        ("interval", "year", "unknown_interval", "one of minute, hour, day, week, month"),
        ("interval", "0", "unknown_interval", "one of minute, hour, day, week, month"),
    ],
    "/breakdown": [
        *LIMIT, *OFFSET, *DIMENSION,
        ("metrics", "visitors,clicks", "unknown_metric", "one of visitors, sessions"),
        ("metrics", "", "unknown_metric", "one of visitors, sessions"),
    ],
    "/sessions": [*LIMIT, *CURSOR],
    "/sessions/some": [*LIMIT, *CURSOR],
    "/devices": [*LIMIT, *CURSOR],
    "/devices/summary": LIMIT,
    "/devices/some": [],
    "/events": [*LIMIT, *CURSOR],
    "/realtime": LIMIT,
    "/properties": LIMIT,
    "/vitals": [*LIMIT, *OFFSET, *DIMENSION, ("dimension", "entry_path", "unknown_dimension", "take one of events")],
    "/funnel": [
        *LIMIT, *OFFSET,
        ("breakdown", "colour", "unknown_dimension", "one of app_name, app_version"),
        ("breakdown", "exit_path", "unknown_dimension", "take one of events"),
    ],
    "/retention": [
        ("interval", "hour", "unknown_interval", "one of day, week, month"),
        ("interval", "", "unknown_interval", "one of day, week, month"),
    ],
    "/paths": [
        *LIMIT,
        ("direction", "sideways", "unknown_direction", "one of next, previous"),
        ("steps", "clicks", "unknown_steps", "one of all, pages"),
        ("event", "buy", "missing_parameter", "either page=PATH or event=NAME"),
    ],
    "/export": [("format", "xml", "unknown_format", "one of jsonl, csv, parquet")],
    "/events/stream": [("from", "2026-01-01", "unknown_parameter", "one of bots, filter, timezone")],
}  # fmt: skip
CASES = [
    (path, *case)
    for path in EVERY_PATH
    for case in itertools.chain(COMMON, OWN[path])
    if not (path == "/events/stream" and case in COMMON and case[0] in ("from", "to"))
]


@pytest.fixture(scope="module")
def asker(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path_factory.mktemp("refusing")) as asker:
        yield asker


def refusal(asker: Asker, path: str, params: list[tuple[str, str]]) -> tuple[int, str, str]:
    return asker.refusal(path, params, body={"steps": STEPS} if path == "/funnel" else None)


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_bad_parameter_is_named_with_what_fits(asker: Asker, path: str) -> None:
    told = {}
    for name, value, code, fits in (case[1:] for case in CASES if case[0] == path):
        needed = [(key, text) for key, text in NEEDED.get(path, {}).items() if key != name]
        status, answered, reason = refusal(asker, path, [*needed, (name, value)])
        named = name if code in ("unknown_parameter", "missing_parameter") else PARTS.get(value, value)
        if (status, answered) != (400, code) or fits not in reason or named[:100] not in reason.replace('"', "'"):
            told[name, value] = (status, answered, reason)
    assert told == {}


@pytest.mark.parametrize("path", EVERY_PATH)
def test_while_the_database_is_away_every_path_says_when_to_come_again(shared: Any, tmp_path: Path, path: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = Database(url=f"http://127.0.0.1:{unused.getsockname()[1]}/", database="shockmouse")
        with Asker(shared.open(), away, tmp_path) as asker:
            body = {"steps": STEPS} if path == "/funnel" else None
            response = asker.response(path, NEEDED.get(path, {}), body=body)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "database_away")
            assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_parameter_given_twice_is_refused(asker: Asker, path: str) -> None:
    needed = list(NEEDED.get(path, {}).items())
    assert refusal(asker, path, [*needed, ("bots", "only"), ("bots", "only")])[:2] == (400, "bad_parameter")


@pytest.mark.parametrize("path", [path for path in EVERY_PATH if path != "/events/stream"])
def test_a_range_that_ends_before_it_begins_is_refused(asker: Asker, path: str) -> None:
    asked = [*NEEDED.get(path, {}).items(), ("from", "2026-02-01"), ("to", "2026-01-01")]
    assert refusal(asker, path, asked)[:2] == (400, "bad_range")


@pytest.mark.parametrize("path", [path for path in EVERY_PATH if path != "/events/stream"])
def test_the_future_and_an_empty_range_are_no_reason_to_refuse(asker: Asker, path: str) -> None:
    body = {"steps": STEPS} if path == "/funnel" else None
    for since, until in (("2100-01-01", "2100-02-01"), ("2026-01-01", "2026-01-01")):
        answer = asker.response(path, NEEDED.get(path, {}) | {"from": since, "to": until}, body=body)
        assert (since, answer.status_code) == (since, 404 if "some" in path else 200)


@pytest.mark.parametrize("path", EVERY_PATH)
def test_too_many_filters_are_unprocessable(asker: Asker, path: str) -> None:
    asked = [*NEEDED.get(path, {}).items(), *[("filter", "path:is:/")] * 21]
    assert refusal(asker, path, asked)[:2] == (422, "too_many_filters")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/timeseries", {"interval": "minute", "from": "2016-01-01"}),
        ("/timeseries", {"interval": "hour", "from": "2020-01-01", "to": "2026-01-01"}),
        ("/retention", {"interval": "day", "from": "2024-01-01", "to": "2026-01-01"}),
    ],
)
def test_too_many_intervals_are_unprocessable_and_the_reason_says_what_to_narrow(
    asker: Asker, path: str, asked: dict[str, str]
) -> None:
    status, code, reason = asker.refusal(path, asked)
    assert (status, code, "narrow it or take longer intervals" in reason) == (422, "too_many_intervals", True)


@pytest.mark.parametrize("name", ["page", "event"])
def test_a_missing_parameter_is_named(asker: Asker, name: str) -> None:
    assert asker.refusal("/breakdown", RANGE)[:2] == (400, "missing_parameter")
    assert name in asker.refusal("/paths", RANGE)[2]


def test_every_path_stands_in_the_table() -> None:
    assert set(OWN) == set(EVERY_PATH)
