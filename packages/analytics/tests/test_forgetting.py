"""Forgetting a user throws away what waits of them, wherever it waits, and nothing else."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shockmouse_analytics import Analytics

Make = Callable[..., Analytics]


def track_both(analytics: Analytics) -> None:
    analytics.identify("ann")
    analytics.track("Of Ann")
    analytics.alias("bob", "ann")
    analytics.track("Of Bob")


def told(server: Any) -> list[tuple[str, str | None]]:
    return [(event["type"], event.get("user_id")) for event in server.events]


def test_what_waits_in_memory_is_thrown_away_and_counted(client: Make, server: Any) -> None:
    analytics = client(flush_seconds=60)
    track_both(analytics)
    assert analytics.forget("ann") is True
    assert analytics.stats().dropped == {"forgotten": 3}
    assert analytics.flush()
    assert told(server) == [("track", "bob")]


def test_what_an_earlier_process_left_on_disk_is_thrown_away(client: Make, server: Any) -> None:
    server.stop()
    first = client()
    track_both(first)
    first.close()
    second = client()
    assert second.forget("ann") is True
    server.start()
    assert second.deliver_stored()
    assert told(server) == [("track", "bob")]
    assert (second.stats().dropped, second.stats().stored) == ({"forgotten": 3}, 0)


def test_a_batch_that_had_arrived_is_not_stored_again_without_them(client: Make, server: Any) -> None:
    def reply(number: int, body: dict[str, Any]) -> Any:
        known = server.stored.get(body["batch_id"])
        if known is None:
            return "store"
        ids = [[event["event_id"] for event in one["events"]] for one in (known, body)]
        return None if ids[0] == ids[1] else (400, {}, {"error": {"code": "batch_id_reused", "reason": "other events"}})

    server.reply = reply
    analytics = client(flush_seconds=60, debug=False)
    track_both(analytics)
    analytics.flush(0.3)
    assert analytics.forget("ann") is True
    assert analytics.flush()
    assert analytics.flush()
    assert sum(user == "bob" for _, user in told(server)) == 2  # alias and track, once each
    assert analytics.stats().stored == 0


def test_the_identified_user_is_forgotten_and_others_are_not(client: Make, server: Any) -> None:
    analytics = client()
    analytics.identify("ann")
    analytics.forget("bob")
    analytics.track("First")
    assert analytics.flush()
    analytics.forget("ann")
    analytics.track("Second")
    assert analytics.flush()
    assert [event.get("user_id") for event in server.events] == ["ann", "ann", None]


def test_batches_of_a_browser_are_forgotten_in_part(client: Make, server: Any) -> None:
    from shockmouse_analytics.event import cut_batch, without_user

    of_ann, of_nobody = b'{"event_id":"1","type":"page","user_id":"ann"}', b'{"event_id":"2","type":"page"}'
    kept = without_user(cut_batch("0", b'"more":1,', [of_ann, of_nobody]), "ann")
    assert kept == cut_batch("0", b'"more":1,', [of_nobody])
    assert without_user(kept, "ann") is kept


def test_a_refusal_of_another_process_holds_from_the_next_event(client: Make, server: Any, program: Any) -> None:
    analytics = client(flush_seconds=0.1)
    analytics.track("Before")
    assert analytics.flush()
    ended = program.run("from shockmouse_analytics import Analytics\nAnalytics().opt_out()")
    assert (ended.code, ended.complaints) == (0, [])
    analytics.track("After")
    analytics.flush(1)
    analytics.track("Later")
    assert (server.names(), analytics.stats().dropped) == (["Before"], {"opted_out": 2})
    assert Path(program.state).exists()


def test_a_server_that_asks_to_wait_is_left_alone_though_the_batch_was_forgotten(client: Make, server: Any) -> None:
    arrived_at: list[float] = []
    may_answer = threading.Event()

    def reply(number: int, body: object) -> object:
        arrived_at.append(time.monotonic())
        if number > 1:
            return None
        may_answer.wait(20)
        return 429, {"Retry-After": "2"}, {}

    server.reply = reply
    analytics = client(debug=False, flush_seconds=0.05)
    analytics.track("Forgotten on its way")
    server.wait_for(lambda: len(arrived_at) == 1)
    analytics.opt_out()
    may_answer.set()
    answered_at = time.monotonic()
    server.wait_for(lambda: analytics.stats().dropped == {"opted_out": 1})
    analytics.opt_in()
    analytics.track("Later")
    server.wait_for(lambda: server.names() == ["Later"])
    assert arrived_at[1] - answered_at >= 1.9
