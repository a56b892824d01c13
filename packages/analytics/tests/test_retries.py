"""A batch is tried again with the same id and content until the server has it, and is stored once."""

import errno
import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shockmouse_analytics import RejectedError, Stats, UnreachableError
from shockmouse_analytics.transport import retry_after


def numbers(server):
    return sorted(event["properties"]["number"] for event in server.events)


def track(analytics, count):
    for number in range(count):
        analytics.track("n", {"number": number})


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "shockmouse_analytics"]


def first(reply):
    """Answer the first request so, and accept the others."""
    return lambda number, body: reply if number == 1 else None


def unpacking_to_200_mib():
    """Made by its test: it takes a second, and every process of a test run loads this file."""
    return 200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * (200 << 20) + b'{"accepted": 50}', 1)


@pytest.mark.parametrize(
    "reply",
    [
        "store",
        (500, {}, {}),
        (502, {}, b"<html>"),
        (503, {}, {}),
        (503, {"Retry-After": "0"}, {}),
        (429, {"Retry-After": "nonsense"}, {}),
        (408, {}, {}),
        (200, {}, b"<html>Please sign in to this network</html>"),
        (200, {}, {"accepted": 0}),
        (200, {}, {"accepted": -5}),
        (200, {}, b" " * (2 << 20) + b'{"accepted": 50}'),
        unpacking_to_200_mib,
    ],
)
def test_an_unclear_or_postponing_answer_is_tried_again_unchanged(client, server, reply):
    server.reply = first(reply() if callable(reply) else reply)
    analytics = client()
    track(analytics, 50)
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(50))
    before, after = server.requests
    assert (before["batch_id"], before["events"]) == (after["batch_id"], after["events"])
    assert before["sent_at"] < after["sent_at"]
    assert analytics.stats() == Stats(queued=0, sent=50, stored=0, dropped={}, rejected={})


@pytest.mark.parametrize(
    ("code", "rejected"),
    [("spool_full", {}), ("disk_failing", {"too_large": 50}), ("", {"too_large": 50})],
)
def test_a_batch_that_may_be_stored_is_not_divided(client, server, code, rejected):
    replies = [(503, {"Retry-After": "0"}, {"error": {"code": code, "reason": ""}}), (413, {}, {})]
    server.reply = lambda number, body: replies[number - 1] if number <= len(replies) else None
    analytics = client(debug=False)
    track(analytics, 50)
    assert analytics.flush(timeout=20) is not bool(rejected)
    assert numbers(server) == ([] if rejected else list(range(50)))
    assert analytics.stats().rejected == rejected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_absent_server_is_named_in_the_words_of_the_system(client, server, host):
    server.stop()
    analytics = client(endpoint=f"http://{host}:{server.port}")
    analytics.track("n")
    with pytest.raises(UnreachableError) as caught:
        analytics.flush(timeout=1)
    assert str(caught.value) == f"cannot connect to {host}:{server.port}: {os.strerror(errno.ECONNREFUSED).lower()}"


@pytest.mark.parametrize(("count", "waiting"), [(1, "1 event waits"), (3, "3 events wait")])
def test_waiting_events_are_told_while_they_wait_and_at_the_end(client, server, tmp_path, caplog, count, waiting):
    server.stop()
    analytics = client(debug=False)
    track(analytics, count)
    assert not analytics.flush(timeout=0.1)
    server.wait_for(lambda: bool(told(caplog)))
    analytics.close()
    (path,) = (tmp_path / "state").glob("queue-*.sqlite")
    reason = f"cannot connect to 127.0.0.1:{server.port}: {os.strerror(errno.ECONNREFUSED).lower()}"
    assert told(caplog) == [
        f"events wait, to be tried again ({reason}); so far dropped: {{}}, refused: {{}}",
        f"{waiting} in {path}",  # the reason has just been told
    ]


def test_the_line_at_the_end_says_why_where_nothing_has(client, server, caplog):
    server.stop()
    analytics = client(debug=False)
    analytics.track("")  # told, so that the next warning would come in a minute
    analytics.track("n")
    assert not analytics.flush(timeout=0.1)
    server.wait_for(lambda: analytics._manager.last_error is not None)
    analytics.close()
    _, last = told(caplog)
    assert last.endswith(f": cannot connect to 127.0.0.1:{server.port}: {os.strerror(errno.ECONNREFUSED).lower()}")


def test_a_server_that_breaks_every_second_connection_after_storing_stores_nothing_twice(client, server):
    server.reply = lambda number, body: "store" if number % 2 else None
    analytics = client(flush_events=10)
    track(analytics, 200)
    assert analytics.flush(timeout=40)
    assert numbers(server) == list(range(200))


def test_a_server_that_comes_back_gets_everything(client, server):
    server.stop()
    analytics = client(debug=False)
    track(analytics, 50)
    assert not analytics.flush(timeout=0.5)
    server.wait_for(lambda: analytics.stats().stored == 50)
    server.start()
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(50))


def test_retry_after_is_obeyed(client, server):
    server.reply = first((429, {"Retry-After": "1"}, {}))
    analytics = client()
    track(analytics, 5)
    started = time.monotonic()
    assert analytics.flush(timeout=20)
    assert 1.0 <= time.monotonic() - started < 20


@pytest.mark.parametrize("wish", ["0", format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True)])
def test_a_server_that_asks_for_no_pause_gets_the_growing_ones(client, server, wish):
    server.reply = lambda number, body: (503, {"Retry-After": wish}, {})
    analytics = client(debug=False)
    track(analytics, 1)
    assert not analytics.flush(timeout=2)
    assert 2 <= len(server.requests) <= 8  # pauses of at most 0.5, 1, 2 … s, a random part of each


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("nonsense", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("86400", 300.0),
        ("9" * 5000, 300.0),
        (format_datetime(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=42), usegmt=True), 42.0),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        (format_datetime(datetime(2030, 1, 1, tzinfo=UTC), usegmt=True), 300.0),
    ],
)
def test_retry_after_is_read_in_every_form(header, seconds):
    assert retry_after(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_a_batch_that_is_too_large_is_halved_until_it_fits(client, server):
    server.reply = lambda number, body: (413, {}, {}) if len(body["events"]) > 20 else None
    analytics = client()
    track(analytics, 100)
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(100))
    assert analytics.stats() == Stats(queued=0, sent=100, stored=0, dropped={}, rejected={})
    requests = len(server.requests)
    track(analytics, 100)
    assert analytics.flush(timeout=20)
    assert all(len(body["events"]) <= 20 for body in server.requests[requests:])


def test_a_single_event_that_is_too_large_is_set_aside_and_stops_nobody(client, server):
    server.reply = lambda number, body: (413, {}, {}) if any(e["name"] == "big" for e in body["events"]) else None
    analytics = client(debug=False)
    track(analytics, 5)
    analytics.track("big")
    assert not analytics.flush(timeout=20)
    assert numbers(server) == list(range(5))
    assert analytics.stats().rejected == {"too_large": 1}


def test_a_refused_batch_is_set_aside_with_the_reason_and_stops_nobody(client, server):
    refusal = {"error": {"code": "batch_id_reused", "reason": "used before"}}
    server.reply = first((400, {}, refusal))
    analytics = client(debug=False)
    track(analytics, 5)
    assert not analytics.flush(timeout=20)
    analytics.track("n", {"number": 5})
    assert not analytics.flush(timeout=20)
    assert numbers(server) == [5]
    assert analytics.stats() == Stats(queued=0, sent=1, stored=5, dropped={}, rejected={"batch_id_reused": 5})


def test_a_batch_of_refused_events_is_counted_and_forgotten(client, server):
    refused = [{"index": 0, "event_id": "", "code": "bad_name", "reason": ""}]
    server.reply = first((400, {}, {"error": {"code": "no_events", "reason": ""}, "rejected": refused}))
    analytics = client()
    track(analytics, 1)
    assert not analytics.flush()
    assert analytics.stats() == Stats(queued=0, sent=0, stored=0, dropped={}, rejected={"bad_name": 1})


@pytest.mark.parametrize("status", [401, 403, 404, 301])
def test_a_wrong_key_or_address_keeps_the_events_until_it_is_mended(client, server, status):
    server.reply = lambda number, body: (status, {}, {"error": {"code": "unknown_key", "reason": "no such key"}})
    analytics = client(debug=False)
    track(analytics, 150)
    started = time.monotonic()
    assert not analytics.flush(timeout=60)
    assert time.monotonic() - started < 30
    assert len(server.requests) <= 4
    server.reply = lambda number, body: None
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(150))


def test_flush_says_why_in_debug(client, server):
    server.reply = lambda number, body: (401, {}, {"error": {"code": "unknown_key", "reason": "no such key"}})
    analytics = client(debug=True)
    track(analytics, 1)
    with pytest.raises(RejectedError, match="401 unknown_key: no such key"):
        analytics.flush(timeout=5)
    server.stop()
    with pytest.raises(UnreachableError):
        client(debug=True, endpoint=server.endpoint).deliver_stored(timeout=5)


def test_a_poisonous_batch_does_not_hold_up_the_others(client, server):
    server.reply = lambda number, body: (500, {}, {}) if body["events"][0]["name"] == "poison" else None
    analytics = client(debug=False)
    analytics.track("poison")
    assert not analytics.flush(timeout=0.3)
    for _ in range(5):
        track(analytics, 10)
        analytics.flush(timeout=0.3)
    server.wait_for(lambda: (analytics.stats().sent, analytics.stats().stored) == (50, 1))
    assert numbers(server) == sorted(list(range(10)) * 5)


def test_a_batch_whose_outcome_is_unclear_for_too_long_is_dropped_and_counted(client, server):
    server.reply = first("store")
    analytics = client(debug=False, retry_seconds=0.001, flush_seconds=0.1)
    track(analytics, 5)
    server.wait_for(lambda: analytics.stats().dropped == {"retry_expired": 5})
    assert analytics.flush(timeout=5)
    assert len(server.requests) == 1


def test_a_batch_that_never_left_does_not_expire(client, server):
    server.stop()
    analytics = client(debug=False, retry_seconds=0.001)
    track(analytics, 5)
    assert not analytics.flush(timeout=1.5)
    server.start()
    assert analytics.flush(timeout=20)
    assert numbers(server) == list(range(5))
