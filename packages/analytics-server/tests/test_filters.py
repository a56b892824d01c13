"""Filters find what they say, by exact text of any kind, and nothing of them is ever read as SQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.errors import QuestionError
from shockmouse_analytics_server.filters import OPERATORS, Filter, compile_filters, parse

NASTY = [
    "'; drop table events; --",
    "\\'",
    "back\\",
    "{x:String}",
    "{{sessions}}",
    "%s",
    "`",
    "a|b",
    "tab\tline\n",
    "日本",
]
PROPERTIES = {
    "text": "Pro",
    "number": 12,
    "ratio": 1.5,
    "yes": True,
    "list": ["x", "y"],
    "a.b": "flat",
    "a": {"b": "deep", "c": "inner", "d.e": "mixed"},
    "f.g": {"h": "mixed too"},
    "one.two.three.four.five": "long",
    "when": "2026-01-01T00:00:00Z",
    "with space": "s",
    "`tick": "t",
    "colon:is:x": "c",
    "empty": "",
    "null": None,
}


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def names(asker: Asker, *filters: str, **further: str) -> set[str]:
    """Return the names of the events that fit all the filters."""
    asked = [*RANGE.items(), *further.items(), *(("filter", text) for text in filters)]
    return {row["name"] for row in asker.ask("/events", asked)["rows"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path:is:/a", Filter("path", "is", ("/a",))),
        ("path:is:", Filter("path", "is", ("",))),
        ("type:is:page|consent", Filter("type", "is", ("page", "consent"))),
        ("type:contains:zz", Filter("type", "contains", ("zz",))),
        ("privacy:is_not:|full", Filter("privacy", "is_not", ("", "full"))),
        ("device_type:is:tv|", Filter("device_type", "is", ("tv", ""))),
        ("path:is:a:b", Filter("path", "is", ("a:b",))),
        (r"path:is:a|b\|c|\\|", Filter("path", "is", ("a", "b|c", "\\", ""))),
        (r"path:is:\n", Filter("path", "is", ("\\n",))),
        ("country:is_not_set", Filter("country", "is_not_set", ())),
        ("property.a:b:is:c", Filter("property.a:b", "is", ("c",))),
        ("property.a.b:gte:-1.5e3", Filter("property.a.b", "gte", ("-1.5e3",))),
    ],
)
def test_a_filter_is_read_as_written(text: str, expected: Filter) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("", "bad_filter", "''"),
        ("path", "bad_filter", "path"),
        ("path:like:x", "bad_filter", "like"),
        ("colour:is:red", "unknown_dimension", "colour"),
        ("path) or 1=1 --:is:x", "unknown_dimension", "path) or 1=1 --"),
        ("property.:is:x", "unknown_dimension", "property."),
        ("property:is:x", "unknown_dimension", "property"),
        ("project:is:rival", "unknown_dimension", "project"),
        ("type:is:page|zz", "bad_filter", "unknown type 'zz': one of track, page, screen, click, form, performance"),
        ("type:is_not:", "bad_filter", "unknown type ''"),
        ("device_type:is:phone", "bad_filter", "unknown device_type 'phone': one of desktop, mobile, tablet, tv"),
        ("privacy:is:loose", "bad_filter", "unknown privacy 'loose': one of strict, balanced, full"),
        ("property." + "n" * 257 + ":is:x", "unknown_dimension", "property.nnn"),
        ("path:is", "bad_filter", "takes a value"),
        ("path:is_set:x", "bad_filter", "takes no value"),
        ("path:contains:a|", "bad_filter", "not empty"),
        ("property.n:gt:x", "bad_filter", "one number"),
        ("property.n:gt:2026-13-01", "bad_filter", "or time"),
        ("property.n:gt:1234-01-01", "bad_filter", "or time"),
        ("property.n:gt:2026-01-01|2026-01-02", "bad_filter", "or time"),
        ("property.n:gt:nan", "bad_filter", "one number"),
        ("property.n:gt:1|2", "bad_filter", "one number"),
        ("path:is:" + "|" * 100, "bad_filter", "at most 100"),
    ],
)
def test_a_bad_filter_is_refused_and_named(text: str, code: str, named: str) -> None:
    with pytest.raises(QuestionError) as refused:
        parse(text)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert named in refused.value.reason


@pytest.mark.parametrize("operator", OPERATORS)
def test_sql_holds_nothing_of_a_filters_text(operator: str) -> None:
    value = {"gt": ":1", "gte": ":1", "lt": ":1", "lte": ":1", "is_set": "", "is_not_set": ""}.get(operator, ":SECRET")
    conditions = compile_filters([parse(f"property.SECRET.NAME:{operator}{value}")])
    assert "SECRET" not in conditions.event[0]
    assert conditions.params["filter_0_path_1"] == "SECRET.NAME"


@pytest.mark.engine
def test_texts_are_compared_as_they_are(asker: Asker) -> None:
    asker.store(*(event(name=str(number), path=text, properties={text: text}) for number, text in enumerate(NASTY)))
    for number, text in enumerate(NASTY):
        escaped = text.replace("\\", "\\\\").replace("|", "\\|")
        assert names(asker, f"path:is:{escaped}") == {str(number)}
        assert names(asker, f"path:contains:{escaped}") == {str(number)}
        assert names(asker, f"property.{text}:is:{escaped}") == {str(number)}


@pytest.mark.engine
@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("property.text:is:Pro", True),
        ("property.text:is:pro", False),
        ("property.text:contains:PR", True),
        ("property.text:not_contains:x|PR", False),
        ("property.number:is:12", True),
        ("property.number:gt:11.5", True),
        ("property.number:gt:12", False),
        ("property.number:gte:12", True),
        ("property.number:lt:100", True),
        ("property.number:lte:9", False),
        ("property.ratio:is:1.5", True),
        ("property.text:gt:0", False),
        ("property.missing:lt:5", False),
        ("property.yes:is:true", True),
        ("property.list:contains:x", True),
        ("property.a.b:is:flat", True),
        ("property.a.c:is:inner", True),
        ("property.a.d.e:is:mixed", True),
        ("property.f.g.h:is:mixed too", True),
        ("property.one.two.three.four.five:is:long", True),
        ("property.when:is:2026-01-01T00:00:00Z", True),
        ("property.with space:is:s", True),
        ("property.`tick:is:t", True),
        ("property.colon:is:x:is:c", False),
        ("property.empty:is_set", False),
        ("property.null:is_set", False),
        ("property.missing:is_not_set", True),
        ("property.missing:is_not:x", True),
        ("property.missing:is:", True),
        ("user_property.plan:is:gold", True),
        ("user_property.text:is_set", False),
        ("browser_version:gte:120", True),
        ("bot:is_not_set", True),
    ],
)
def test_properties_of_every_kind_are_found(asker: Asker, text: str, fits: bool) -> None:
    asker.store(event(name="it", properties=PROPERTIES, user_properties={"plan": "gold"}, browser_version="121"))
    assert names(asker, text) == ({"it"} if fits else set())


KINDS: dict[str, Any] = {
    "number": 12,
    "ratio": -1.5,
    "string": "Pro plan",
    "digits": "12",
    "yes": True,
    "no": False,
    "list": ["red", "blue"],
    "numbers": [1, 2],
    "date": "2026-01-31",
    "time": "2026-01-31T10:00:00.250+02:00",
    "born": "1950-06-01",
}
FITTING = {  # the properties, of those above, that fit; every operator is asked of every kind
    "is:12": {"number", "digits"},
    "is:-1.5": {"ratio"},
    "is:true|Pro plan": {"yes", "string"},
    "is:['red','blue']|[1,2]": {"list", "numbers"},
    "is:2026-01-31": {"date"},
    "is_not:12|true": set(KINDS) - {"number", "digits", "yes"},
    "contains:PRO|ue": {"string", "yes", "list"},
    "contains:1": {"number", "ratio", "digits", "numbers", "date", "time", "born"},
    "not_contains:1": {"string", "yes", "no", "list"},
    "gt:-1.5": {"number", "digits"},
    "gte:-1.5": {"number", "digits", "ratio"},
    "lt:12": {"ratio"},
    "lte:12": {"number", "digits", "ratio"},
    "gt:2026-01-31": {"time"},
    "gte:2026-01-31": {"date", "time"},
    "gte:2026-01-31T08:00:00.25Z": {"time"},
    "gt:2026-01-31T08:00:00.25Z": set(),
    "lt:2026-01-31T10:00:00+02:00": {"date", "born"},
    "lte:1950-06-01": {"born"},
    "is_set": set(KINDS),
    "is_not_set": set(),
}


def test_every_operator_is_asked_here() -> None:
    assert {text.partition(":")[0] for text in FITTING} == set(OPERATORS)


@pytest.mark.engine
def test_every_operator_fits_each_kind_of_property_as_it_should(asker: Asker) -> None:
    asker.store(*(event(name=kind, properties={"p": value}) for kind, value in KINDS.items()))
    asker.store(*(event(name=kind, user_properties={"p": value}, path="/user") for kind, value in KINDS.items()))
    for column, path in (("property.p", "/"), ("user_property.p", "/user")):
        assert {text: names(asker, f"{column}:{text}", f"path:is:{path}") for text in FITTING} == FITTING


@pytest.mark.engine
def test_every_kind_of_property_is_broken_down(asker: Asker) -> None:
    asker.store(*(event(properties={"p": value}, user_properties={"q": value}) for value in KINDS.values()))
    texts = sorted(str(value).lower() for value in KINDS.values() if isinstance(value, bool | int | float))
    texts += ["['red','blue']", "[1,2]"] + [text for text in KINDS.values() if isinstance(text, str) and text != "12"]
    for dimension in ("property.p", "user_property.q"):
        rows = asker.ask("/breakdown", RANGE | {"dimension": dimension, "metrics": "events"})["rows"]
        assert {row[dimension]: row["events"] for row in rows} == {text: 2 if text == "12" else 1 for text in texts}
        row = asker.ask("/breakdown", RANGE | {"dimension": dimension, "filter": f"{dimension}:gte:2026-01-31"})["rows"]
        assert {one["value"] for one in row} == {KINDS["date"], KINDS["time"]}


@pytest.mark.engine
def test_all_filters_hold_for_the_same_event(asker: Asker) -> None:
    asker.store(event(name="one", path="/a", country="FR"), event(name="two", path="/b", country="DE"))
    assert names(asker, "path:is:/a", "country:is:FR") == {"one"}
    assert names(asker, "path:is:/a", "country:is:DE") == set()


@pytest.mark.engine
def test_a_session_fits_by_one_of_its_events_and_counts_whole(asker: Asker) -> None:
    asker.store(event(path="/a"), event(path="/b"), event(path="/b", session_id="other"))
    stats = asker.ask("/stats", RANGE | {"filter": "path:is:/a"})
    assert (stats["sessions"], stats["views_per_session"], stats["events"]) == (1, 2, 1)


@pytest.mark.engine
def test_entry_and_exit_pages_choose_sessions_and_their_events(asker: Asker) -> None:
    asker.store(event(path="/in", at=NOON), event(path="/out", at=NOON + timedelta(minutes=5)))
    asker.store(event(path="/out", at=NOON + timedelta(minutes=1), session_id="other"))
    asked = RANGE | {"filter": "entry_path:is:/in"}
    stats = asker.ask("/stats", asked)
    assert (stats["sessions"], stats["events"]) == (1, 2)
    assert names(asker, "entry_path:is:/in", "path:is:/out") == {""}
    assert asker.ask("/stats", RANGE | {"filter": "exit_path:is:/out"})["sessions"] == 2


@pytest.mark.engine
def test_sources_are_those_of_the_first_page_view(asker: Asker) -> None:
    asker.store(event(path="/in", at=NOON, referrer_host="search.example", utm_source="mail"))
    asker.store(event(path="/out", at=NOON + timedelta(minutes=5)), event(path="/", at=NOON, session_id="other"))
    rows = asker.ask("/breakdown", RANGE | {"dimension": "entry_referrer_host", "metrics": "sessions,events"})["rows"]
    assert [(row["value"], row["sessions"], row["events"]) for row in rows] == [("", 1, 1), ("search.example", 1, 2)]
    assert asker.ask("/stats", RANGE | {"filter": "entry_utm_source:is:mail"})["sessions"] == 1


@pytest.mark.engine
def test_a_long_filter_reaches_the_database(asker: Asker) -> None:
    text = "it's \\ é" * 1500
    asker.store(event(name="long", path=text))
    assert names(asker, "path:is:" + text.replace("\\", "\\\\")) == {"long"}
