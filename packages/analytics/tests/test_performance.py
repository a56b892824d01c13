"""Durations and exceptions become events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest


def test_a_measured_block_becomes_an_event_with_its_duration(client, server):
    analytics = client()
    started = time.monotonic()
    with analytics.measure("render", {"page": 3}):
        pass
    longest_ms = (time.monotonic() - started) * 1000
    assert analytics.flush()
    (event,) = server.events
    duration_ms = event["properties"].pop("duration_ms")
    assert (event["type"], event["name"], event["properties"]) == ("performance", "render", {"page": 3})
    assert 0 <= duration_ms <= longest_ms + 1


def test_a_decorated_function_keeps_its_result_and_is_measured_each_time(client, server):
    analytics = client()

    @analytics.measure("add")
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    assert (add(1, 2), add(3, b=4), add.__doc__) == (3, 7, "Add.")
    assert analytics.flush()
    assert server.names() == ["add", "add"]


def test_a_coroutine_function_is_measured_until_its_result_is_there(client, server):
    analytics = client()

    @analytics.measure("sleep")
    async def sleep() -> str:
        await asyncio.sleep(0.05)
        return "done"

    async def main() -> str:
        async with analytics.measure("outer"):
            return await sleep()

    assert asyncio.run(main()) == "done"
    assert analytics.flush()
    durations = {event["name"]: event["properties"]["duration_ms"] for event in server.events}
    assert list(durations) == ["sleep", "outer"]
    assert min(durations.values()) >= 49


def test_a_generator_is_measured_to_its_end(client, server):
    analytics = client()

    @analytics.measure("steps")
    def steps() -> Iterator[int]:
        yield 1
        time.sleep(0.05)
        yield 2

    @analytics.measure("stream")
    async def stream() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.05)
        yield 2

    async def main() -> list[int]:
        return [number async for number in stream()]

    assert (list(steps()), asyncio.run(main())) == ([1, 2], [1, 2])
    assert analytics.flush()
    durations = {event["name"]: event["properties"]["duration_ms"] for event in server.events}
    assert list(durations) == ["steps", "stream"]
    assert min(durations.values()) >= 49


def test_our_own_frames_are_left_out_of_a_stack(client, server):
    analytics = client()

    @analytics.measure("fail")
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError) as raised:
        fail()
    analytics.capture_exception(raised.value)
    assert analytics.flush()
    (error,) = [event for event in server.events if event["type"] == "error"]
    assert [frame.rpartition(" in ")[2] for frame in error["properties"]["stack"]] == [
        "test_our_own_frames_are_left_out_of_a_stack",
        "fail",
    ]


def test_an_exception_passes_and_is_named(client, server):
    analytics = client()
    with pytest.raises(KeyError), analytics.measure("fail"):
        raise KeyError("x")
    assert analytics.flush()
    assert server.events[0]["properties"]["exception"] == "KeyError"


def test_a_captured_exception_tells_where_but_no_values_and_no_home(client, server):
    analytics = client()
    secret = "hunter2"
    try:
        int(secret[:0] + "x")
    except ValueError as exc:
        analytics.capture_exception(exc, {"step": "parse"})
    assert analytics.flush()
    (event,) = server.events
    assert (event["type"], event["name"]) == ("error", "ValueError")
    (frame,) = event["properties"].pop("stack")
    assert frame.startswith("tests/test_performance.py:")
    assert frame.endswith(" in test_a_captured_exception_tells_where_but_no_values_and_no_home")
    assert event["properties"] == {
        "step": "parse",
        "exception": "ValueError",
        "message": "invalid literal for int() with base 10: 'x'",
    }
