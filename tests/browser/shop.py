"""The past month of a small shop, sent through ingestion: what a dashboard shows when it is in use.

Everything comes from one seed and one moment, so that two runs at the same time tell the same story.
"""

import math
import random
import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.server_process import Server

BATCH = 800
DAYS = 62
WINDOWS, MAC = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6)"
IPHONE, ANDROID = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)", "Mozilla/5.0 (Linux; Android 15; Pixel 9)"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


class Machine(NamedTuple):
    """What a visitor sits before, and how often such visitors come."""

    weight: int
    agent: str
    screen: tuple[int, int]
    speed: float


MACHINES = (
    Machine(30, f"{WINDOWS} {CHROME} Safari/537.36", (1920, 1080), 1.0),
    Machine(16, f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", (1440, 900), 0.8),
    Machine(9, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", (2560, 1440), 0.9),
    Machine(7, f"{WINDOWS} {CHROME} Safari/537.36 Edg/142.0.0.0", (1366, 768), 1.2),
    Machine(
        22,
        f"{IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        (390, 844),
        1.7,
    ),
    Machine(16, f"{ANDROID} {CHROME} Mobile Safari/537.36", (412, 915), 2.1),
)
PLACES = (  # weight, address, language
    (30, "91.64.12.7", "de-DE"),
    (20, "81.2.69.142", "en-GB"),
    (16, "90.84.10.3", "fr-FR"),
    (14, "73.158.64.15", "en-US"),
    (8, "85.4.20.9", "de-CH"),
    (6, "145.53.20.4", "nl-NL"),
    (4, "126.36.8.1", "ja-JP"),
    (2, "187.10.20.30", "pt-BR"),
)
SOURCES = (  # weight, referrer, query
    (40, "", ""),
    (24, "https://www.google.com/", ""),
    (9, "https://duckduckgo.com/", ""),
    (7, "https://news.ycombinator.com/item?id=1", ""),
    (8, "", "?utm_source=newsletter&utm_medium=email&utm_campaign=autumn"),
    (5, "https://www.reddit.com/r/Cheese/", ""),
    (4, "https://www.instagram.com/", "?utm_source=instagram&utm_medium=social&utm_campaign=fondue"),
    (3, "https://cheese.example.org/guide", ""),
)
PAGES = {
    "/": ("Mouse & Cheese", ("/cheese/comte", "/cheese/brie", "/pricing", "/blog/fondue", "/cheese/stilton")),
    "/cheese/comte": ("Comté", ("/cart", "/cheese/brie", "/pricing")),
    "/cheese/brie": ("Brie", ("/cart", "/cheese/comte", "/")),
    "/cheese/stilton": ("Stilton", ("/cart", "/")),
    "/blog/fondue": ("The fondue that forgives everything", ("/cheese/comte", "/", "/blog/storing-cheese")),
    "/blog/storing-cheese": ("How to store cheese", ("/", "/cheese/brie")),
    "/pricing": ("Pricing", ("/cart", "/contact", "/")),
    "/contact": ("Contact", ("/", "/pricing")),
    "/cart": ("Your cart", ("/thanks", "/", "/cheese/brie")),
    "/thanks": ("Thank you", ("/",)),
}
ENTRIES = ("/", "/", "/", "/", "/blog/fondue", "/blog/fondue", "/cheese/comte", "/pricing", "/blog/storing-cheese")
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
VITALS = {"TTFB": (320, 0.5), "FCP": (1100, 0.4), "LCP": (1900, 0.45), "INP": (110, 0.7), "CLS": (0.05, 0.9)}


class Visit:
    """One visit as it is told to the server, event by event."""

    def __init__(self, rng: random.Random, at: datetime, device: str, machine: Machine, place: Any) -> None:
        self._rng, self._at, self._device, self._machine = rng, at, device, machine
        self._session = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self._started = at
        _, address, locale = place
        width, height = machine.screen
        self._context = {
            "user_agent": machine.agent,
            "ip": address,
            "locale": locale,
            "timezone": "Europe/Berlin",
            "screen": {"width": width, "height": height},
        }

    def _event(
        self, kind: str, path: str, name: str = "", referrer: str = "", query: str = "", **properties: Any
    ) -> Any:
        page = {
            "url": f"https://shop.example{path}{query}",
            "path": path,
            "title": PAGES[path][0],
            "referrer": referrer,
        }
        return {
            "event_id": str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            "type": kind,
            "name": name or PAGES[path][0],
            "timestamp": self._at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "session_id": self._session,
            "session_started_at": self._started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "device_id": self._device,
            "properties": properties,
            "context": {**self._context, "page": page},
            "privacy": "balanced",
            "fingerprint": {"hash": f"{zlib.crc32(self._machine.agent.encode()):08x}", "signals": self._signals()},
        }

    def _signals(self) -> dict[str, Any]:
        platform = self._machine.agent.split("(")[1].split(";")[0].split()[0]
        return {"platform": platform, "touch": self._machine.speed > 1.5, "pixel_ratio": 2, "cores": 8}

    def events(self, referrer: str, query: str) -> Iterator[dict[str, Any]]:
        rng, path, left = self._rng, self._rng.choice(ENTRIES), 1 + int(self._rng.expovariate(0.45))
        yield self._event("page", path, referrer=referrer, query=query)
        yield from self._measured(path)
        while left > 1:
            self._at += timedelta(seconds=rng.lognormvariate(3.1, 0.8))
            if path.startswith("/cheese/") and rng.random() < 0.35:
                cheese = PAGES[path][0]
                yield self._event("click", path, "Add to cart", tag="button", text="Add to cart")
                yield self._event("track", path, "Added to cart", cheese=cheese, grams=rng.choice((150, 250, 500)))
            before, path = path, rng.choice(PAGES[path][1])
            if path == "/thanks":
                price = round(rng.lognormvariate(3.2, 0.5), 2)
                yield self._event(
                    "track", before, "Order placed", price=price, plan=rng.choice(("once", "once", "monthly"))
                )
                yield self._event("identify", before) | {"name": "", "user_id": f"customer-{self._device[:8]}"}
            yield self._event("page", path, referrer=f"https://shop.example{before}")
            if path == "/contact" and rng.random() < 0.5:
                yield self._event(
                    "form", path, "contact", fields=["email", "message"], outcome=rng.choice(("submit", "abandon"))
                )
            left -= 1

    def _measured(self, path: str) -> Iterator[dict[str, Any]]:
        self._at += timedelta(seconds=2)
        for name, (middle, spread) in VITALS.items():
            value = self._rng.lognormvariate(math.log(middle * self._machine.speed), spread)
            yield self._event("performance", path, name, value=round(value, 3 if name == "CLS" else 0))


def chosen(rng: random.Random, weighted: Any) -> Any:
    return rng.choices(weighted, [each[0] for each in weighted])[0]


def month(now: datetime, visits_per_day: float, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield the events of the last DAYS days: weekends are calmer, the shop grows, people come back."""
    rng = random.Random(seed)
    people: list[tuple[str, Machine, Any]] = []
    for ago in range(DAYS, -1, -1):
        day = now - timedelta(days=ago)
        rate = visits_per_day * (1.25 - ago / DAYS * 0.5) * (0.6 if day.weekday() > 4 else 1) * rng.uniform(0.85, 1.15)
        for _ in range(int(rate)):
            hour = min(23.9, max(0, rng.gauss(14, 4.5)))
            at = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
                hours=hour, milliseconds=rng.randrange(9999)
            )
            if at > now - timedelta(minutes=2):
                continue
            if people and rng.random() < 0.4:
                device, machine, place = rng.choice(people[-400:])
            else:
                device = str(uuid.UUID(int=rng.getrandbits(128), version=4))
                machine, place = chosen(rng, MACHINES), chosen(rng, PLACES)
                people.append((device, machine, place))
            _, referrer, query = chosen(rng, SOURCES)
            yield from Visit(rng, at, device, machine, place).events(referrer, query)
            if rng.random() < 0.06:
                yield from Visit(rng, at, f"bot{rng.randrange(9)}", Machine(1, BOT, (0, 0), 1), place).events("", "")


def fill(server: Server, visits_per_day: float = 25, key: str | None = None) -> int:
    """Send the month and wait until all of it can be asked for; return how many events."""
    now = datetime.now(UTC)
    waiting = list(month(now, visits_per_day))
    for start in range(0, len(waiting), BATCH):
        body = {"sent_at": now.isoformat(), "events": waiting[start : start + BATCH]}
        answer = server.post(body | {"sent_at": datetime.now(UTC).isoformat()}, key)
        assert (answer.status, answer.json()["rejected"]) == (200, []), answer.body[:500]
    return len(waiting)
