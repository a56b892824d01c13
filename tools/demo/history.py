"""Two months of visits up to this minute, sent to the server with the times at which they would have happened.

So a first look at the dashboard is not at an empty page. They are on a host of their own and are counted apart.
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from people import CRAWLERS, Person, new_person
from walks import Step, script_events, walk

HOST = "mouse-and-cheese.example"
DAYS = 59  # so that the last thirty have a period to be compared with
A_DAY = 26  # visits, on a mean day; all are sent before the addresses are printed
RECENT = 300  # people: so far back, some two weeks, lies in the mean whoever comes again
BATCH_EVENTS = 1000
CLOCKS = {"Europe/London": 0, "America/New_York": -5, "America/Toronto": -5, "Asia/Tokyo": 9}  # hours; others 1


class HistoryError(Exception):
    """The server did not take a batch; the message says why."""


def visits(dice: random.Random, now: datetime) -> Iterator[tuple[Person, datetime]]:
    """Yield who came and when, oldest first by day: more on weekdays and by day, a little more each week."""
    known: list[Person] = []
    for days_ago in range(DAYS, -1, -1):
        day = now - timedelta(days=days_ago)
        busy = (0.65 if day.weekday() >= 5 else 1.0) * (1.3 - days_ago / DAYS * 0.6) * dice.uniform(0.85, 1.15)
        for _ in range(round(A_DAY * busy)):
            returning = known and dice.random() < 0.3
            person = returned(dice, known) if returning else new_person(dice)
            if not returning:
                known.append(person)
            hour = min(23.9, max(0.0, dice.gauss(*dice.choice(((11, 2.5), (16, 3), (20.5, 1.8))))))
            midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
            began = midnight + timedelta(hours=hour - CLOCKS.get(person.timezone, 1))
            if began < now:
                yield person, began


def returned(dice: random.Random, known: list[Person]) -> Person:
    """Return one of those who were here: most were it lately, and of the weeks before some, fewer with each."""
    return known[-1 - int(dice.expovariate(1 / RECENT)) % len(known)]


def visit(dice: random.Random, person: Person, began: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the events of one visit, of the script in the page and of the shop itself, as far as it has come."""
    origin, at = f"https://{HOST}", began
    pieces = 0
    own = {
        "session_id": f"{dice.getrandbits(128):032x}",
        "session_started_at": began.isoformat(),
        "device_id": person.device_id,
        "privacy": "balanced",
    }
    for step in walk(dice, origin):
        if at + timedelta(seconds=step.seconds + 1) > now:
            return
        told = [*script_events(dice, step, origin, at, person), *shop_events(step, at, pieces)]
        pieces += step.is_bought
        for event in sorted(told, key=lambda event: event["timestamp"]):
            context = {"page": {"url": origin + step.path}} | event["context"] | context_of(person)
            yield event | own | {"context": context}
        at += timedelta(seconds=step.seconds + 1)


def shop_events(step: Step, at: datetime, pieces: int) -> Iterator[dict[str, Any]]:
    """Yield what the shop's own code would track."""
    told = {"event_id": str(uuid.uuid4()), "type": "track", "context": {}}
    when = (at + timedelta(seconds=step.seconds + 0.2)).isoformat()
    if step.is_bought:
        yield told | {"name": "Basket filled", "timestamp": when, "properties": {"cheese": step.path.split("/")[-1]}}
    if step.is_sent and step.path == "/checkout":
        yield told | {"name": "Order placed", "timestamp": when, "properties": {"pieces": pieces}}


def context_of(person: Person) -> dict[str, Any]:
    width, height = person.screen
    return {
        "user_agent": person.user_agent,
        "ip": person.address,
        "locale": person.language,
        "timezone": person.timezone,
        "screen": {"width": round(width, -2), "height": round(height, -2)},
    }


def crawl(dice: random.Random, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the page views of programs: stored, with the reason, and left out of the answers."""
    for days_ago in range(1, DAYS):
        person = Person(f"{dice.getrandbits(128):032x}", dice.choice(CRAWLERS), "66.249.66.1", "en", "", (0, 0), False)
        context = {"user_agent": person.user_agent, "page": {"url": f"https://{HOST}/cheese", "title": "All cheese"}}
        at = (now - timedelta(days=days_ago)).isoformat()
        yield {"event_id": str(uuid.uuid4()), "type": "page", "name": "All cheese", "timestamp": at, "context": context}


async def send(server: str, write_key: str, *, seed: int = 7) -> tuple[int, list[Person]]:
    """Send the two months; return how many events the server has accepted, and people who may come back today.

    Raises HistoryError: the server refused one.
    """
    dice, now = random.Random(seed), datetime.now(UTC)
    events, people = list(crawl(dice, now)), []
    for person, began in visits(dice, now):
        people.append(person)
        events += visit(dice, person, began, now)
    headers, accepted = {"Authorization": f"Bearer {write_key}"}, 0
    async with aiohttp.ClientSession(headers=headers) as session:
        for begin in range(0, len(events), BATCH_EVENTS):
            batch = {
                "batch_id": str(uuid.uuid4()),
                "sent_at": datetime.now(UTC).isoformat(),
                "library": {"name": "shockmouse-demo", "version": "1"},
                "events": events[begin : begin + BATCH_EVENTS],
            }
            async with session.post(f"{server}/v1/events", json=batch) as response:
                answer = await response.json()
            if response.status != 200 or answer["rejected"]:
                raise HistoryError(f"{response.status}: {answer}")
            accepted += answer["accepted"]
    return accepted, [person for person in people[-150:] if person.agrees]
