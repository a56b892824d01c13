"""The whole system on real traffic: server, web site, visitors and command-line programs; Ctrl-C or --seconds ends it.

Two months of earlier visits are sent first. At the end stands what each sender was told to be on the server's disk
beside what the server counts; what others sent to the server meanwhile is told apart.

Everything lives in a temporary folder that is removed at the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import history
from history import HistoryError
from people import Person
from visitors import come, report

SERVER = (sys.executable, "-m", "shockmouse_analytics_server")
BEFORE, NOW = "two months before", "since then"
SITE = Path(__file__).with_name("site.py")


class DemoError(Exception):
    """The demo can't go on; the message says why."""


@contextlib.asynccontextmanager
async def program(
    name: str, *command: str, ready: str, environment: dict[str, str] | None = None
) -> AsyncIterator[list[str]]:
    """Run a program for as long as the block lasts; enters when a line of its output starts with `ready`.

    Yields the lines printed until then; after the block they are all of its lines. Raises DemoError: it ended before.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | (environment or {}), start_new_session=True
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        while not lines or not lines[-1].startswith(ready):
            line = await process.stdout.readline()
            if not line:
                raise DemoError(f"{name} ended with exit code {await process.wait()}")
            lines.append(line.decode().rstrip())
        yield lines
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        rest, _ = await process.communicate()
        lines += rest.decode().splitlines()


async def command(*arguments: str) -> str:
    """Run one of the server's commands; its output. Raises DemoError: it failed."""
    process = await asyncio.create_subprocess_exec(*SERVER, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise DemoError(f"{arguments[0]} ended with exit code {process.returncode}")
    return output.decode()


async def ask(server: str, key: str, question: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server}/api/v1/{question}", headers=headers) as answer,
    ):
        if answer.status != 200:
            raise DemoError(f"/api/v1/{question} answered {answer.status}: {await answer.text()}")
        return dict(await answer.json())


async def waiting(server: str) -> int:
    """Return how many events wait in the server's spool."""
    async with aiohttp.ClientSession() as session, session.get(f"{server}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("shockmouse_spool_rows"))


async def counted(server: str, key: str, sent: dict[str, int]) -> dict[str, int]:
    """Return how many events are counted of each time once none waits and none is missing, or as it is after 15 s."""
    deadline = time.monotonic() + 15
    begin = f"{datetime.now(UTC) - timedelta(days=70):%Y-%m-%d}"  # bots too: they are stored
    while True:
        rest = await waiting(server)
        answer = await ask(server, key, f"breakdown?dimension=host&metrics=events&bots=include&from={begin}")
        of_hosts = {row["value"]: row["events"] for row in answer["rows"]}
        before = of_hosts.pop(history.HOST, 0)
        found = {BEFORE: before, NOW: sum(of_hosts.values())}
        if (not rest and not missing(sent, found)) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


def missing(sent: dict[str, int], found: dict[str, int]) -> list[str]:
    """Return the times of which fewer events are counted than were sent."""
    return [name for name, number in sent.items() if found[name] < number]


def summary(sent: dict[str, int], found: dict[str, int], stats: dict[str, Any]) -> bool:
    """Print what was sent beside what the query API counts; False when something is missing, not when others sent."""
    lacking = missing(sent, found)
    print(f"\n{'events':18}{'sent':>8}{'counted':>10}")
    for name, number in sent.items():
        print(f"{name:18}{number:8}{min(number, found[name]):10}{'   differs' if name in lacking else ''}")
    others = sum(max(0, found[name] - number) for name, number in sent.items())
    if others:
        print(f"and {others} {'event' if others == 1 else 'events'} of others")
    print("\nlast 30 days, as the dashboard counts them")
    print(f"{'visitors':18}{'':8}{stats['visitors']:10}\n{'sessions':18}{'':8}{stats['sessions']:10}", flush=True)
    return not lacking


def first_day() -> str:
    """Return the first of the last 30 days, today included, as the dashboard has them: in the project's zone, UTC."""
    return f"{datetime.now(UTC) - timedelta(days=29):%Y-%m-%d}"


async def traffic(site: str, key: str, known: list[Person], environment: dict[str, str], seconds: float | None) -> int:
    """Let people and programs use the site until the time is over or Ctrl-C; return what the programs sent."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    if seconds:
        loop.call_later(seconds, stopping.set)
    reporting = asyncio.create_task(report(environment, stopping))
    try:
        await come(site, key, known, stopping)
    finally:
        stopping.set()
        sent = await reporting
    return sent


async def run(folder: Path, port: int, seconds: float | None) -> bool:
    server, data = f"http://127.0.0.1:{port}", ("--data-dir", str(folder / "data"))
    quiet = {"SHOCKMOUSE_LOG_LEVEL": "warning"}
    print("starting the server", flush=True)
    async with program(
        "the server", *SERVER, "serve", "--port", str(port), *data, ready="listening on", environment=quiet
    ):
        keys = json.loads(await command("project", "create", "demo", "--json", *data))
        link = (await command("project", "link", "demo", *data, "--port", str(port))).strip()
        environment = {
            "SHOCKMOUSE_CLIENT_WRITE_KEY": keys["write_key"],
            "SHOCKMOUSE_CLIENT_ENDPOINT": server,
            "SHOCKMOUSE_CLIENT_OFFLINE_DIR": str(folder / "programs"),
        }
        of_site = environment | {"SHOCKMOUSE_CLIENT_OFFLINE_DIR": str(folder / "site")}  # so that each counts its own
        print("sending two months of visits", flush=True)
        past, known = await history.send(server, keys["write_key"])
        async with program("the web site", sys.executable, str(SITE), ready="serving", environment=of_site) as lines:
            site = lines[-1].removeprefix("serving ")
            print(f"dashboard     {link}\nweb site      {site}")
            print(f"live traffic  {f'for {seconds:g} s' if seconds else 'until Ctrl-C'}", flush=True)
            programs = await traffic(site, keys["write_key"], known, environment, seconds)
        delivered = int(lines[-1].removeprefix("delivered "))
        sent = {BEFORE: past, NOW: delivered + programs}
        found = await counted(server, keys["read_key"], sent)
        return summary(sent, found, await ask(server, keys["read_key"], f"stats?from={first_day()}"))


def duration(text: str) -> float:
    seconds = float(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--seconds", type=duration, help="end after this long, with a summary read back from the server"
    )
    parser.add_argument("--port", type=int, default=8000, help="the server's port (default 8000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shockmouse-demo-", ignore_cleanup_errors=True) as folder:
        try:
            return 0 if asyncio.run(run(Path(folder), options.port, options.seconds)) else 1
        except (DemoError, HistoryError, aiohttp.ClientError) as exc:
            print(f"demo: {exc}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
