"""Requests as real senders make them, made before the clock runs: events of 10 properties and about 600 bytes."""

import gzip
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

NAMES = tuple(f"step {number}" for number in range(40))
PATHS = tuple(f"/articles/{number}" for number in range(200))
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
)
REFERRERS = ("", "https://search.example/?q=analytics", "https://news.example/item?id=1")
DEVICES = 20_000


class Traffic:
    """Makes events of many devices, each in one session that began within the last 20 minutes."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._now = datetime.now(UTC)

    def event(self, **given: Any) -> dict[str, Any]:
        """Return one event with the fields that our own senders fill."""
        dice = self._dice
        device = dice.randrange(DEVICES)
        began = self._now - timedelta(seconds=1200 - device % 600)
        properties: dict[str, Any] = {f"property_{number}": dice.randrange(1000) for number in range(4)}
        properties |= {f"label_{number}": dice.choice(NAMES) for number in range(4)}
        properties |= {"price": round(dice.random() * 100, 2), "first": dice.random() < 0.1}
        made = {
            "event_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
            "type": "page" if dice.random() < 0.4 else "track",
            "name": dice.choice(NAMES),
            "timestamp": self._now - timedelta(seconds=dice.random() * 600),
            "session_id": f"session-{device}",
            "session_started_at": began,
            "device_id": f"device-{device}",
            "user_id": f"user-{device % 500}",
            "properties": properties,
            "context": {
                "page": {"url": "https://example.com" + dice.choice(PATHS), "referrer": dice.choice(REFERRERS)},
                "user_agent": dice.choice(AGENTS),
                "locale": "en-GB",
            },
        }
        return made | given

    def batches(self, number: int, events: int, key: str) -> Iterator[bytes]:
        """Yield requests with gzipped batches of so many events."""
        for _ in range(number):
            batch = {
                "batch_id": str(uuid.uuid4()),
                "library": {"name": "bench", "version": "1"},
                "events": [self.event() for _ in range(events)],
            }
            yield request(gzip.compress(msgspec.json.encode(batch), 1), key, "Content-Encoding: gzip\r\n")

    def singles(self, number: int, key: str) -> Iterator[bytes]:
        """Yield requests with one bare event each."""
        for _ in range(number):
            yield request(msgspec.json.encode(self.event()), key)


def request(body: bytes, key: str, more: str = "") -> bytes:
    """Return the bytes of one POST to ingestion."""
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
