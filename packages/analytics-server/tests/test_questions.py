"""What each path answers, in what shape; how lists are paged; what is refused, and who may ask."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.api import PATHS
from shockmouse_analytics_server.clickhouse import QUERY_LIMITS, Database

pytestmark = pytest.mark.engine

MINUTE = timedelta(minutes=1)
ASKED = {  # a good question for each path
    "/stats": {},
    "/timeseries": {"metric": "events", "interval": "month"},
    "/breakdown": {"dimension": "path"},
    "/sessions": {},
    "/sessions/session": {},
    "/devices": {},
    "/devices/summary": {},
    "/devices/device": {},
    "/events": {},
    "/realtime": {},
    "/properties": {},
    "/vitals": {},
    "/retention": {},
    "/paths": {"page": "/"},
}
NOTHING: dict[str, Any] = {
    "visitors": 0,
    "sessions": 0,
    "pageviews": 0,
    "events": 0,
    "bounce_rate": 0,
    "session_duration_seconds": 0,
    "views_per_session": 0,
}
SESSION = {
    "session_id": "session",
    "device_id": "device",
    "user_id": "ada",
    "started_at": "2026-03-10T12:00:00.000Z",
    "ended_at": "2026-03-10T12:02:00.250Z",
    "duration_seconds": 120.25,
    "bot": False,
    "bounce": False,
    "pageviews": 2,
    "events": 3,
    "host": "shop.example",
    "entry_path": "/in",
    "exit_path": "/out",
    "referrer_host": "search.example",
    "utm_source": "news",
    "utm_medium": "mail",
    "utm_campaign": "spring",
    "utm_term": "shoes",
    "utm_content": "top",
    "country": "FR",
    "browser": "Firefox",
    "os": "Linux",
    "device_type": "desktop",
    "counts": {"page": 2, "track": 1},
}
AGENT = {"country": "FR", "browser": "Firefox", "os": "Linux", "device_type": "desktop"}
CAMPAIGN = {"utm_source": "news", "utm_medium": "mail", "utm_campaign": "spring", "utm_term": "shoes"}


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def store_a_visit(asker: Asker) -> None:
    """A visit of three events: two pages with an order between them."""
    entry = {"host": "shop.example", "path": "/in", "referrer_host": "search.example", "utm_content": "top"}
    asker.store(
        event(at=NOON + timedelta(minutes=2, milliseconds=250), path="/out", session_started=NOON, **AGENT),
        event(at=NOON, **entry, **CAMPAIGN, **AGENT),
        event(at=NOON + MINUTE, type="track", name="Order", user_id="ada", session_started=NOON, **AGENT),
    )


def test_stats_is_flat_and_may_hold_the_period_before(asker: Asker) -> None:
    store_a_visit(asker)
    asker.store(event(at=NOON - timedelta(days=31)))
    now = NOTHING | {"visitors": 1, "sessions": 1, "pageviews": 2, "events": 3}
    now |= {"session_duration_seconds": 120.25, "views_per_session": 2}
    before = NOTHING | {"visitors": 1, "sessions": 1, "pageviews": 1, "events": 1, "bounce_rate": 1}
    assert asker.ask("/stats", RANGE) == now
    assert asker.ask("/stats", RANGE | {"compare": "previous"}) == now | {"previous": before | {"views_per_session": 1}}


@pytest.mark.parametrize("path", ["/stats", "/timeseries", "/breakdown", "/sessions", "/devices", "/events"])
def test_without_events_answers_are_empty_not_missing(asker: Asker, path: str) -> None:
    expected = {
        "/stats": NOTHING,
        "/timeseries": {"rows": [{"start": "2026-03-01T00:00:00+00:00", "value": 0}], "next": None, "exact": True},
    }
    answer = asker.ask(path, RANGE | ASKED[path])
    assert answer == expected.get(path, {"rows": [], "next": None, "exact": True})


def test_a_breakdown_ranks_by_its_first_metric(asker: Asker) -> None:
    asker.store(*(event(path="/often", session_id=str(number)) for number in range(3)))
    asker.store(*(event(path="/wide", device_id=str(number)) for number in range(2)), event(path=""))
    asked = RANGE | {"dimension": "path"}
    assert [row["value"] for row in asker.ask("/breakdown", asked | {"metrics": "events"})["rows"]] == [
        "/often",
        "/wide",
        "",
    ]
    assert asker.ask("/breakdown", asked | {"metrics": "visitors,events", "limit": 2}) == {
        "rows": [
            {"path": "/wide", "value": "/wide", "visitors": 2, "events": 2},
            {"path": "", "value": "", "visitors": 1, "events": 1},
        ],
        "next": 2,
        "exact": True,
    }
    assert asker.ask("/breakdown", asked | {"metrics": "visitors,events", "limit": 2, "offset": 2}) == {
        "rows": [{"path": "/often", "value": "/often", "visitors": 1, "events": 3}],
        "next": None,
        "exact": True,
    }


def test_every_dimension_can_be_asked_for(asker: Asker) -> None:
    given = {
        name: f"a {name}"
        for name in (
            "host", "title", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
            "country", "browser", "browser_version", "os", "os_version", "device_type", "screen", "locale",
            "app_version", "name", "user_id",
        )
    }  # fmt: skip
    asker.store(event(**given, path="/a path", properties={"kind": 5}, user_properties={"plan": "gold"}))
    expected = given | {"path": "/a path", "entry_path": "/a path", "exit_path": "/a path", "type": "page"}
    entries = ("host", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
    expected |= {f"entry_{name}": given[name] for name in entries}
    expected |= {"property.kind": "5", "user_property.plan": "gold", "property.other": ""}
    answers = asker.ask_all([("/breakdown", RANGE | {"dimension": name}) for name in expected], key="shop")
    row = {"visitors": 1, "sessions": 1, "pageviews": 1, "events": 1}
    assert [answer["rows"] for answer in answers] == [
        [{name: value, "value": value} | row] for name, value in expected.items()
    ]


def test_a_session_is_listed_with_counts_by_type(asker: Asker) -> None:
    store_a_visit(asker)
    assert asker.ask("/sessions", RANGE) == {"rows": [SESSION], "next": None, "exact": True}


def test_one_session_tells_its_events_in_order(asker: Asker) -> None:
    store_a_visit(asker)
    asker.store(event(at=NOON + MINUTE, device_id="stranger"), event(at=NOON - timedelta(days=9)))
    answer = asker.ask("/sessions/session", {"device_id": "device"})
    assert (answer["session"], answer["next"]) == (SESSION, None)
    assert [(row["at"], row["type"], row["path"]) for row in answer["events"]] == [
        ("2026-03-10T12:00:00.000Z", "page", "/in"),
        ("2026-03-10T12:01:00.000Z", "track", "/"),
        ("2026-03-10T12:02:00.250Z", "page", "/out"),
    ]
    assert asker.ask("/sessions/session")["session"]["device_id"] == "stranger"
    assert asker.refusal("/sessions/session", {"device_id": "nobody"})[:2] == (404, "not_found")


def test_a_long_session_is_read_page_by_page(asker: Asker) -> None:
    rows = [event(at=NOON + number * MINUTE / 3, session_started=NOON, name=str(number)) for number in range(7)]
    asker.store(*rows)
    names, asked = [], {"limit": 3}
    while True:
        answer = asker.ask("/sessions/session", asked)
        names.append([row["name"] for row in answer["events"]])
        if answer["next"] is None:
            break
        asked["cursor"] = answer["next"]
    assert names == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_an_event_is_told_as_stored(asker: Asker) -> None:
    properties = {"a.b": 1, "a": {"b": [1, "x"]}, "when": "2026-01-01T00:00:00Z", "yes": True, "big": 2**53 + 1}
    more = {"boot_id": "boot", "seq": 7, "fingerprint": {"os": "Linux"}, "context": '{"page":{"depth":2,"none":null}}'}
    row = event(properties=properties, sent_at=NOON.timestamp(), sample_rate=0.5, bot="", ip="203.0.113.0", **more)
    asker.store(row)
    told = asker.ask("/events", RANGE)["rows"][0]
    times = ("at", "session_started_at", "received_at", "sent_at")
    assert {name: told[name] for name in times} == dict.fromkeys(times, "2026-03-10T12:00:00.000Z")
    assert told["properties"] == properties
    assert (told["event_id"], told["sample_rate"], told["ip"]) == (row.event_id, 0.5, "203.0.113.0")
    assert {name: told[name] for name in more} == more | {"context": {"page": {"depth": 2, "none": None}}}
    assert told["batch_id"] == row.batch_id


@pytest.mark.parametrize(
    ("path", "name"), [("/events", "event_id"), ("/sessions", "session_id"), ("/devices", "device_id")]
)
def test_pages_stay_as_they_were_while_events_arrive(asker: Asker, path: str, name: str) -> None:
    """Between two pages come events of devices and sessions that are new, told, and still to be told."""
    rows = [
        event(at=NOON + number // 3 * MINUTE, device_id=f"d{number:02}", session_id=f"s{number:02}")
        for number in range(20)
    ]
    asker.store(*rows)
    first = asker.ask(path, RANGE)["rows"]
    seen, asked = [], RANGE | {"to": (NOON + timedelta(hours=2)).isoformat(), "limit": 3}
    while True:
        answer = asker.ask(path, asked)
        seen += [row[name] for row in answer["rows"]]
        if answer["next"] is None:
            break
        asked = {"limit": 3, "cursor": answer["next"]}
        later = NOON + timedelta(hours=3)
        known = [
            event(at=later, device_id=f"d{number:02}", session_id=f"s{number:02}", session_started=rows[number].at)
            for number in (1, 10, 18)
        ]
        asker.store(event(at=later, device_id="new", session_id="new"), *known)
    assert seen == [row[name] for row in first]
    assert len(set(seen)) == 20


@pytest.mark.parametrize(("path", "name"), [("/sessions", "session_id"), ("/devices", "device_id")])
def test_pages_of_sessions_and_devices_hold_each_once(asker: Asker, path: str, name: str) -> None:
    for number in range(9):
        asker.store(event(at=NOON + number // 2 * MINUTE, device_id=str(number), session_id=str(number)))
    pages = asker.pages(path, RANGE | {"limit": 4})
    assert [[row[name] for row in page] for page in pages] == [["8", "7", "6", "5"], ["4", "3", "2", "1"], ["0"]]


def test_devices_of_a_range_are_told_with_their_history(asker: Asker) -> None:
    asker.store(event(at=NOON - timedelta(days=60), fingerprint_hash="old", fingerprint={"os": "Linux"}, screen="1x1"))
    asker.store(
        event(fingerprint_hash="new", fingerprint={"os": "Linux", "cores": "8"}, user_id="ada", screen="2x2", **AGENT)
    )
    device = {
        "device_id": "device",
        "user_id": "ada",
        "first_seen_at": "2026-01-09T12:00:00.000Z",
        "last_seen_at": "2026-03-10T12:00:00.000Z",
        "events": 2,
        "pageviews": 2,
        "bot": False,
        "browser_version": "",
        "os_version": "",
        "screen": "2x2",
        "locale": "",
        "timezone": "",
        "app_version": "",
        "privacy": "balanced",
        "fingerprint_hash": "new",
        **AGENT,
    }
    assert asker.ask("/devices", RANGE) == {"rows": [device], "next": None, "exact": True}
    answer = asker.ask("/devices/device", RANGE)
    assert [session["started_at"] for session in answer.pop("sessions")] == ["2026-03-10T12:00:00.000Z"]
    assert answer == device | {
        "fingerprint_signals": {"os": "Linux", "cores": "8"},
        "usage": [{"weekday": 2, "hour": 12, "events": 1}],
    }
    assert asker.refusal("/devices/nobody")[:2] == (404, "not_found")


def test_the_summary_counts_devices_by_signal_hash_and_mode(asker: Asker) -> None:
    linux, mac = {"os": "Linux"}, {"os": "macOS"}
    asker.store(
        event(device_id="a", fingerprint_hash="one", fingerprint=linux),
        event(device_id="b", fingerprint_hash="one", fingerprint=linux, privacy="full"),
        event(device_id="c", fingerprint_hash="two", fingerprint=mac, sample_rate=0.5),
        event(device_id="d", privacy="strict"),
    )
    assert asker.ask("/devices/summary", RANGE) == {
        "devices": 5,
        "devices_with_fingerprint": 4,
        "distinct_hashes": 2,
        "shared_hashes": 1,
        "devices_sharing_a_hash": 2,
        "signals": [
            {"signal": "os", "value": "Linux", "devices": 2},
            {"signal": "os", "value": "macOS", "devices": 2},
        ],
        "hashes": [{"hash": "one", "devices": 2}, {"hash": "two", "devices": 2}],
        "privacy": [
            {"value": "balanced", "devices": 3},
            {"value": "full", "devices": 1},
            {"value": "strict", "devices": 1},
        ],
        "usage": [{"weekday": 2, "hour": 12, "events": 5}],
    }


def test_bots_are_left_out_unless_asked_for(asker: Asker) -> None:
    asker.store(event(), event(bot="crawler"), event(device_id="robot", bot="webdriver"))
    counts = [asker.ask("/stats", RANGE | {"bots": bots}) for bots in ("exclude", "include", "only")]
    assert [(row["visitors"], row["sessions"], row["events"]) for row in counts] == [(1, 1, 1), (2, 2, 3), (2, 2, 2)]
    shown = asker.ask("/breakdown", RANGE | {"bots": "only", "dimension": "bot", "metrics": "events"})["rows"]
    assert [(row["bot"], row["events"]) for row in shown] == [("crawler", 1), ("webdriver", 1)]


def test_sampled_visitors_weigh_what_they_stand_for(asker: Asker) -> None:
    asker.store(event(sample_rate=0.1, at=NOON), event(sample_rate=0.5, at=NOON + MINUTE), event(device_id="plain"))
    stats = asker.ask("/stats", RANGE)
    assert (stats["visitors"], stats["sessions"], stats["events"]) == (3, 3, 13)


@pytest.mark.parametrize("path", ASKED)
def test_a_key_shows_its_own_project_only(asker: Asker, path: str) -> None:
    asker.store(event(project="rival", name="secret", fingerprint={"os": "secret"}, fingerprint_hash="secret"))
    response = asker.response(path, RANGE | ASKED[path])
    assert "secret" not in response.text
    assert response.status_code == (404 if path in ("/sessions/session", "/devices/device") else 200)
    assert asker.response(path, RANGE | ASKED[path], key="rival").status_code == 200


def test_the_documentations_examples_are_answered(asker: Asker) -> None:
    text = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    asked = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("ask /")]
    paths = [path for path, *_ in asked]
    asked_with_body = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("ask_with_body /")]
    assert {asker.response(path, body=body.encode()).status_code for path, body in asked_with_body} == {200}
    ids = [path.partition("/{")[0] for path in (known.path for known in PATHS if known.method == "GET")]
    assert [name for name in ids if not any(path.startswith(name) for path in paths)] == []
    for path, *options in asked:
        params = [tuple(option.split("=", 1)) for option in options if not option.startswith("-")]
        expected = 404 if path.startswith(("/sessions/", "/devices/6")) else 200
        assert asker.response(path, params).status_code == expected, path


def test_every_path_is_asked_here() -> None:
    assert {path.path.replace("/{id:path}", "") for path in PATHS if path.method == "GET"} == {
        path.replace("/sessions/session", "/sessions").replace("/devices/device", "/devices") for path in ASKED
    }


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "no_key"),
        ({"Authorization": "Bearer "}, 401, "no_key"),
        ({"Authorization": "Bearer nonsense"}, 401, "unknown_key"),
        ({"Authorization": "Bearer rk_shop_00000000000000000000000000000000"}, 401, "unknown_key"),
        ({"Authorization": "Basic {read}"}, 401, "no_key"),
        ({"Authorization": "Bearer {write}"}, 403, "wrong_key"),
        ({"Authorization": "Bearer {admin}"}, 403, "wrong_key"),
    ],
)
def test_only_a_read_key_may_ask(asker: Asker, path: str, headers: dict[str, str], status: int, code: str) -> None:
    tokens = {kind: asker.keys[f"shop {kind}"] for kind in ("read", "write", "admin")}
    given = {name: value.format(**tokens) for name, value in headers.items()}
    assert asker.refusal(path, ASKED[path], headers=given)[:2] == (status, code)


def test_a_question_over_the_databases_limits_is_unprocessable(shared: Any, tmp_path: Path) -> None:
    engine = shared.engine
    narrow = Database(
        url=engine.url, socket_path=engine.socket_path, user=engine.user, password=engine.password,
        database=shared.name, settings={**QUERY_LIMITS, "max_rows_to_read": 1},
    )  # fmt: skip
    with Asker(shared.open(), narrow, tmp_path) as asker:
        asker.store(*(event(session_id=str(number)) for number in range(50)))
        assert asker.refusal("/stats", RANGE)[:2] == (422, "over_limits")
