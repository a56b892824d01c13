"""`export`: raw events out, on standard output."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..config import ServerConfig
from ..errors import QuestionError, UsageError
from .options import Commands, add_command

if TYPE_CHECKING:
    from ..export import Part

FORMATS = ("jsonl", "csv", "parquet")
SHOW_SECONDS = 0.5


def add(commands: Commands) -> None:
    """Add the command that exports."""
    parser = add_command(commands, "export", run_export, "write a project's events to standard output, oldest first")
    parser.add_argument("--project", required=True, metavar="NAME")
    parser.add_argument("--format", choices=FORMATS, default="jsonl", help="jsonl is what import reads")
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="RFC 3339 or YYYY-MM-DD; the first event if missing"
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="not included; now if missing")
    parser.add_argument("--bots", choices=("exclude", "include", "only"), default="include", help="include if missing")


def run_export(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(export(config, options))


async def export(config: ServerConfig, options: argparse.Namespace) -> int:
    from .. import export, registry
    from ..question import parse_question
    from .opening import open_projects

    given = {"from": options.start or "2000-01-01", "to": options.end, "bots": options.bots}
    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        project = directory.project(options.project)
        try:
            question, _ = parse_question(
                [(name, text) for name, text in given.items() if text is not None],
                project=project.name,
                timezone=project.timezone,
                now=datetime.now(UTC),
                usually=timedelta(days=30),
                also=frozenset(),
            )
            total = await export.count(database, question)
            await write(export.export(database, question, options.format), total)
        except QuestionError as exc:
            raise UsageError(str(exc)) from exc
    return 0


async def write(parts: "AsyncIterator[Part]", total: int) -> None:
    """Write what comes to standard output, with a line about it where somebody looks."""
    events = size = 0
    started = shown_at = time.monotonic()
    async for part in parts:
        sys.stdout.buffer.write(part.body)
        size += len(part.body)
        events += part.events
        if time.monotonic() - shown_at > SHOW_SECONDS:
            shown_at = time.monotonic()
            show(events, total, size, shown_at - started)
    sys.stdout.buffer.flush()
    show(events, total, size, time.monotonic() - started, end="\n")


def show(events: int, total: int, size: int, seconds: float, end: str = "") -> None:
    if sys.stderr.isatty():
        rate = f"{events / max(seconds, 0.001):,.0f} events/s"
        sys.stderr.write(f"\r{events:,} of {total:,} events, {size / (1 << 20):,.1f} MiB, {rate} {end}")
        sys.stderr.flush()
