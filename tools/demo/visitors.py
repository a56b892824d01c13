"""People who walk through the shop with real HTTP requests, and programs that report from the command line."""

import asyncio
import os
import random
import re
import sys
from dataclasses import dataclass, field

import aiohttp

LINK = re.compile(r'<a href="([^"]+)">')
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile "
    "Safari/537.36",
)
ENTRIES = (
    "/",
    "/",
    "/pricing",
    "/cheese/brie?utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
    "/cheese/comte",
)
REFERRERS = ("", "", "https://news.example.org/cheese", "https://search.example.com/")
REPORTS = ("Report exported", "Backup finished", "Recipe printed")


@dataclass
class Sent:
    """What really went out, counted where it was sent."""

    page_views: int = 0
    forms: int = 0
    reports: int = 0
    visitors: set[str] = field(default_factory=set)

    @property
    def events(self) -> int:
        return self.page_views + self.forms + self.reports


async def fetch(session: aiohttp.ClientSession, site: str, path: str, headers: dict[str, str], sent: Sent) -> list[str]:
    """Open one page as a browser would; return the paths that it links to."""
    async with session.get(site + path, headers=headers) as response:
        response.raise_for_status()
        sent.page_views += 1
        return LINK.findall(await response.text())


async def write(session: aiohttp.ClientSession, site: str, headers: dict[str, str], sent: Sent) -> None:
    """Fill in the contact form; the answer leads to the page that says thanks."""
    async with session.post(f"{site}/contact", headers=headers, data={"email": "mouse@example.com"}) as response:
        response.raise_for_status()
        sent.forms += 1
        sent.page_views += 1


async def visit(session: aiohttp.ClientSession, site: str, number: int, sent: Sent, stopping: asyncio.Event) -> None:
    """One person: an entry page, some links, sometimes the form."""
    headers = {"User-Agent": AGENTS[number % len(AGENTS)], "X-Forwarded-For": f"198.51.{number % 100}.7"}
    sent.visitors.add(headers["X-Forwarded-For"])
    path, referrer = random.choice(ENTRIES), random.choice(REFERRERS)
    for _ in range(random.randint(1, 6)):
        links = await fetch(session, site, path, headers | ({"Referer": referrer} if referrer else {}), sent)
        referrer, path = site + path, random.choice(links)
        if path == "/contact":
            await write(session, site, headers, sent)
        if await pause(stopping, random.uniform(0.05, 0.8)):
            return


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait; True when the demo is ending."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def walk(site: str, sent: Sent, stopping: asyncio.Event, *, guests: int = 4) -> None:
    """Send visitors through the shop until the demo ends, `guests` at a time."""

    async def guest(first: int) -> None:
        number = first
        while not stopping.is_set():
            await visit(session, site, number, sent, stopping)
            number += guests

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(guest(first) for first in range(guests)))


async def report(environment: dict[str, str], sent: Sent, stopping: asyncio.Event) -> None:
    """Run the client's command line every few seconds, as a cron job or a build would."""
    while not stopping.is_set():
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shockmouse_analytics", "send", random.choice(REPORTS), "pages=12", "format=pdf"),
            env=os.environ | environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await program.wait() == 0:
            sent.reports += 1
        await pause(stopping, 2.0)
