"""What the protocol makes of a body: shapes, defaults, ids, times; and that whatever is accepted can be stored."""

import gzip
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.contexts import Context, Page
from shockmouse_analytics_server.enrich import Arrival, enrich
from shockmouse_analytics_server.errors import BodyError
from shockmouse_analytics_server.fingerprints import Fingerprint
from shockmouse_analytics_server.loader import INSERT_SETTINGS
from shockmouse_analytics_server.rows import ROW_COLUMNS, Row
from shockmouse_analytics_server.times import parse_time
from shockmouse_analytics_server.wire import Batch, Event, Limits, Rejection, decode

from .conftest import Place

ID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
OTHER_ID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"
NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z


def sent(**members: Any) -> dict[str, Any]:
    return {"event_id": ID, "type": "track", "name": "signup", "timestamp": "2026-11-22T12:00:00Z", **members}


def read(body: Any, **limits: int) -> Batch:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(raw, "application/json", "", Limits(**limits))


def expected(**members: Any) -> Event:
    """Return the event that `sent()` becomes."""
    plain: dict[str, Any] = {
        "event_id": ID,
        "type": "track",
        "name": "signup",
        "timestamp": "2026-11-22T12:00:00Z",
        "at": datetime(2026, 11, 22, 12, tzinfo=UTC),
        "session_id": "",
        "session_started_at": None,
        "device_id": "",
        "user_id": "",
        "privacy": "",
        "sample_rate": 1.0,
        "boot_id": "",
        "seq": 0,
        "fingerprint": Fingerprint(),
        "user_properties": msgspec.Raw(b"{}"),
        "properties": msgspec.Raw(b"{}"),
        "context": Context(),
    }
    return Event(**{**plain, **members})


def test_the_three_shapes_of_a_body_hold_the_same_event() -> None:
    batches = [read(sent()), read([sent()]), read({"events": [sent()]})]
    assert [batch.events for batch in batches] == [(expected(),)] * 3
    assert len({(batch.batch_id, batch.digest) for batch in batches}) == 1


def test_every_member_of_an_event_is_read() -> None:
    full = sent(
        session_id="s",
        session_started_at="2026-11-22T11:30:00.250+01:00",
        device_id="d",
        user_id="u",
        privacy="full",
        sample_rate=0.5,
        boot_id="b",
        seq=7,
        fingerprint={"hash": "h", "signals": {"os": "Linux", "cores": 8, "ci": False, "ram": 1.5, "gpu": None}},
        user_properties={"plan": "pro"},
        properties={"a": 1, "a ": [1.0, None, "x"]},
        context={
            "page": {"url": "https://x/", "path": "/p", "title": "T", "referrer": "https://y/"},
            "screen": {"width": 1920, "height": 1080},
            "locale": "en-GB",
            "timezone": "Europe/Paris",
            "user_agent": "UA",
            "ip": "203.0.113.9",
            "app": {"name": "shop", "version": "1.2"},
            "webdriver": True,
            "network": {"type": "4g"},
        },
        unknown="ignored",
    )
    assert read(full).events == (
        expected(
            session_id="s",
            session_started_at=datetime(2026, 11, 22, 10, 30, 0, 250_000, tzinfo=UTC),
            device_id="d",
            user_id="u",
            privacy="full",
            sample_rate=0.5,
            boot_id="b",
            seq=7,
            fingerprint=Fingerprint("h", {"os": "Linux", "cores": "8", "ci": "false", "ram": "1.5"}),
            user_properties=msgspec.Raw(b'{"plan":"pro"}'),
            properties=msgspec.Raw(b'{"a":1,"a ":[1.0,null,"x"]}'),
            context=Context(
                page=Page("https://x/", "/p", "T", "https://y/"),
                screen="1920x1080",
                locale="en-GB",
                timezone="Europe/Paris",
                user_agent="UA",
                ip="203.0.113.9",
                app_name="shop",
                app_version="1.2",
                webdriver=True,
                rest='{"network":{"type":"4g"}}',
                keys=2,
            ),
        ),
    )


def test_the_batch_says_who_sent_it_when_and_what_was_dropped_before() -> None:
    batch_id = uuid.uuid4()
    batch = read(
        {
            "batch_id": str(batch_id),
            "sent_at": "2026-11-22T12:00:05+00:00",
            "library": {"name": "shockmouse-analytics", "version": "1.0.0"},
            "dropped": {"queue_full": 3},
            "events": [sent()],
        }
    )
    assert (batch.batch_id, batch.sent_at, batch.library.name, batch.library.version, batch.dropped) == (
        batch_id,
        datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC),
        "shockmouse-analytics",
        "1.0.0",
        {"queue_full": 3},
    )


def test_the_batch_context_gives_defaults_that_an_event_replaces_member_by_member() -> None:
    defaults = {"locale": "en", "page": {"url": "https://a/", "title": "A"}, "zone": 1}
    own = {"page": {"url": "https://b/"}, "zone": 2, "more": 3}
    batch = read({"context": defaults, "events": [sent(), sent(event_id=OTHER_ID, context=own)]})
    assert [event.context for event in batch.events] == [
        Context(locale="en", page=Page("https://a/", title="A"), rest='{"zone":1}', keys=1),
        Context(locale="en", page=Page("https://b/"), rest='{"zone":2,"more":3}', keys=2),
    ]


def test_a_batch_without_an_id_gets_the_same_one_for_the_same_events() -> None:
    one, other = sent(), sent(event_id=OTHER_ID)
    ids = [read(body).batch_id for body in ([one, other], {"events": [one, other]}, [other], [other, one])]
    assert (ids[0] == ids[1], len(set(ids)), {each.version for each in ids}) == (True, 3, {5})


def test_the_digest_counts_rejected_events_too() -> None:
    bad = sent(event_id=OTHER_ID, name="")
    digests = [read(body).digest for body in ([sent(), bad], [sent()], [sent(), sent(event_id=OTHER_ID)])]
    assert (digests[0] == digests[2], digests[0] == digests[1]) == (True, False)


def test_a_lone_surrogate_rejects_its_event_only() -> None:
    batch = read([sent(), sent(event_id=OTHER_ID, properties={"a": "x\ud83d", "b": "\\ud83d 😀"})])
    assert batch.events == (expected(),)
    assert batch.rejected == (Rejection(1, OTHER_ID, "bad_text", "properties: a text is not valid Unicode"),)


TIMES = {
    "2026-11-22T12:00:00Z": datetime(2026, 11, 22, 12, tzinfo=UTC),
    "2026-11-22t12:00:00.123456z": datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC),
    "2026-11-23T02:00:00+14:00": datetime(2026, 11, 22, 12, tzinfo=UTC),
    "2026-11-22T00:00:00-12:00": datetime(2026, 11, 22, 12, tzinfo=UTC),
    "2026-11-22T12:00:00": datetime(2026, 11, 22, 12, tzinfo=UTC),
    "2016-12-31T23:59:60Z": datetime(2017, 1, 1, tzinfo=UTC),
    "2017-01-01T05:29:60.5+05:30": datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
    "1899-01-01T00:00:00Z": datetime(1899, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
}


@pytest.mark.parametrize("text", TIMES)
def test_times_are_read_as_the_moments_they_are(text: str) -> None:
    assert parse_time(text) == TIMES[text]


def test_limits_are_arguments() -> None:
    def code_of(body: Any, **limits: int) -> tuple[int, str]:
        with pytest.raises(BodyError) as refused:
            read(body, **limits)
        return refused.value.status, refused.value.code

    assert [
        code_of([sent(), sent(event_id=OTHER_ID)], max_batch_events=1),
        code_of(sent(), max_body_bytes=20),
        code_of([1] * 50_000, max_batch_events=1000),
    ] == [(413, "too_many_events"), (413, "too_large"), (413, "too_many_events")]
    assert read(sent(), max_event_bytes=50).rejected[0].code == "too_large"


BODY = json.dumps({"batch_id": ID, "context": {"locale": "en"}, "events": [sent(properties={"a": [1, "é"]})]}).encode()


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode), st.integers(0, len(BODY)), st.integers(0, 8))
def test_no_bytes_do_more_than_refuse_the_body(inserted: bytes, place: int, removed: int) -> None:
    body = BODY[:place] + inserted + BODY[place + removed :]
    for text, encoding in ((body, ""), (inserted, ""), (gzip.compress(body), "gzip"), (inserted, "gzip")):
        batch = judged(lambda text=text, encoding=encoding: decode(text, "text/plain", encoding, Limits()))
        if isinstance(batch, BodyError):
            assert batch.status in (400, 413, 415)
        else:
            assert len(batch.events) + len(batch.rejected) + batch.duplicates > 0


def judged(reading: Callable[[], Batch]) -> Batch | BodyError:
    """Return what reading gives, or why it refuses; nothing else may be raised."""
    try:
        return reading()
    except BodyError as exc:
        return exc


characters = st.characters(codec="utf-8") | st.sampled_from("\0\t\r\n.\\\"'`%^:[]{}\u2028\ufffeé😀")
texts = st.text(characters, max_size=20)
spoilt = st.sampled_from(["a\ud800", "\udc00\ud800"])
numbers = (
    st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, 2**64 - 1, -(2**63)])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)
objects = st.dictionaries(texts, values, max_size=8)
odd_times = st.datetimes(timezones=st.none() | st.just(UTC)).map(datetime.isoformat) | st.sampled_from(list(TIMES))
events = st.fixed_dictionaries(
    {
        "event_id": st.uuids().map(str),
        "type": st.sampled_from(["track", "page", "screen", "click", "form", "error", "consent"]),
        "timestamp": odd_times,
        "name": texts.map(lambda text: "x" + text),
    },
    optional={
        "session_id": texts | spoilt,
        "session_started_at": odd_times,
        "device_id": texts,
        "user_id": texts,
        "privacy": st.sampled_from(["strict", "balanced", "full"]),
        "sample_rate": st.floats(1e-6, 1),
        "boot_id": texts,
        "seq": st.integers(0, 2**63),
        "fingerprint": st.fixed_dictionaries(
            {}, optional={"hash": texts, "signals": st.dictionaries(texts, st.booleans() | numbers | texts, max_size=5)}
        ),
        "user_properties": objects,
        "properties": objects,
        "context": objects
        | st.fixed_dictionaries(
            {},
            optional={
                "page": st.fixed_dictionaries({}, optional=dict.fromkeys(["url", "path", "title", "referrer"], texts)),
                "user_agent": texts,
                "ip": texts | st.ip_addresses().map(str),
                "locale": texts,
                "other": values,
            },
        ),
    },
)


def make_arrival(batch: Batch) -> Arrival:
    return Arrival(
        project="site",
        batch_id=str(batch.batch_id),
        library=batch.library,
        sent_at=batch.sent_at.timestamp() if batch.sent_at else None,
        received_at=NOON,
        address="203.0.113.9",
        user_agent="",
        is_refused=False,
        ip_mode="keep",
        retention_days=0,
        rollup_retention_days=0,
        salts=lambda: (b"today", b"yesterday"),
        country_of=lambda address: "",
    )


def rows_of(batch: Batch) -> list[Row]:
    """Return the batch's rows, each with a device and session as the spool would have found them."""
    arrival = make_arrival(batch)
    enriched = [enrich(event, arrival) for event in batch.events]
    rows = [each if isinstance(each, Row) else each.row for each in enriched]
    for row in rows:
        row.device_id, row.session_id = row.device_id or "device", row.session_id or "session"
        row.session_started = row.session_started or row.at
    return rows


@pytest.mark.engine
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent_at=st.none() | odd_times, batch=st.lists(events, min_size=3, max_size=40))
@example(sent_at="9999-12-31T00:00:00Z", batch=[sent(properties={"a%2Eb": 1, "a.b": 2, "a": {"b": [{}, [], None]}})])
@example(sent_at=None, batch=[sent(properties={"a": [1, "a", {"x": 1}, [1, [2.5]], None, True, 2**64 - 1]})])
@example(sent_at=None, batch=[sent(properties={"a": {"a": {"a": [[[{"a": 1}]]]}}}), sent(properties={"a": 1})])
def test_whatever_is_accepted_can_be_stored(migrated: Place, sent_at: str | None, batch: list[dict[str, Any]]) -> None:
    body = {"sent_at": sent_at, "events": batch} if sent_at else batch
    raw = json.dumps(body, ensure_ascii=True).replace("NaN", "0").replace("Infinity", "1").encode()
    accepted = read(raw)
    assert len(accepted.events) + accepted.duplicates + len(accepted.rejected) == len(batch)
    rows = rows_of(accepted)
    if not rows:
        return
    token = uuid.uuid4().hex

    async def store(database: Database) -> list[dict[str, Any]]:
        lines = msgspec.json.Encoder().encode_lines(rows)
        await database.execute("truncate table events")
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        await database.insert("events", ROW_COLUMNS, lines, settings=settings)
        return await database.fetch("select toString(event_id) as id, name, user_id, path from events order by id")

    stored = migrated.run(store)
    assert [(row["id"], row["name"], row["user_id"], row["path"]) for row in stored] == sorted(
        (row.event_id, row.name, row.user_id, row.path) for row in rows
    )
