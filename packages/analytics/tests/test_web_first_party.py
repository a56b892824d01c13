"""The browser script comes from the site itself, and its batches are delivered by the site."""

import gzip
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, NamedTuple

import pytest
from web_site import FIREFOX, HTML, PAGE, Answer, Site, View

from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.request import Request
from shockmouse_analytics.sampling import keeps

KEY = "wk_shop_0123456789"
EVENTS = f"/_shockmouse/events?key={KEY}"
TAG = f'<script defer src="/_shockmouse/agent.js" data-key="{KEY}" data-events="events"></script>'.encode()
COOKIE = "0123456789abcdef0123456789abcdef"
BATCH_ID = "0190b8a5-0000-7000-8000-000000000001"
REASONS = {f"{number:060d}": 1 for number in range(64)}  # more than 4096 bytes
SCRIPT = (resources.files("shockmouse_analytics") / "browser" / "agent.min.js").read_bytes()


@pytest.fixture(params=["asgi", "wsgi"])
def front(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def analytics(client: Callable[..., Analytics]) -> Analytics:
    return client()


def batch(sent_at: datetime | None = None, **event: Any) -> bytes:
    """Return a body as the script sends it."""
    at = sent_at or datetime.now(UTC)
    whole = {"event_id": "0190b8a5-0000-7000-8000-00000000000a", "type": "click", "timestamp": at.isoformat()}
    sent = {
        "batch_id": BATCH_ID,
        "sent_at": at.isoformat(),
        "library": {"name": "shockmouse-agent", "version": "0.1.0"},
    }
    return json.dumps(sent | {"context": {"locale": "en"}, "events": [whole | {"privacy": "strict"} | event]}).encode()


def stored(server: Any, analytics: Analytics) -> dict[str, Any]:
    """Return the one batch that has arrived."""
    assert analytics.flush(timeout=10)
    (body,) = server.stored.values()
    return dict(body)


def test_the_script_goes_to_the_end_of_the_head_and_tells_of_the_page_itself(
    front: str, server: Any, analytics: Analytics
) -> None:
    answer = Site(front, analytics, View(), inject=True).get()
    page = PAGE.replace(b"</head>", TAG + b"</head>")
    assert answer == (200, {"content-type": HTML[0][1], "content-length": str(len(page))}, [page])
    assert analytics.flush(timeout=10)
    assert [event["type"] for event in server.events] == ["performance"]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(parts=(b"<body>Hello</body>",)), [b"<body>Hello" + TAG + b"</body>"]),
        (View(parts=(b"<p>Hello", b" you</p>")), [b"<p>Hello", b" you</p>"]),
        (View(parts=(b"<script>'</head>'", b"</script></head>")), [b"<script>'</head>'", b"</script></head>"]),
        (View(parts=(b"<HEAD></HEAD>", b"<body>")), [b"<HEAD>" + TAG + b"</HEAD>", b"<body>"]),
        (View(parts=(PAGE,), streams=True), [PAGE]),
        (View(headers=[*HTML, ("Content-Encoding", "gzip")]), [PAGE]),
        (View(headers=[*HTML, ("Content-Digest", "sha-256=:x:")]), [PAGE]),
        (View(headers=[("Content-Type", "text/plain")]), [PAGE]),
        (View(status=404), [PAGE]),
        (View(parts=(b"",)), [b""]),
    ],
)
def test_the_script_is_added_only_where_there_is_a_place_for_it(
    front: str, server: Any, analytics: Analytics, view: View, expected: list[bytes]
) -> None:
    answer = Site(front, analytics, view, inject=True).get()
    assert answer.parts == expected
    length = None if view.streams else str(sum(map(len, expected)))
    assert answer.headers.get("content-length") == length


def test_a_length_that_is_no_number_passes_as_it_is(front: str, analytics: Analytics) -> None:
    view = View(headers=[*HTML, ("Content-Length", "abc")], streams=True)
    answer = Site(front, analytics, view, inject=True).get()
    assert (answer.parts, answer.headers["content-length"]) == ([PAGE], "abc")


def test_a_page_without_a_place_for_the_script_is_told_of_by_the_middleware(
    front: str, server: Any, analytics: Analytics
) -> None:
    assert Site(front, analytics, View(parts=(b"<title>Old</title><!-- </head>",)), inject=True).get().status == 200
    assert analytics.flush(timeout=10)
    assert [event["type"] for event in server.events] == ["page", "performance"]


def test_the_tag_says_what_is_configured_and_consented(front: str, client: Callable[..., Analytics]) -> None:
    site = Site(front, client(privacy="full"), View(), inject=True, refusals="drop", consent=lambda _: True)
    options = b' data-events="events" data-privacy="full" data-gpc="drop" data-consent="given"></script>'
    assert options in site.get().body
    shared = View(headers=[*HTML, ("Cache-Control", "public, max-age=60")])
    alike = Site(front, client(), shared, inject=True, consent=lambda _: True)
    assert alike.get(cookie=f"shockmouse_device={COOKIE}").body == PAGE.replace(b"</head>", TAG + b"</head>")


def test_the_script_is_served_with_an_etag(front: str, analytics: Analytics) -> None:
    site = Site(front, analytics, View(), inject=True)
    answer = site.get("/_shockmouse/agent.js")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.body == SCRIPT
    zipped = site.get("/_shockmouse/agent.js", accept_encoding="br, gzip")
    assert (gzip.decompress(zipped.body), zipped.headers["content-encoding"]) == (SCRIPT, "gzip")
    assert len(zipped.body) <= 6144
    again = site.get("/_shockmouse/agent.js", if_none_match=answer.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    without = Site(front, analytics, View()).get("/_shockmouse/agent.js")
    assert without.body == PAGE


def test_a_batch_is_passed_on_with_the_visitors_network_and_no_more(
    front: str, server: Any, analytics: Analytics
) -> None:
    site = Site(front, analytics, View(), inject=True)
    body = batch(name="Buy", properties={"half": "\ud83d", "token": "as it is"})
    answer = site.ask("POST", EVENTS, body, content_type="text/plain")
    assert (answer.status, json.loads(answer.body)) == (202, {"accepted": 1})
    assert site.bodies == []
    sent = json.loads(body)
    sent["events"][0]["properties"]["half"] = "?"
    context = {"locale": "en", "ip": "203.0.113.0", "user_agent": FIREFOX}
    arrived = stored(server, analytics)
    assert arrived.pop("sent_at") != sent.pop("sent_at")
    assert arrived == sent | {"context": context}


def test_a_batch_that_is_sent_twice_is_stored_once_under_its_own_id(
    front: str, server: Any, analytics: Analytics
) -> None:
    site = Site(front, analytics, View(), inject=True)
    body = batch()
    for _ in range(3):
        assert site.ask("POST", EVENTS, body).status == 202
    assert stored(server, analytics)["batch_id"] == BATCH_ID


def test_batches_wait_on_disk_while_the_server_is_away(
    front: str, server: Any, client: Callable[..., Analytics]
) -> None:
    server.stop()
    analytics = client(debug=False)
    assert Site(front, analytics, View(), inject=True).ask("POST", EVENTS, batch()).status == 202
    analytics.close()
    server.start()
    assert client().deliver_stored(timeout=10)
    (body,) = server.stored.values()
    assert body["batch_id"] == BATCH_ID


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, {"device_id": "own", "session_id": "own", "fingerprint": {"hash": "f"}, "privacy": "balanced"}),
        (
            {"cookie": f"shockmouse_device={COOKIE}"},
            {"device_id": COOKIE, "privacy": "balanced", "fingerprint": {"hash": "f"}},
        ),
        ({"cookie": f"shockmouse_device={COOKIE}", "sec_gpc": "1"}, {"privacy": "strict"}),
        ({"cookie": f"shockmouse_device={COOKIE}; withdrawn=1"}, {"privacy": "strict"}),
    ],
)
def test_the_cookie_names_the_device_and_a_refusal_removes_it(
    front: str, server: Any, analytics: Analytics, headers: dict[str, str], told: dict[str, Any]
) -> None:
    site = Site(front, analytics, View(), inject=True, consent=lambda request: not request.cookie("withdrawn"))
    body = batch(device_id="own", session_id="own", fingerprint={"hash": "f"}, privacy="balanced")
    assert site.ask("POST", EVENTS, body, **headers).status == 202
    (event,) = stored(server, analytics)["events"]
    assert {name: value for name, value in event.items() if name not in ("event_id", "type", "timestamp")} == told


def test_what_the_script_tells_in_strict_mode_stays_where_the_callback_says_no(
    front: str, server: Any, analytics: Analytics
) -> None:
    site = Site(front, analytics, View(), inject=True, consent=lambda _: False)
    body = json.loads(batch(fingerprint={"hash": "coarse"}, device_id="left over"))
    body["context"] = {"locale": "en-GB", "timezone": "Europe/Paris", "screen": {"width": 1900}, "webdriver": False}
    assert site.ask("POST", EVENTS, json.dumps(body).encode()).status == 202
    arrived = stored(server, analytics)
    del body["events"][0]["device_id"]
    assert arrived["events"] == body["events"]
    assert arrived["context"] == {
        "ip": "203.0.113.0",
        "user_agent": FIREFOX,
        "locale": "en",
        "webdriver": False,
    }


class Conditional(NamedTuple):
    """A browser's cache of one page of a site that answers 304 to whoever has its ETag; the newest copy is the last."""

    site: Site
    cached: list[Answer]

    def load(self, **headers: str) -> int:
        """Load the page as a browser does that has a copy of it; return the status."""
        copy = self.cached[-1] if self.cached else None
        asks = {"if_none_match": copy.headers["etag"]} if copy else {}
        if copy and "last-modified" in copy.headers:
            asks["if_modified_since"] = copy.headers["last-modified"]
        answer = self.site.get(accept="text/html", **asks, **headers)
        if answer.status == 304 and copy:  # its headers replace the copy's
            answer = Answer(200, copy.headers | answer.headers, copy.parts)
            self.cached.append(answer)
            return 304
        self.cached.append(answer)
        return answer.status

    @property
    def has_consent(self) -> bool:
        return b'data-consent="given"' in self.cached[-1].body


def agrees(request: Request) -> bool:
    return request.cookie("yes") == "1"


@pytest.fixture
def conditional(front: str, analytics: Analytics) -> Conditional:
    dated = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    view = View(headers=[*HTML, ("ETag", 'W/"abc"'), dated], conditional=True)
    return Conditional(Site(front, analytics, view, inject=True, consent=agrees), [])


def test_a_copy_from_before_a_withdrawal_is_not_used_again(conditional: Conditional) -> None:
    yes = {"cookie": f"yes=1; shockmouse_device={COOKIE}"}
    loads = [(conditional.load(**cookie), conditional.has_consent) for cookie in (yes, yes, yes, {}, {}, yes, yes)]
    assert loads == [(200, True), (304, True), (304, True), (200, False), (304, False), (200, True), (304, True)]


def test_a_copy_with_the_script_is_told_of_by_the_script_alone(
    conditional: Conditional, server: Any, analytics: Analytics
) -> None:
    assert [conditional.load() for _ in range(3)] == [200, 304, 304]
    assert analytics.flush(timeout=10)
    assert [event["type"] for event in server.events] == ["performance"] * 3


def test_a_copy_without_the_script_is_told_of_by_the_middleware(front: str, server: Any, analytics: Analytics) -> None:
    compressed = [*HTML, ("Content-Encoding", "gzip"), ("ETag", '"abc"')]
    loads = Conditional(Site(front, analytics, View(headers=compressed, conditional=True), inject=True), [])
    assert [loads.load() for _ in range(2)] == [200, 304]
    assert loads.cached[-1].headers["etag"] == '"abc"'
    assert analytics.flush(timeout=10)
    assert [event["type"] for event in server.events] == ["page", "performance"] * 2


def test_the_application_sees_its_own_etags(front: str, analytics: Analytics) -> None:
    view = View(headers=[*HTML, ("ETag", '"abc"')])
    site = Site(front, analytics, view, inject=True)
    page = site.get()
    assert page.headers["etag"].startswith('"abc.shockmouse-')
    other = '"abc.shockmouse-00000000"'
    site.ask("PUT", "/pricing", if_match=page.headers["etag"])
    site.get(if_none_match=f'W/"x", {page.headers["etag"]}, {other}, *')
    site.get(if_none_match=other, if_modified_since="Thu, 01 Jan 2026 00:00:00 GMT")
    site.get(if_none_match='"x"', if_modified_since="Thu, 01 Jan 2026 00:00:00 GMT")
    assert site.conditions == [
        {},
        {"if-match": '"abc"'},
        {"if-none-match": 'W/"x", "abc", *'},
        {},
        {"if-none-match": '"x"', "if-modified-since": "Thu, 01 Jan 2026 00:00:00 GMT"},
    ]


def test_an_event_without_an_id_is_sampled_by_the_cookies_device(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View(), inject=True, consent=lambda _: True)
    dropped, kept = next(f"{n:032x}" for n in range(99) if not keeps(f"{n:032x}", 0.5)), COOKIE
    assert keeps(kept, 0.5)
    for device, body, accepted in (
        (dropped, batch(sample_rate=0.5), 0),
        (dropped, batch(sample_rate="half", id=2), 1),
        (dropped, batch(sample_rate=0.5, device_id="sampled by the script", id=3), 1),
        (kept, batch(sample_rate=0.5, id=4), 1),
    ):
        sent = body.replace(BATCH_ID.encode(), str(uuid.uuid4()).encode())
        answer = site.ask("POST", EVENTS, sent, cookie=f"shockmouse_device={device}")
        assert (answer.status, json.loads(answer.body)) == (202, {"accepted": accepted})
    assert analytics.flush(timeout=10)
    assert analytics.stats().dropped == {"sampled": 1}
    arrived = sorted((event["id"], event["device_id"]) for event in server.events)
    assert arrived == [(2, dropped), (3, dropped), (4, kept)]


def test_what_the_script_has_dropped_is_passed_on(front: str, server: Any, analytics: Analytics) -> None:
    body = json.dumps(json.loads(batch()) | {"dropped": {"too_large": 3}}).encode()
    assert Site(front, analytics, View(), inject=True).ask("POST", EVENTS, body).status == 202
    assert stored(server, analytics)["dropped"] == {"too_large": 3}


@pytest.mark.parametrize("told", ["x", 5, [1], {"x": -1}, {"x": 1.5}, {"x" * 65: 1}, {"x": 10**30}, REASONS, None])
def test_events_do_not_suffer_from_odd_counts_of_drops(
    front: str, server: Any, analytics: Analytics, told: object
) -> None:
    body = json.dumps(json.loads(batch()) | {"dropped": told}).encode()
    assert Site(front, analytics, View(), inject=True).ask("POST", EVENTS, body).status == 202
    arrived = stored(server, analytics)
    assert (len(arrived["events"]), arrived.get("dropped")) == (1, None)


def test_refusals_are_dropped_when_configured(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View(), inject=True, refusals="drop")
    assert site.ask("POST", EVENTS, batch(), dnt="1").status == 202
    assert analytics.flush(timeout=10)
    assert server.requests == []


def test_a_wrong_clock_is_put_right_before_the_batch_waits(front: str, server: Any, analytics: Analytics) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=3)
    Site(front, analytics, View(), inject=True).ask("POST", EVENTS, batch(ahead, session_started_at="nonsense"))
    (event,) = stored(server, analytics)["events"]
    assert abs(datetime.fromisoformat(event["timestamp"]) - datetime.now(UTC)) < timedelta(seconds=30)
    assert event["session_started_at"] == "nonsense"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", EVENTS, b"{}", 400, "bad_batch"),
        ("POST", EVENTS, b"\xff\xfe", 400, "bad_batch"),
        ("POST", EVENTS, b"[" * 100_000, 400, "bad_batch"),
        ("POST", EVENTS, b'{"batch_id":"1","events":[{}]}', 400, "bad_batch"),
        ("POST", EVENTS, b'{"batch_id":"%b","events":[]}' % BATCH_ID.encode(), 400, "bad_batch"),
        ("POST", EVENTS, b" " * (128 << 10) + batch(), 413, "too_large"),
        ("POST", "/_shockmouse/events", batch(), 401, "unknown_key"),
        ("POST", "/_shockmouse/events?key=wk_other_1", batch(), 401, "unknown_key"),
        ("GET", EVENTS, b"", 405, "method_not_allowed"),
        ("POST", "/_shockmouse/agent.js", b"", 405, "method_not_allowed"),
        ("GET", "/_shockmouse/other", b"", 404, "not_found"),
    ],
)
def test_what_is_no_batch_is_refused(
    front: str, server: Any, analytics: Analytics, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    site = Site(front, analytics, View(), inject=True)
    answer = site.ask(method, path, body)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)
    assert analytics.flush(timeout=10)
    assert (server.requests, site.bodies) == ([], [])
