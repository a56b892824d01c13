"""A process tells how it is doing, when asked to, in the child of a fork too."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.vitals import memory

Make = Callable[..., Analytics]


def test_vitals_come_at_the_asked_times_and_end_with_the_client(client: Make, server: Any) -> None:
    analytics = client(vitals_seconds=0.2, flush_seconds=0.1)
    server.wait_for(lambda: bool(server.events))
    gc.collect()
    server.wait_for(lambda: any(event["properties"]["gc_pauses"] for event in server.events[1:]))
    analytics.close()
    first = next(event for event in server.events if event["properties"]["gc_pauses"])
    assert (first["type"], first["name"]) == ("performance", "process vitals")
    told = first["properties"]
    assert list(told) == [
        "cpu_percent", "threads", "rss_bytes", "open_files", "gc_pauses", "gc_pause_ms", "gc_longest_ms",
    ]  # fmt: skip
    assert told["gc_pauses"] >= 1
    assert told["gc_pause_ms"] >= told["gc_longest_ms"] > 0
    assert 3 < told["open_files"] < 1000
    deadline = time.monotonic() + 20
    while any(thread.name == "shockmouse-vitals" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_memory_is_the_systems_figure() -> None:
    assert memory()["rss_bytes"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)


def test_a_blocked_loop_shows_as_lag(client: Make, server: Any) -> None:
    analytics = client(vitals_seconds=1.0, flush_seconds=0.1)

    async def main() -> None:
        analytics.watch_loop()
        await asyncio.sleep(0.3)
        time.sleep(0.5)  # noqa: ASYNC251 - this is what is to be found
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.wait_for, lambda: bool(server.events))

    asyncio.run(main())
    assert server.events[0]["properties"]["loop_lag_ms"] >= 200


def test_no_thread_without_being_asked(client: Make) -> None:
    client().watch_loop()
    assert [thread.name for thread in threading.enumerate() if thread.name == "shockmouse-vitals"] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_tells_of_itself(program: Any, server: Any) -> None:
    ended = program.run(
        """
import os, time, warnings
from shockmouse_analytics import Analytics
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 says so of every fork beside a thread
analytics = Analytics()
def told():
    deadline = time.monotonic() + 20
    while analytics.stats().sent == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    return analytics.stats().sent > 0
if os.fork() == 0:
    os._exit(0 if told() else 1)
assert told()
assert os.wait()[1] == 0
""",
        vitals_seconds="0.2",
        flush_seconds="0.1",
    )
    assert (ended.code, ended.complaints) == (0, [])
    assert len({event["boot_id"] for event in server.events}) == 2
