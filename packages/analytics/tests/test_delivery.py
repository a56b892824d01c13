"""Events reach the server once, complete, in batches that are cut by number, bytes and age."""

import asyncio
import inspect
import threading
import uuid
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise

import pytest
from msgspec.structs import replace

from shockmouse_analytics import Stats, Visitor
from shockmouse_analytics.counts import Counts


class Broken(Mapping):
    """What another thread changes while it is read."""

    def __iter__(self):
        raise RuntimeError("dictionary changed size during iteration")

    def __len__(self):
        return 1

    def __getitem__(self, name):
        raise KeyError(name)


def numbers(server):
    return sorted(event["properties"]["number"] for event in server.events)


def without_ids(event):
    made = {"event_id", "timestamp", "boot_id", "session_id", "session_started_at", "device_id", "fingerprint"}
    return {name: value for name, value in event.items() if name not in made}


def test_each_verb_becomes_its_event(client, server):
    analytics = client(privacy="strict")
    analytics.register({"app": "editor"})
    analytics.identify("user-42", {"plan": "pro"})
    analytics.track("Report exported", {"format": "pdf", "pages": 12})
    analytics.page("https://example.com/pricing", title="Pricing")
    analytics.screen("Settings")
    analytics.group("acme", {"seats": 5})
    analytics.alias("user-43")
    analytics.register({"app": None})
    analytics.reset()
    analytics.track("Logged out")
    assert analytics.flush()
    user = {"user_id": "user-42", "privacy": "strict", "sample_rate": 1.0}
    app = {"app": "editor"}
    assert [without_ids(event) for event in server.events] == [
        {"type": "identify", "seq": 1, **user, "user_properties": {"plan": "pro"}, "properties": app},
        {
            "type": "track",
            "name": "Report exported",
            "seq": 2,
            **user,
            "properties": {**app, "format": "pdf", "pages": 12},
        },
        {
            "type": "page",
            "seq": 3,
            **user,
            "properties": app,
            "context": {"page": {"url": "https://example.com/pricing", "title": "Pricing"}},
        },
        {"type": "screen", "name": "Settings", "seq": 4, **user, "properties": app},
        {"type": "group", "seq": 5, **user, "properties": {**app, "seats": 5, "group_id": "acme"}},
        {"type": "alias", "seq": 6, **user, "user_id": "user-43", "properties": {**app, "previous_id": "user-42"}},
        {"type": "track", "name": "Logged out", "seq": 7, "privacy": "strict", "sample_rate": 1.0},
    ]


def test_ids_say_what_belongs_together(client, server):
    analytics = client()
    for number in range(3):
        analytics.track("n", {"number": number})
    analytics.reset()
    analytics.track("n", {"number": 3})
    assert analytics.flush()
    events = server.events
    ids = [uuid.UUID(event["event_id"]) for event in events]
    assert [(id_.version, id_.variant) for id_ in ids] == [(7, uuid.RFC_4122)] * 4
    assert len(set(ids)) == 4
    assert {event["boot_id"] for event in events} == {events[0]["boot_id"]}
    assert {event["device_id"] for event in events} == {events[0]["device_id"]}
    sessions = [event["session_id"] for event in events]
    assert [a == b for a, b in pairwise(sessions)] == [True, True, False]
    for event in events:
        at, started = (datetime.fromisoformat(event[name]) for name in ("timestamp", "session_started_at"))
        assert started <= at
        assert int(at.timestamp() * 1000) == int(event["event_id"].replace("-", "")[:12], 16)


def test_requests_carry_key_and_library_and_are_compressed(client, server):
    analytics = client()
    analytics.track("short")
    assert analytics.flush()
    analytics.track("long", {"text": "x" * 5000})
    assert analytics.flush()
    assert [headers.get("Content-Encoding") for headers in server.headers] == ["gzip", "gzip"]
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer wk_shop_0123456789"}
    assert {headers["Content-Type"] for headers in server.headers} == {"application/json"}
    assert [body["library"]["name"] for body in server.requests] == ["shockmouse-analytics"] * 2
    assert all(uuid.UUID(body["batch_id"]) for body in server.requests)


def test_a_batch_goes_when_it_is_full_without_being_asked(client, server):
    analytics = client(flush_events=10, flush_seconds=3600)
    for number in range(10):
        analytics.track("n", {"number": number})
    server.wait_for(lambda: numbers(server) == list(range(10)))
    assert [len(body["events"]) for body in server.requests] == [10]


def test_a_batch_goes_when_its_bytes_are_reached(client, server):
    analytics = client(batch_bytes=10_000, flush_seconds=3600)
    for number in range(4):
        analytics.track("n", {"number": number, "text": "x" * 3000})
    server.wait_for(lambda: numbers(server) == [0, 1])
    assert analytics.flush()
    assert [len(body["events"]) for body in server.requests] == [2, 2]


def test_a_batch_goes_when_it_is_old(client, server):
    analytics = client(flush_seconds=0.4)
    analytics.track("n", {"number": 0})
    server.wait_for(lambda: numbers(server) == [0], seconds=5)


def test_a_burst_from_many_threads_arrives_whole(client, server):
    analytics = client()

    def burst(first):
        for number in range(first, first + 5000):
            analytics.track("n", {"number": number})

    threads = [threading.Thread(target=burst, args=(first,)) for first in range(0, 40_000, 5000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert analytics.flush(timeout=60)
    assert numbers(server) == list(range(40_000))
    assert sorted(event["seq"] for event in server.events if event["type"] == "track") == sorted(
        {event["seq"] for event in server.events}
    )
    assert max(len(body["events"]) for body in server.requests) <= 1000
    assert analytics.stats() == Stats(queued=0, sent=40_000, stored=0, dropped={}, rejected={})


def test_an_event_is_a_snapshot_of_what_it_was_given(client, server):
    analytics = client()
    properties = {"number": 0, "list": [1]}
    analytics.track("n", properties)
    properties["number"] = 1
    properties["list"].append(2)
    assert analytics.flush()
    assert server.events[0]["properties"] == {"number": 0, "list": [1]}


def test_secrets_are_redacted_in_first_and_later_events(client, server):
    analytics = client()
    for _ in range(3):
        analytics.track("Signed in", {"name": "Ann", "password": "hunter2", "more": {"api_key": "x"}})
        assert analytics.flush()
    assert [event["properties"] for event in server.events] == [
        {"name": "Ann", "password": "[redacted]", "more": {"api_key": "[redacted]"}}
    ] * 3


def test_before_send_may_change_and_drop(client, server):
    import msgspec

    def before_send(event):
        if event.name == "drop":
            return None
        if event.name == "fail":
            raise RuntimeError("a bug of the program")
        return msgspec.structs.replace(event, properties={"changed": True})

    analytics = client(before_send=before_send)
    for name in ("keep", "drop", "fail"):
        analytics.track(name, {"changed": False})
    assert analytics.flush()
    assert [(event["name"], event["properties"]) for event in server.events] == [("keep", {"changed": True})]
    assert analytics.stats().dropped == {"before_send": 1, "before_send_failed": 1}


@pytest.mark.parametrize("keeps", [True, False])
def test_before_send_has_the_last_word_on_the_fingerprint_too(client, server, keeps):
    import msgspec

    seen = []

    def before_send(event):
        seen.append(event.fingerprint)
        return event if keeps else msgspec.structs.replace(event, fingerprint=None)

    analytics = client(before_send=before_send)
    for number in range(3):
        analytics.track("n", {"number": number})
    assert analytics.flush()
    (told,) = [fingerprint for fingerprint in seen if fingerprint]
    assert [event["fingerprint"] for event in server.events if "fingerprint" in event] == [told] * keeps


@pytest.mark.parametrize(
    ("before_send", "how"),
    [
        (lambda event: 1 / 0, "raised ZeroDivisionError"),
        (lambda event: 5, "returned int, but should return an Event or None"),
        (lambda event: {"type": "track"}, "returned dict, but should return an Event or None"),
        (lambda event: replace(event, name=object()), "returned an Event that cannot be sent, TypeError"),
    ],
)
def test_a_before_send_that_fails_is_told_of_with_its_kind_of_error(client, server, caplog, before_send, how):
    analytics = client(before_send=before_send)
    analytics.track("n")
    assert analytics.flush()
    assert (server.requests, analytics.stats().dropped) == ([], {"before_send_failed": 1})
    assert warnings(caplog) == [
        f"events were dropped: before_send {how}; so far dropped: {{'before_send_failed': 1}}, refused: {{}}"
    ]


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "shockmouse_analytics"]


def test_a_warning_comes_once_a_minute_and_says_where_and_why(client, server, caplog):
    analytics = client(debug=False)
    for _ in range(100):
        analytics.track("n", {"secret plan": object()})
    line = inspect.currentframe().f_lineno - 1
    assert warnings(caplog) == [
        "an event was dropped: Encoding objects of type object is unsupported,"
        f" called at {__file__}:{line}; so far dropped: {{'invalid': 1}}, refused: {{}}"
    ]


def test_every_place_of_a_wrong_call_is_told_by_the_end(client, caplog):
    analytics = client(debug=False)
    for _ in range(3):
        analytics.track("")
        analytics.track("n", [1])
        analytics.identify("")
    line = inspect.currentframe().f_lineno - 4
    analytics.close()
    assert warnings(caplog) == [
        f"an event was dropped: name should have 1 to 255 characters, called at {__file__}:{line + 1};"
        " so far dropped: {'invalid': 1}, refused: {}",
        f"an event was dropped: properties should be a mapping, not list, called at {__file__}:{line + 2};"
        f" an event was dropped: user_id should be a string of 1 to 256 characters, called at {__file__}:{line + 3};"
        " so far dropped: {'invalid': 9}, refused: {}",
    ]


class Raising(str):
    """What a program may hand over: whoever looks at it gets an exception."""

    def __len__(self) -> int:
        raise RuntimeError("no length")

    __bool__ = __eq__ = __hash__ = __len__


class RaisingDict(dict):
    def items(self):
        raise RuntimeError("no items")


@pytest.mark.parametrize(
    "call",
    [
        lambda analytics: analytics.identify(Raising("u")),
        lambda analytics: analytics.group(Raising("g")),
        lambda analytics: analytics.alias(Raising("u")),
        lambda analytics: analytics.alias("u", Raising("v")),
        lambda analytics: analytics.forget(Raising("u")),
        lambda analytics: analytics.consent(RaisingDict(analytics=True)),
    ],
)
def test_a_wrong_call_whose_arguments_raise_is_counted(client, server, call):
    analytics = client(debug=False)
    call(analytics)
    analytics.track("after")
    assert analytics.flush()
    assert (server.names(), analytics.stats().dropped) == (["after"], {"invalid": 1})


def test_a_warning_names_a_bounded_number_of_wrong_calls_and_counts_the_others(caplog):
    at = [1000.0]
    counts = Counts(clock=lambda: at[0])
    for number in range(25):
        counts.misuse("why", f"program.py:{number}")
    counts.drop("queue_full", why="the queue is full")  # another kind of trouble is not hidden by them
    at[0] += 60
    counts.speak()
    _, rest = warnings(caplog)
    assert [f"program.py:{number};" in rest for number in range(25)] == [0 < number <= 20 for number in range(25)]
    assert "; the queue is full; 4 more wrong calls, at other places; so far dropped: {'invalid': 25," in rest
    counts.misuse("why", "program.py:0")  # again after a minute
    counts.misuse("why", "program.py:24")
    counts.speak(is_last=True)
    assert [line.count("called at") for line in warnings(caplog)] == [1, 20, 2]


class Secretive(Mapping):
    """A program's own mapping, whose errors quote its content."""

    def __getitem__(self, key):
        raise ValueError("the secret plan")

    def __iter__(self):
        yield "plan"

    def __len__(self):
        return 1


@pytest.mark.parametrize(
    ("properties", "error"), [({"plan": "secret \ud800"}, "UnicodeEncodeError"), (Secretive(), "ValueError")]
)
def test_a_warning_quotes_nothing_of_an_event(client, server, caplog, properties, error):
    analytics = client(debug=False)
    analytics.track("n", properties)
    assert [message.split(",")[0] for message in warnings(caplog)] == [f"an event was dropped: {error}"]
    assert "secret" not in caplog.text


def test_events_refused_one_by_one_are_told_and_make_flush_fail(client, server, caplog):
    refused = {"accepted": 1, "duplicates": 0, "rejected": [{"index": 1, "code": "bad_name"}]}
    server.reply = lambda number, body: (200, {}, refused) if number == 1 else None
    analytics = client(debug=False)
    analytics.track("n", {"invalid": object()})  # another kind of trouble hides nothing
    analytics.track("good")
    analytics.track("bad")
    assert not analytics.flush()
    analytics.track("good")
    assert analytics.flush()
    assert len(warnings(caplog)) == 1  # within a minute
    analytics.close()
    assert warnings(caplog)[1:] == [
        "the server refused events; so far dropped: {'invalid': 1}, refused: {'bad_name': 1}"
    ]


def test_what_happens_within_a_minute_after_a_warning_is_told_in_one_line_with_the_next(caplog):
    at = [1000.0]
    counts = Counts(clock=lambda: at[0])
    counts.drop("invalid", why="first")
    for kind in ("queue_full", "offline_full", "queue_full", "invalid", "not_kept"):
        counts.drop(kind, why=kind)
    counts.pass_over("not_kept")
    at[0] += 59
    counts.speak()
    assert warnings(caplog) == ["first; so far dropped: {'invalid': 1}, refused: {}"]
    at[0] += 1
    counts.speak()
    counts.speak()
    told = "{'invalid': 2, 'queue_full': 2, 'offline_full': 1, 'not_kept': 1}"
    assert warnings(caplog)[1:] == [f"queue_full; offline_full; so far dropped: {told}, refused: {{}}"]


def test_a_device_is_sampled_whole_and_per_type(client, server):
    analytics = client(sample_rate={"track": 1e-9, "page": 1.0})
    for _ in range(10):
        analytics.track("rare")
    analytics.page("https://example.com/")
    assert analytics.flush()
    assert [event["type"] for event in server.events] == ["page"]
    assert analytics.stats().dropped == {"sampled": 10}


def test_the_rate_travels_with_the_event(client, server):
    analytics = client(sample_rate=0.999999999)
    analytics.track("often")
    assert analytics.flush()
    assert [event["sample_rate"] for event in server.events] == [0.999999999]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda a: a.track(None), TypeError),
        (lambda a: a.track(5), TypeError),
        (lambda a: a.track(" "), ValueError),
        (lambda a: a.track("x" * 256), ValueError),
        (lambda a: a.track("\x1b"), ValueError),
        (lambda a: a.track("\u200b "), ValueError),
        (lambda a: a.track("n", [1]), TypeError),
        (lambda a: a.track("n", {"object": object()}), TypeError),
        (lambda a: a.track("n", {"text": "x" * 70_000}), ValueError),
        (lambda a: a.track("n", {"surrogate": "\ud800"}), ValueError),
        (lambda a: a.identify(""), ValueError),
        (lambda a: a.identify("undefined"), ValueError),
        (lambda a: a.identify(" "), ValueError),
        (lambda a: a.alias("Null"), ValueError),
        (lambda a: a.identify(42), ValueError),
        (lambda a: a.register([1]), TypeError),
        (lambda a: a.group("g", 5), TypeError),
        (lambda a: a.group(None), ValueError),
        (lambda a: a.identify("\ud800"), ValueError),
        (lambda a: a.alias("ann", 5), ValueError),
        (lambda a: a.alias("ann", "undefined"), ValueError),
        (lambda a: a.register({"text": "x" * 70_000}), ValueError),
        (lambda a: a.track("n", Broken()), ValueError),
        (lambda a: a.register(Broken()), ValueError),
        (lambda a: a.page(url=b"https://example.com/"), TypeError),
        (lambda a: a.page(title=5), TypeError),
        (lambda a: a.track("n", visitor="ann"), TypeError),
        (lambda a: a.track("n", visitor=Visitor(ip=ip_address("203.0.113.7"))), TypeError),
        (lambda a: a.track("n", visitor=Visitor(ip=123)), TypeError),
        (lambda a: a.page(visitor=Visitor(user_agent=b"Mozilla")), TypeError),
        (lambda a: a.page(visitor=Visitor(device_id=5)), TypeError),
        (lambda a: a.capture_exception(None), TypeError),
        (lambda a: a.capture_exception("text"), TypeError),
        (lambda a: a.capture_exception(OSError(), visitor="ann"), TypeError),
        (lambda a: a.record("nonsense"), ValueError),
        (lambda a: a.record([]), TypeError),
        (lambda a: a.record("page", context="x"), TypeError),
        (lambda a: a.record("page", fingerprint="x", visitor=Visitor()), TypeError),
        (lambda a: a.measure(None).__enter__().__exit__(None, None, None), TypeError),
        (lambda a: a.consent({"\ud800": True}), TypeError),
        (lambda a: a.session_headers("x"), TypeError),
        (lambda a: a.pass_on("x"), TypeError),
        (lambda a: a.forget(None), ValueError),
        (lambda a: a.flush(timeout="5"), TypeError),
        (lambda a: a.deliver_stored(timeout=float("nan")), TypeError),
        (lambda a: asyncio.run(a.aflush(timeout=[])), TypeError),
    ],
)
def test_a_mistake_raises_in_debug_and_is_counted_otherwise(client, server, call, error):
    with pytest.raises(error):
        call(client(debug=True))
    analytics = client(debug=False)
    call(analytics)
    assert analytics.flush()
    assert (analytics.stats().dropped, server.requests) == ({"invalid": 1}, [])


def test_an_exception_without_a_message_is_told_without_one(client, server):
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError("nothing to say")

    analytics = client()
    analytics.capture_exception(SilentError())
    analytics.capture_exception(FileNotFoundError("no file \udcff"))
    assert analytics.flush(timeout=float("inf"))
    assert [event["properties"]["message"] for event in server.events] == ["", "no file ?"]


def test_a_loop_is_watched_from_within(client, server):
    with pytest.raises(ValueError, match="coroutine"):
        client(vitals_seconds=3600).watch_loop()


def test_drops_are_told_to_the_server_once(client, server):
    analytics = client(debug=False)
    analytics.track("")
    analytics.track("first")
    assert analytics.flush()
    analytics.track("second")
    assert analytics.flush()
    assert [body.get("dropped") for body in server.requests] == [{"invalid": 1}, None]


def test_refused_events_are_counted_by_code_and_never_resent(client, server):
    def reply(number, body):
        refused = [{"index": 1, "event_id": "", "code": "bad_timestamp", "reason": ""}]
        return 200, {}, {"accepted": 2, "duplicates": 0, "rejected": refused}

    server.reply = reply
    analytics = client(debug=False)
    for number in range(3):
        analytics.track("n", {"number": number})
    assert not analytics.flush()
    assert analytics.stats() == Stats(queued=0, sent=2, stored=0, dropped={}, rejected={"bad_timestamp": 1})
    assert len(server.requests) == 1


def test_a_disabled_client_does_nothing(client, server, tmp_path):
    analytics = client(enabled=False)
    analytics.track("n")
    assert analytics.flush()
    analytics.close()
    assert (server.requests, (tmp_path / "state").exists()) == ([], False)


def test_opting_out_stops_everything_at_once_and_stays(client, server):
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})
    analytics = client(debug=False)
    analytics.track("before")
    assert not analytics.flush(timeout=0.5)
    analytics.opt_out()
    analytics.track("after")
    analytics.close()
    assert analytics.stats().stored == 0
    server.reply = lambda number, body: None
    again = client()
    for _ in range(20):  # what is tracked just after opt_in() is not thrown away by the opt_out() before
        again.opt_out()
        again.opt_in()
        again.track("in between")
        assert again.flush()
    again.opt_out()
    again.track("later")
    assert again.flush()
    again.opt_in()
    again.track("finally")
    assert again.flush()
    assert server.names() == ["in between"] * 20 + ["finally"]
