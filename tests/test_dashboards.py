"""Fifty people look at dashboards at once: events are accepted all the same, and nobody is left without an answer."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import pytest

from tests.oracle import count_events, wait_until_stored
from tests.server_process import Answer, Server

ASKERS = 50
IDLE_SECONDS, BUSY_SECONDS = 3.0, 10.0
PAUSE_SECONDS = 0.02
EVENTS = 20
QUESTIONS = (
    "stats?compare=previous",
    "timeseries?metric=visitors&interval=day",
    "breakdown?dimension=path&metrics=visitors,pageviews",
    "breakdown?dimension=property.plan",
    "realtime",
    "sessions?limit=20",
    "retention?interval=week",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as running:
        yield running


def send(server: Server) -> float:
    """Have a batch accepted; return after how many milliseconds it was."""
    now = datetime.now(UTC).isoformat()
    events = [
        {"event_id": str(uuid.uuid4()), "type": "page", "timestamp": now, "device_id": f"device {number}",
         "session_id": "s", "properties": {"plan": "pro"}}
        for number in range(EVENTS)
    ]  # fmt: skip
    started = time.perf_counter()
    answer = server.post({"events": events})
    assert (answer.status, answer.json()["accepted"]) == (200, EVENTS)
    return (time.perf_counter() - started) * 1000


def sent_for(server: Server, seconds: float) -> list[float]:
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(send(server))
        time.sleep(PAUSE_SECONDS)
    return times


def asking(server: Server, ended: threading.Event, answers: list[Answer], first: int) -> Callable[[], None]:
    """Return what one person's dashboard does until it is closed: one question after another."""

    def ask() -> None:
        number = first
        while not ended.is_set():
            path = f"/api/v1/{QUESTIONS[number % len(QUESTIONS)]}"
            answers.append(server.request("GET", path, Authorization=f"Bearer {server.keys.read_key}"))
            number += 1

    return ask


def test_dashboards_do_not_starve_ingestion(server: Server) -> None:
    idle = sent_for(server, IDLE_SECONDS)
    ended, answers = threading.Event(), list[Answer]()
    askers = [threading.Thread(target=asking(server, ended, answers, number)) for number in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        busy = sent_for(server, BUSY_SECONDS)
    finally:
        ended.set()
        for asker in askers:
            asker.join()
    statuses = Counter(answer.status for answer in answers)
    p95 = {"idle_ms": round(quantiles(idle, n=20)[-1], 1), "busy_ms": round(quantiles(busy, n=20)[-1], 1)}
    print(json.dumps({"askers": ASKERS, "answers": statuses, "batches": len(busy), "ingestion_p95": p95}))
    assert set(statuses) <= {200, 503}
    assert len(answers) >= ASKERS, "everybody is answered"
    assert statuses[200] > 0
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
    assert len(busy) > 3, "ingestion goes on"
    total = (len(idle) + len(busy)) * EVENTS
    wait_until_stored(server, total, 60)
    assert count_events(server.data_dir) == total
