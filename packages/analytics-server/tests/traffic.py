"""Random traffic: what devices send and when it arrives, and what the rules of meaning make of it.

Device   has habits: a clock that is right or wrong in some way, and sessions that it names, names with their start, or
         leaves to the server
Stay     some events around one time; around midnights, changes of month, of partition and of the clock
Arrival  batches of at most two events, in an order of their own, some of them twice
Seen     an event as the rules of meaning have it, found without the server's code: corrected time, session, visitor
"""

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

BORDERS = [  # UTC's month most often; midnights, changes of month, partition and clock of other zones
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 4, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Paris forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Paris back
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe back by half an hour
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe forward by half an hour
    datetime(2026, 3, 31, 18, 15, tzinfo=UTC),  # Kathmandu's midnight
    datetime(2026, 3, 31, 22, tzinfo=UTC),
    datetime(2026, 4, 4, 14, tzinfo=UTC),  # Auckland back
]
ZONES = [
    "UTC", "Europe/Paris", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland",
    "Australia/Lord_Howe",
]  # fmt: skip
TYPES = ["page", "page", "page", "screen", "track", "click", "form", "performance", "performance", "identify"]
PATHS = ["/", "/a", "/b", "/A b"]
COUNTRIES = {"203.0.113.7": "FR", "198.51.100.7": "DE"}
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
# browser, browser_version, os, os_version, device_type, and why it is a bot
AGENTS = {
    "": ("", "", "", "", "", ""),
    CHROME: ("Chrome", "131", "Windows", "10", "desktop", ""),
    GOOGLEBOT: ("Googlebot", "2", "", "", "", "crawler"),
}
PRINTS: list[dict[str, Any]] = [
    {},
    {"hash": "one", "signals": {"cores": 8, "colour": "P3"}},
    {"hash": "two", "signals": {"cores": 8, "touch": True}},
]
SHOWN_PRINTS = [{}, {"cores": "8", "colour": "P3"}, {"cores": "8", "touch": "true"}]
PLANS = [None, None, "pro", "it's free", 7, -1.5, True, False, ["x", "y"], [1, 2], "2026-01-31", "2026-01-31T10:00:00Z"]
VALUES = [None, 0.5, 3, 3, 12.25, 100, "fast", "2.5"]
# Seconds by which a clock is wrong; where a sender tells no time of sending, the server cannot know.
CLOCKS = {"right": 0, "near": 30, "fast": 3600, "slow": -2 * 86_400}
LOST = {"future": 400 * 86_400, "1971": -1_735_689_600, "old": -500 * 86_400}
DAY = 86_400_000
ARRIVES = timedelta(days=12)


class Habits(Struct, frozen=True):
    """How a device sends: its clock, and `sessions`: started, named or none."""

    clock: str
    sessions: str


class Happening(Struct, frozen=True):
    """One event of a stay, some seconds from the stay's start."""

    seconds: int
    type: str
    name: str
    path: str
    plan: Any
    value: Any
    rate: float
    agent: str
    is_driven: bool
    address: str
    user: str
    print: int
    privacy: str
    referrer: str
    campaign: str


class Stay(Struct, frozen=True):
    """Some events of a device, some seconds from the border; `late`: how much later its batches come than others."""

    start: int
    device: int
    session: int
    late: int
    is_repeated: bool
    happenings: list[Happening]


class Traffic(Struct, frozen=True):
    """All that arrives for one project."""

    border: datetime
    habits: list[Habits]
    stays: list[Stay]


class Sent(Struct, frozen=True):
    """One request: its body, and when the server receives it, in milliseconds since 1970."""

    body: dict[str, Any]
    received_ms: int


class Seen(Struct):
    """An event with the columns that the recomputation looks at; a session that the server opens has no name here."""

    at: float
    event_id: str
    type: str
    name: str
    session_id: str
    session_started: float
    device_id: str
    user_id: str
    privacy: str
    sample_rate: float
    bot: str
    host: str
    path: str
    referrer_host: str
    utm_source: str
    country: str
    browser: str
    browser_version: str
    os: str
    os_version: str
    device_type: str
    screen: str
    locale: str
    timezone: str
    app_version: str
    fingerprint_hash: str
    fingerprint: dict[str, str]
    user_properties: dict[str, Any]
    properties: dict[str, Any]
    has_own_session: bool


near = st.integers(-3, 3)
distances = near | near | st.integers(-1800, 1800) | st.integers(-100_000, 100_000) | st.integers(-900_000, 900_000)
happenings = st.builds(
    Happening,
    seconds=st.integers(0, 3) | st.integers(0, 5400) | st.integers(0, 5400) | st.integers(0, 80_000),
    type=st.sampled_from(TYPES),
    name=st.sampled_from(["LCP", "buy"]),
    path=st.sampled_from(PATHS),
    plan=st.sampled_from(PLANS),
    value=st.sampled_from(VALUES),
    rate=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.4, 0.1]),
    agent=st.sampled_from([CHROME, CHROME, CHROME, "", GOOGLEBOT]),
    is_driven=st.sampled_from([False] * 9 + [True]),
    address=st.sampled_from([*COUNTRIES, "192.0.2.1"]),
    user=st.sampled_from(["", "", "ada", "bob"]),
    print=st.integers(0, 2),
    privacy=st.sampled_from(["", "balanced", "full"]),
    referrer=st.sampled_from(["", "https://search.example/?q=x", "https://shop.example/a"]),
    campaign=st.sampled_from(["", "", "news"]),
)
stays = st.builds(
    Stay,
    start=distances,
    device=st.integers(0, 3),
    session=st.integers(0, 1),
    late=st.integers(0, 9),
    is_repeated=st.sampled_from([False, False, True]),
    happenings=st.lists(happenings, min_size=1, max_size=5),
)
habits = st.builds(
    Habits,
    clock=st.sampled_from([*["right"] * 6, *CLOCKS, *LOST]),
    sessions=st.sampled_from(["started", "started", "named", "none"]),
)
traffics = st.builds(
    Traffic,
    border=st.sampled_from(BORDERS),
    habits=st.lists(habits, min_size=4, max_size=4),
    stays=st.lists(stays, min_size=1, max_size=9),
)


def to_ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def write(ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")


def send(traffic: Traffic, project: str) -> list[Sent]:
    """Return the project's requests in the order of their arrival, those that come again among them."""
    numbers = itertools.count()
    batches: list[tuple[int, dict[str, Any], Habits]] = []
    again = []
    for number, stay in enumerate(traffic.stays):
        own = traffic.habits[stay.device]
        events = [write_event(traffic, number, happening, next(numbers), project) for happening in stay.happenings]
        for first in range(0, len(events), 2):
            batch = {"batch_id": str(name_of(project, "batch", number, first)), "events": events[first : first + 2]}
            batches.append((stay.late * 4 + first, batch, own))
            again += [(100, batch, own)] if stay.is_repeated else []
    arrives = to_ms(traffic.border + ARRIVES)
    sent = []
    for _, batch, own in sorted([*batches, *again], key=lambda one: one[0]):
        arrives += 1001
        told = {"sent_at": write(arrives - 250 + CLOCKS[own.clock] * 1000)} if own.clock in CLOCKS else {}
        sent.append(Sent(batch | told, arrives))
    return sent


def name_of(*parts: object) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts)))


def write_event(traffic: Traffic, number: int, happening: Happening, serial: int, project: str) -> dict[str, Any]:
    """Return the event as its device sends it; no two of a device are of the same millisecond by its own clock."""
    stay = traffic.stays[number]
    own = traffic.habits[stay.device]
    wrong_ms = (CLOCKS | LOST)[own.clock] * 1000
    begun_ms = to_ms(traffic.border) + stay.start * 1000 + wrong_ms
    is_programs = happening.type == "screen" and happening.name == "buy"  # it has no page, only its name
    event: dict[str, Any] = {
        "event_id": str(name_of(project, "event", serial)),
        "type": happening.type,
        "name": happening.name if happening.type in ("track", "performance") or is_programs else "",
        "timestamp": write(begun_ms + happening.seconds * 1000 + serial),
        "device_id": f"device-{stay.device}",
        "user_id": happening.user,
        "privacy": happening.privacy,
        "sample_rate": happening.rate,
        "fingerprint": PRINTS[happening.print],
        "properties": told(plan=happening.plan, value=happening.value, deep={"a.b": happening.rate, "c": [1]}),
        "user_properties": told(plan=happening.plan),
        "context": {
            "page": {
                "url": "https://shop.example/" + (f"?utm_source={happening.campaign}" if happening.campaign else ""),
                "path": happening.path,
                "referrer": happening.referrer,
            },
            "ip": happening.address,
            "user_agent": happening.agent,
            "webdriver": happening.is_driven,
            "locale": "en-GB",
            "timezone": "Europe/Paris",
            "screen": {"width": 1920, "height": 1080},
            "app": {"name": "shop", "version": "1.2"},
        },
    }
    if is_programs:
        del event["context"]["page"]
    if own.sessions == "started":
        first = min(one.seconds for one in stay.happenings)
        event |= {"session_id": f"stay-{number}", "session_started_at": write(begun_ms + first * 1000)}
    elif own.sessions == "named":
        event["session_id"] = f"session-{stay.session}"
    return event


def told(**properties: Any) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


class Visit(Struct):
    """A session as it grows, in milliseconds."""

    name: str
    opened: int
    first: int
    last: int


def understand(sent: list[Sent]) -> list[Seen]:
    """Return the events that count, as the rules of meaning have them."""
    known: set[str] = set()
    visits: dict[tuple[str, str], list[Visit]] = {}
    names = itertools.count()
    seen = []
    for one in sent:
        if one.body["batch_id"] not in known:
            known.add(one.body["batch_id"])
            found = list(understand_batch(one, visits, names))
            seen += found
    return seen


def understand_batch(sent: Sent, visits: dict[tuple[str, str], list[Visit]], names: Iterator[int]) -> Iterator[Seen]:
    sent_ms = parse(sent.body["sent_at"]) if "sent_at" in sent.body else None
    placed, waiting = [], []
    for event in sent.body["events"]:
        at, is_trusted = correct(parse(event["timestamp"]), sent_ms, sent.received_ms)
        began = parse(event["session_started_at"]) if "session_started_at" in event and is_trusted else None
        if began is not None and at - DAY <= began <= at:
            placed.append(see(event, at, event["session_id"], began))
        else:
            waiting.append((event, at))
    yield from placed
    for event, at in waiting:
        visit = join(visits, event["device_id"], event.get("session_id", ""), at, names)
        yield see(event, at, visit.name, visit.opened)


def parse(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


def correct(at: int, sent_ms: int | None, received_ms: int) -> tuple[int, bool]:
    """Return when it happened, and whether the sender's clock can be trusted."""
    skew = received_ms - sent_ms if sent_ms is not None else 0
    is_trusted = abs(skew) <= 60_000
    at += 0 if is_trusted else skew
    if at > received_ms + DAY or at < to_ms(datetime(2000, 1, 1, tzinfo=UTC)) or at < received_ms - 395 * DAY:
        return received_ms, False
    return at, is_trusted


def join(visits: dict[tuple[str, str], list[Visit]], device: str, sender: str, at: int, names: Iterator[int]) -> Visit:
    """Return the earliest session that the event may join, grown by it, or one that it opens."""
    gap = DAY if sender else 30 * 60_000
    known = visits.setdefault((device, sender), [])
    for visit in sorted(known, key=lambda visit: (visit.first, visit.opened)):
        is_near = visit.first - gap <= at <= visit.last + gap
        if is_near and max(visit.last, at) - min(visit.first, at) <= DAY:
            visit.first, visit.last = min(visit.first, at), max(visit.last, at)
            return visit
    known.append(Visit(sender or f"opened-{next(names)}", at, at, at))
    return known[-1]


def see(event: dict[str, Any], at: int, session: str, began: int) -> Seen:
    context = event["context"]
    page = context.get("page", {"url": "", "path": event["name"], "referrer": ""})
    browser, browser_version, os, os_version, device_type, reason = AGENTS[context["user_agent"]]
    number = PRINTS.index(event["fingerprint"])
    return Seen(
        at=at / 1000,
        event_id=event["event_id"],
        type=event["type"],
        name=event["name"],
        session_id=session,
        session_started=began / 1000,
        device_id=event["device_id"],
        user_id=event["user_id"],
        privacy=event["privacy"],
        sample_rate=event["sample_rate"],
        bot="webdriver" if context["webdriver"] else reason,
        host="shop.example" if page["url"] else "",
        path=page["path"],
        referrer_host="search.example" if "search" in page["referrer"] else "",
        utm_source=page["url"].partition("utm_source=")[2],
        country=COUNTRIES.get(context["ip"], ""),
        browser=browser,
        browser_version=browser_version,
        os=os,
        os_version=os_version,
        device_type=device_type,
        screen="1920x1080",
        locale="en-GB",
        timezone="Europe/Paris",
        app_version="1.2",
        fingerprint_hash=event["fingerprint"].get("hash", ""),
        fingerprint=SHOWN_PRINTS[number],
        user_properties=event["user_properties"],
        properties=event["properties"],
        has_own_session="session_id" in event,
    )
