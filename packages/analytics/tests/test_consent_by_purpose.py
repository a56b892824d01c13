"""Until a person has agreed nothing leaves, nothing is on disk; what they say holds for later runs."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics import Analytics, Visitor
from shockmouse_analytics.analytics import HEAR_SECONDS

Make = Callable[..., Analytics]


def test_what_waited_for_a_yes_is_sent_in_order(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.track("First")
    assert (analytics.flush(), analytics.stats().queued, server.requests) == (True, 1, [])
    analytics.consent({"analytics": True, "newsletter": False})
    analytics.track("Second")
    assert analytics.flush()
    assert [(event["type"], event.get("name")) for event in server.events] == [
        ("track", "First"),
        ("consent", None),
        ("track", "Second"),
    ]
    assert server.events[1]["properties"] == {"purposes": {"analytics": True, "newsletter": False}}


def test_what_waited_for_a_no_is_dropped_and_counted(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.track("First")
    analytics.consent({"analytics": False})
    analytics.track("Second")
    assert analytics.flush()
    assert (server.requests, analytics.stats().dropped) == ([], {"opted_out": 2})


def test_events_can_be_dropped_until_then(client: Make, server: Any) -> None:
    analytics = client(before_consent="drop")
    analytics.track("First")
    analytics.consent({"analytics": True})
    analytics.track("Second")
    assert analytics.flush()
    assert [event.get("name") for event in server.events] == [None, "Second"]
    assert analytics.stats().dropped == {"no_consent": 1}


@pytest.mark.parametrize(("answer", "names"), [(True, ["Later"]), (False, [])])
def test_an_answer_holds_for_later_runs(client: Make, server: Any, answer: bool, names: list[str]) -> None:
    client(before_consent="queue").consent({"analytics": answer})
    later = client(before_consent="queue")
    later.track("Later")
    assert later.flush()
    assert later.purposes == {"analytics": answer}
    assert [event["name"] for event in server.events if event["type"] == "track"] == names


def test_other_purposes_decide_nothing(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.consent({"newsletter": True})
    assert (analytics.flush(), server.requests, analytics.stats().queued) == (True, [], 1)


def test_what_waits_is_bounded_and_never_on_disk(client: Make, server: Any, tmp_path: Path) -> None:
    analytics = client(before_consent="queue", queue_events=3, debug=False)
    for number in range(5):
        analytics.track("Waiting", {"number": number})
    assert list(tmp_path.iterdir()) == []
    analytics.close()
    assert (analytics.stats().dropped, list(tmp_path.iterdir())) == ({"queue_full": 2, "no_consent": 3}, [])


def test_a_visitor_is_asked_by_whoever_serves_them(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.track("Seen", visitor=Visitor(ip="203.0.113.7"))
    assert analytics.flush()
    assert server.names() == ["Seen"]


def test_wrong_purposes_are_a_mistake(client: Make) -> None:
    for wrong in ({"analytics": "yes"}, ["analytics"], {1: True}):
        with pytest.raises(TypeError, match="purposes"):
            client().consent(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("agreed", "names", "dropped"), [(True, ["First", "Second"], {}), (False, [], {"opted_out": 2})]
)
def test_an_answer_in_another_process_reaches_one_that_waits(
    client: Make, server: Any, program: Any, agreed: bool, names: list[str], dropped: dict[str, int]
) -> None:
    analytics = client(before_consent="queue")
    analytics.track("First")
    ended = program.run(f"from shockmouse_analytics import Analytics\nAnalytics().consent({{'analytics': {agreed}}})")
    assert (ended.code, ended.complaints) == (0, [])
    assert analytics.flush()
    analytics.track("Second")
    assert analytics.flush()
    assert [event["name"] for event in server.events if event["type"] == "track"] == names
    assert (analytics.stats().dropped, analytics.purposes) == (dropped, {"analytics": agreed})


def test_an_answer_elsewhere_is_heard_by_the_next_event_and_at_the_end(client: Make, server: Any) -> None:
    waiting, ending, other = (client(before_consent="queue") for _ in range(3))
    waiting.track("First")
    ending.track("Last")
    other.consent({"analytics": True})
    time.sleep(HEAR_SECONDS)
    waiting.track("Second")
    ending.close()
    server.wait_for(lambda: len(server.events) == 4)
    assert {event.get("name") for event in server.events} == {None, "First", "Second", "Last"}


def test_answers_of_two_processes_are_kept_together(client: Make) -> None:
    first, second = client(), client()
    first.consent({"analytics": True})
    second.consent({"newsletter": False})
    assert client().purposes == {"analytics": True, "newsletter": False}


def test_a_forgotten_user_is_not_among_what_waits(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.track("Nobody's")
    analytics.identify("ann")
    for _ in range(2):
        analytics.track("Of Ann", {"pages": 1})
    analytics.track("Of Ann, with an object", {"pages": {"first": 1}})
    analytics.alias("bob", "ann")
    analytics.track("Of Bob", {"friend": "ann"})
    assert (analytics.forget("ann"), analytics.stats().queued) == (True, 2)
    analytics.consent({"analytics": True})
    assert analytics.flush()
    assert [event.get("name") for event in server.events] == ["Nobody's", "Of Bob", None]
    assert analytics.stats().dropped == {"forgotten": 5}


def test_what_waits_is_thrown_away_with_a_refusal(client: Make, server: Any) -> None:
    analytics = client(before_consent="queue")
    analytics.track("Before")
    analytics.opt_out()
    assert (analytics.stats().queued, analytics.stats().dropped) == (0, {"opted_out": 1})
    analytics.opt_in()
    analytics.track("After")
    analytics.consent({"analytics": True})
    assert analytics.flush()
    assert [event.get("name") for event in server.events] == ["After", None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_none_of_what_waits(program: Any, server: Any) -> None:
    ended = program.run(
        """
import os
from shockmouse_analytics import Analytics
analytics = Analytics(before_consent="queue")
analytics.track("Of the parent")
if os.fork() == 0:
    analytics.consent({"analytics": True})
    os._exit(0 if analytics.flush(20) else 1)
assert os.wait()[1] == 0
analytics.consent({"analytics": True})
assert analytics.flush(20)
"""
    )
    assert (ended.code, ended.complaints) == (0, [])
    assert sorted(event["type"] for event in server.events) == ["consent", "consent", "track"]
