"""Batches that browsers have cut reach the server under their own ids, whatever happens on the way."""

from collections.abc import Callable
from typing import Any

from shockmouse_analytics import Analytics
from shockmouse_analytics.event import cut_batch, encode_head, tells_of_drops, without_user

HEAD = encode_head({"name": "shockmouse-agent"}, {"ip": "203.0.113.0"})
BATCH = cut_batch("0190b8a5-0000-7000-8000-000000000001", HEAD, [b'{"name":"a"}', b'{"name":"b"}'])


def body_of(server: Any) -> dict[str, Any]:
    (body,) = server.stored.values()
    return {name: value for name, value in body.items() if name != "sent_at"}


WHOLE = {
    "batch_id": BATCH.id,
    "library": {"name": "shockmouse-agent"},
    "context": {"ip": "203.0.113.0"},
    "events": [{"name": "a"}, {"name": "b"}],
}


def test_a_batch_arrives_as_it_was_cut_and_flush_waits_for_it(server: Any, client: Callable[..., Analytics]) -> None:
    analytics = client(flush_seconds=60)
    analytics.pass_on(BATCH)
    assert analytics.flush(timeout=10)
    assert body_of(server) == WHOLE
    assert (analytics.stats().sent, analytics.stats().queued) == (2, 0)


def test_a_batch_that_comes_again_is_stored_once(server: Any, client: Callable[..., Analytics]) -> None:
    analytics = client()
    analytics.pass_on(BATCH)
    analytics.pass_on(BATCH)
    assert analytics.flush(timeout=10)
    analytics.pass_on(BATCH)
    assert analytics.flush(timeout=10)
    assert body_of(server) == WHOLE


def test_a_batch_waits_on_disk_while_the_server_is_away(server: Any, client: Callable[..., Analytics]) -> None:
    server.stop()
    first = client(debug=False)
    first.pass_on(BATCH)
    first.close()
    assert first.stats().stored == 2
    server.start()
    assert client().deliver_stored(timeout=10)
    assert body_of(server) == WHOLE


TELLING = cut_batch(
    "0190b8a5-0000-7000-8000-000000000002",
    encode_head({"name": "shockmouse-agent"}, {}, {"too_large": 3}),
    [b'{"name":"a","user_id":"ann"}', b'{"name":"b"}', b'{"name":"c"}'],
)


def drops(server: Any) -> dict[str, Any]:
    """Return what each stored batch says was dropped, by the names of its events."""
    return {"".join(event["name"] for event in body["events"]): body.get("dropped") for body in server.stored.values()}


def test_what_a_browser_has_dropped_goes_with_its_batch_and_our_own_with_another(
    server: Any, client: Callable[..., Analytics]
) -> None:
    server.stop()
    first = client(debug=False)
    first.track("")
    first.pass_on(TELLING)
    first.close()
    assert first.stats().dropped == {"invalid": 1}
    server.start()
    second = client(debug=False)
    second.track("")
    second.track("own")
    assert second.flush(timeout=10)
    assert drops(server) == {"abc": {"too_large": 3}, "own": {"invalid": 1}}


def test_a_batch_that_is_divided_or_loses_a_user_tells_of_drops_once(
    server: Any, client: Callable[..., Analytics]
) -> None:
    server.reply = lambda number, body: (413, {}, {}) if len(body["events"]) > 1 else None
    analytics = client(flush_seconds=60)
    analytics.pass_on(TELLING)
    assert analytics.flush(timeout=10)
    assert drops(server) == {"a": {"too_large": 3}, "b": None, "c": None}
    kept = without_user(TELLING, "ann")
    assert (kept.events, tells_of_drops(kept), tells_of_drops(BATCH)) == (2, True, False)


def test_nothing_is_passed_on_after_a_refusal_or_the_end(server: Any, client: Callable[..., Analytics]) -> None:
    analytics = client()
    analytics.opt_out()
    assert not analytics.is_collecting
    analytics.pass_on(BATCH)
    analytics.opt_in()
    assert analytics.is_collecting
    analytics.close()
    analytics.pass_on(BATCH)
    assert analytics.stats().dropped == {"opted_out": 2, "closed": 2}
    assert server.requests == []
