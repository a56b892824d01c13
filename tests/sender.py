"""Threads that post batches over real sockets and log the event ids of every batch that was answered with 200.

A batch keeps its id and its bytes until it is acknowledged, whatever happens to the server meanwhile: what was sent and
what is acknowledged are the same set once `finish` has returned.
"""

import contextlib
import gzip
import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Self

TYPES = ("page", "track", "click", "form", "screen", "performance", "identify")
LATE = timedelta(days=40)


def event(dice: random.Random, **given: Any) -> dict[str, Any]:
    """Return an event as any sender may make it: some late, some without device or session."""
    at = datetime.now(UTC) - dice.choice((timedelta(0), timedelta(0), LATE)) * dice.random()
    made: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "type": dice.choice(TYPES),
        "name": f"step {dice.randrange(20)}",
        "timestamp": at.isoformat(timespec="milliseconds"),
        "properties": {
            "price": dice.random(),
            "plan": dice.choice(("free", "pro")),
            "nested": {"list": [1, "two"]},
            "value": dice.random(),  # so that each performance event is one of the measures
        },
        "context": {"page": {"url": f"https://example.com/{dice.randrange(50)}?utm_source=test", "title": "Test"}},
    }
    if dice.random() < 0.8:
        made["device_id"] = f"device-{dice.randrange(200)}"
        if dice.random() < 0.8:
            made["session_id"] = f"session-{dice.randrange(2000)}"
    return made | given


def plain_event(event_id: str) -> dict[str, Any]:
    """Return the least that is an event."""
    return {"event_id": event_id, "type": "track", "name": "plain", "timestamp": datetime.now(UTC).isoformat()}


class Sender:
    """A load that bounds itself: `threads` connections, at most `events` events, at most `seconds` seconds."""

    def __init__(
        self, port: int, key: str, *, threads: int = 2, pause_seconds: float = 0.005, events: int = 200_000
    ) -> None:
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        self.slowest_seconds = 0.0
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._pause_seconds = pause_seconds
        self._left = events
        self._sent_all = threading.Event()
        self._given_up = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(seed,), daemon=True) for seed in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._given_up.set()
        self._sent_all.set()
        for thread in self._threads:
            thread.join(40)

    def finish(self, seconds: float = 60) -> None:
        """Return once each thread has the acknowledgement of its last batch."""
        self._sent_all.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError(f"a batch is not acknowledged after {seconds} s; answers so far: {self.answers}")

    def run_for(self, seconds: float) -> None:
        """Return after so many seconds of sending, sooner when every event is sent."""
        self._sent_all.wait(seconds)

    def _run(self, seed: int) -> None:
        dice = random.Random(seed)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            while self._left > 0 and not self._sent_all.wait(self._pause_seconds):
                events = [event(dice) for _ in range(dice.choice((1, 5, 20, 100)))]
                self._left -= len(events)
                batch = {"batch_id": str(uuid.uuid4()), "sent_at": datetime.now(UTC).isoformat(), "events": events}
                body, headers = json.dumps(batch).encode(), self._headers
                if dice.random() < 0.5:
                    body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
                while not self._post(connection, body, headers):
                    connection.close()  # the next request opens it again
                    if self._given_up.wait(0.05):
                        return
                self.acknowledged.extend(str(one["event_id"]) for one in events)
        self._sent_all.set()

    def _post(self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> bool:
        """Tell whether the whole batch is acknowledged; any other answer is counted with what it said."""
        started = time.monotonic()
        try:
            connection.request("POST", "/v1/events", body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as exc:
            self.answers[type(exc).__name__] += 1
            return False
        self.answers[str(status)] += 1
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
        if status == 200:
            rejected = json.loads(answer)["rejected"]
            if rejected:
                self.answers[f"rejected {rejected[0]}"] += len(rejected)
            return not rejected
        if status not in (429, 503):
            self.answers[f"{status} {answer[:200]!r}"] += 1
        return False
