"""The whole system on real traffic: server, web site, visitors and command-line programs; Ctrl-C or --seconds ends it.

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
from pathlib import Path
from typing import Any

import aiohttp
from visitors import Sent, report, walk

SERVER = (sys.executable, "-m", "shockmouse_analytics_server")
SITE = Path(__file__).with_name("site.py")


class DemoError(Exception):
    """The demo can't go on; the message says why."""


@contextlib.asynccontextmanager
async def program(*command: str, ready: str, environment: dict[str, str] | None = None) -> AsyncIterator[list[str]]:
    """Run a program for as long as the block lasts; enters when a line of its output starts with `ready`.

    Yields the lines printed until then. Raises DemoError: it ended before, with what it printed last.
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
                raise DemoError(f"{command[-1]} ended with exit code {await process.wait()}")
            lines.append(line.decode().rstrip())
        yield lines
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.communicate()


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


async def counted(server: str, key: str, sent: Sent) -> dict[str, Any]:
    """Return /stats once every event sent is in it, or as it is after 15 s."""
    deadline = time.monotonic() + 15
    while True:
        stats = await ask(server, key, "stats")
        if stats["events"] >= sent.events or time.monotonic() > deadline:
            return stats
        await asyncio.sleep(0.2)


def summary(sent: Sent, stats: dict[str, Any]) -> bool:
    """Print what was sent beside what the query API counts; True when they are equal."""
    rows = (
        ("page views", sent.page_views, stats["pageviews"]),
        ("events", sent.events, stats["events"]),
    )
    print(f"\n{'':14}{'sent':>8}{'counted':>10}")
    for name, out, back in rows:
        print(f"{name:14}{out:8}{back:10}{'' if out == back else '   differs'}")
    print(f"{'visitors':14}{'':8}{stats['visitors']:10}\n{'sessions':14}{'':8}{stats['sessions']:10}", flush=True)
    return all(out == back for _, out, back in rows)


async def traffic(site: str, environment: dict[str, str], seconds: float | None) -> Sent:
    """Let people and programs use the site until the time is over or Ctrl-C; what they sent."""
    sent, stopping = Sent(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    if seconds:
        loop.call_later(seconds, stopping.set)
    reporting = asyncio.create_task(report(environment, sent, stopping))
    try:
        await walk(site, sent, stopping)
    finally:
        stopping.set()
        await reporting
    return sent


async def run(folder: Path, port: int, seconds: float | None) -> bool:
    server, data = f"http://127.0.0.1:{port}", ("--data-dir", str(folder / "data"))
    quiet = {"SHOCKMOUSE_LOG_LEVEL": "warning"}
    async with program(*SERVER, "serve", "--port", str(port), *data, ready="listening on", environment=quiet):
        keys = json.loads(await command("project", "create", "demo", "--json", *data))
        link = (await command("project", "link", "demo", *data, "--port", str(port))).strip()
        environment = {
            "SHOCKMOUSE_CLIENT_WRITE_KEY": keys["write_key"],
            "SHOCKMOUSE_CLIENT_ENDPOINT": server,
            "SHOCKMOUSE_CLIENT_OFFLINE_DIR": str(folder / "client"),
        }
        async with program(sys.executable, str(SITE), ready="serving", environment=environment) as lines:
            site = lines[-1].removeprefix("serving ")
            print(f"dashboard     {link}\nweb site      {site}")
            print(f"live traffic  {f'for {seconds:g} s' if seconds else 'until Ctrl-C'}", flush=True)
            sent = await traffic(site, environment, seconds)
        return summary(sent, await counted(server, keys["read_key"], sent))


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
        except (DemoError, aiohttp.ClientError) as exc:
            print(f"demo: {exc}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
