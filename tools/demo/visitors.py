"""People who walk through the shop with real HTTP requests, and programs that report from the command line.

They have no browser: what the script in a page would tell they post to the shop themselves, as the script does.
"""

import asyncio
import json
import os
import random
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import aiohttp
from people import Person, new_person
from walks import Step, script_events, walk

AT_ONCE = 4  # visitors that come when the demo begins
FIRST_GAP, LAST_GAP = 5.0, 120.0  # seconds until the next one: ever more, up to about what such a shop has at noon
REPORT_EVERY = 45.0  # seconds
REPORTS = ("Report exported", "Backup finished", "Recipe printed")
HTML = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Dest": "document"}


class Guest:
    """One person's visit: the requests of a browser, its cookies, and the script's batches."""

    def __init__(self, session: aiohttp.ClientSession, site: str, key: str, person: Person, *, is_known: bool) -> None:
        self._session, self._site, self._key, self._person = session, site, key, person
        self._cookies: dict[str, str] = {"cookies": "accepted"} if person.agrees else {}
        if person.agrees and is_known:
            self._cookies["shockmouse_device"] = person.device_id

    async def look(self, dice: random.Random, step: Step, stopping: asyncio.Event) -> None:
        """Open a page, read, do there what the step says, and leave; at the demo's end leave at once."""
        at = datetime.now(UTC)
        headers = HTML | ({"Referer": step.referrer} if step.referrer else {})
        await self._ask("GET", step.path + step.query, headers)
        script = script_events(dice, step, self._site, at, self._person)
        await self._tell([next(script)])
        step.seconds = min(step.seconds, dice.uniform(5, 30))  # who looks at a demo waits less than a reader
        if await pause(stopping, step.seconds):
            step.seconds, step.next_path = (datetime.now(UTC) - at).total_seconds(), ""
        if step.is_bought:
            await self._ask("POST", "/basket", {}, {"cheese": step.path.split("/")[-1]})
        await self._tell(list(script))
        if step.is_sent:
            await self._ask(
                "POST", "/order" if step.path == "/checkout" else "/contact", HTML, dict.fromkeys(step.fields, "x")
            )

    async def _ask(self, method: str, path: str, headers: dict[str, str], form: dict[str, str] | None = None) -> None:
        own = {"User-Agent": self._person.user_agent, "X-Forwarded-For": self._person.address}
        own |= {"Accept-Language": self._person.language}
        if self._cookies:
            own["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        url = self._site + path
        async with self._session.request(
            method, url, headers=own | headers, data=form, allow_redirects=False
        ) as response:
            if response.status >= 400:
                response.raise_for_status()
            await response.read()
        self._cookies |= {name: morsel.value for name, morsel in response.cookies.items() if morsel.value}

    async def _tell(self, events: list[dict[str, Any]]) -> None:
        batch = {
            "batch_id": str(uuid.uuid4()),
            "sent_at": datetime.now(UTC).isoformat(),
            "library": {"name": "shockmouse-agent", "version": "0.1.0"},
            "context": {"locale": self._person.language.split("-")[0]},
            "events": [event | {"privacy": "strict"} for event in events],
        }
        own = {
            "User-Agent": self._person.user_agent,
            "X-Forwarded-For": self._person.address,
            "Content-Type": "text/plain",
        }
        if self._cookies:
            own["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        url = f"{self._site}/_shockmouse/events?key={self._key}"
        async with self._session.post(url, headers=own, data=json.dumps(batch)) as response:
            response.raise_for_status()


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait; True when the demo is ending."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def come(site: str, key: str, known: list[Person], stopping: asyncio.Event) -> None:
    """Send visitors through the shop until the demo ends, a third of whom have been here before.

    So many come at first that there is something to see, then ever fewer: the day shall look like those before it.
    """
    dice = random.Random()

    async def visit() -> None:
        is_known = bool(known) and dice.random() < 0.35
        person = dice.choice(known) if is_known else new_person(dice)
        guest = Guest(session, site, key, person, is_known=is_known)
        for step in walk(dice, site):
            if stopping.is_set():
                return
            await guest.look(dice, step, stopping)

    gap = FIRST_GAP
    try:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as visits,
        ):
            for _ in range(AT_ONCE):
                visits.create_task(visit())
            while not await pause(stopping, dice.expovariate(1 / gap)):
                visits.create_task(visit())
                gap = min(gap * 1.12, LAST_GAP)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def report(environment: dict[str, str], stopping: asyncio.Event) -> int:
    """Run the client's command line every few seconds, as a cron job or a build would; return how many events it sent.

    A run whose event was not acknowledged in time has left it on disk, and the last command delivers it.
    """
    sent = 0
    while not stopping.is_set():
        await client(environment, "send", random.choice(REPORTS), "pages=12", "format=pdf")
        sent += 1
        await pause(stopping, REPORT_EVERY)
    await client(environment, "queue", "flush")
    return sent


async def client(environment: dict[str, str], *arguments: str) -> None:
    """Run the client's command line to its end; Ctrl-C is not its business."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shockmouse_analytics", *arguments),
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    await program.wait()
