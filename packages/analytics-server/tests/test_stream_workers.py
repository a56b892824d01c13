"""A stream that comes again, to whichever worker, tells every event once: workers and loader are stopped under it."""

import contextlib
import http.client
import json
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .serving import Server, serving, wait_until

pytestmark = pytest.mark.engine

SECONDS = 90


class Listener(threading.Thread):
    """A browser on the stream: where the connection ends it comes again, with the last id that it has heard."""

    def __init__(self, server: Server, key: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._key = key
        self._last_id = f"{round(time.time() * 1000) - 60_000}-{uuid.UUID(int=0)}"
        self.told: list[str] = []
        self.connections = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self._listen()
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)

    def _listen(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Last-Event-ID": self._last_id}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)) as connection:
            connection.request("GET", "/api/v1/events/stream", headers=headers)
            with connection.getresponse() as response:
                self.connections += response.status == 200
                while not self.ended.is_set() and (line := response.readline()):
                    if line.startswith(b"id: "):
                        name = line[4:].decode().strip()
                    if line.startswith(b"data: "):
                        self.told.append(json.loads(line[6:])["event_id"])
                        self._last_id = name


class Sender(threading.Thread):
    """Sends batches without a pause until it is ended; `acknowledged` are the event ids that are on disk."""

    def __init__(self, server: Server, key: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._key = key
        self.acknowledged: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            events = [
                {"event_id": str(uuid.uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat()}
                for _ in range(3)
            ]
            body = json.dumps({"batch_id": str(uuid.uuid4()), "events": events}).encode()
            while not self._send(body):
                time.sleep(0.1)
            self.acknowledged += [event["event_id"] for event in events]
            time.sleep(0.05)

    def _send(self, body: bytes) -> bool:
        kind = "application/json"
        try:
            reply = self._server.ask("POST", "/v1/events", body, Authorization=f"Bearer {self._key}", Content_Type=kind)
        except (OSError, http.client.HTTPException):
            return False
        return reply.status == 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "--workers", "2") as server:
        yield server


def test_a_stream_that_comes_again_has_no_gap_and_tells_nothing_twice(server: Server) -> None:
    write_key, read_key = (server.printed[number].split()[2] for number in (1, 2))
    sender, listener = Sender(server, write_key), Listener(server, read_key)
    sender.start()
    listener.start()
    wait_until(lambda: len(listener.told) > 10, SECONDS, "the first events are told")
    for _ in range(2):
        before = listener.connections
        for worker in server.children("http"):
            worker.kill()
        wait_until(lambda before=before: listener.connections > before, SECONDS, "the listener is back")
    (loader,) = server.children("loader")
    loader.send_signal(signal.SIGSTOP)  # what is received now is stored much later than streams wait for in general
    stopped = len(sender.acknowledged)
    wait_until(lambda: len(sender.acknowledged) > stopped + 60, SECONDS, "more events are on disk")
    time.sleep(5)
    loader.send_signal(signal.SIGCONT)
    resumed = len(sender.acknowledged)
    wait_until(lambda: len(sender.acknowledged) > resumed + 10, SECONDS, "more events after the pause")
    sender.ended.set()
    sender.join(SECONDS)
    wait_until(lambda: len(listener.told) >= len(sender.acknowledged), SECONDS, "every event is told")
    listener.ended.set()
    listener.join(SECONDS)
    assert listener.connections >= 3
    assert sorted(listener.told) == sorted(sender.acknowledged)
