"""`migrate …`: the schema, listed, planned, applied, compared."""

import argparse
import asyncio
import contextlib
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from ..config import ServerConfig, has_data
from .options import Commands, add_command, add_group, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..clickhouse import Database

LOCK_SECONDS = 60.0


def add(commands: Commands) -> None:
    """Add the commands about the schema."""
    group = add_group(commands, "migrate", "the database's schema")
    for name, run, about in (
        ("status", run_status, "list the migrations and how far each is"),
        ("plan", run_plan, "print the SQL that `up` would run"),
    ):
        add_command(group, name, run, about).add_argument("--json", action="store_true", help="print JSON")
    add_command(group, "up", run_up, "apply what is missing")
    add_command(group, "verify", run_verify, "compare files, journal and live tables; exit 1 when they differ")


@contextlib.asynccontextmanager
async def open_if_any(config: ServerConfig) -> "AsyncIterator[Database | None]":
    """Yield the database, or None before the first start, when the files alone tell what would run."""
    from .opening import open_database

    if config.clickhouse_url is None and not has_data(config.data_dir):
        sys.stderr.write(f"there is no data in {config.data_dir} yet: this is what the first start will run\n")
        yield None
        return
    async with open_database(config) as database:
        yield database


def run_status(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(status(config, as_json=options.json))


async def status(config: ServerConfig, *, as_json: bool) -> int:
    from .. import migrate

    async with open_if_any(config) as database:
        rows = await migrate.status(database)
    if as_json:
        print(json.dumps([row._asdict() for row in rows]))
    else:
        for row in rows:
            print(f"{row.number:04d} {row.name:24} {row.state:8} {row.at}".rstrip())
    return 0


def run_plan(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(plan(config, as_json=options.json))


async def plan(config: ServerConfig, *, as_json: bool) -> int:
    from .. import migrate

    async with open_if_any(config) as database:
        steps = await migrate.plan(database, cluster=config.clickhouse_cluster)
    if as_json:
        print(json.dumps([{"statement": str(step), "sql": step.sql} for step in steps]))
    elif not steps:
        print("nothing to run")
    else:
        print("\n\n".join(f"-- {step}\n{step.sql};" for step in steps))
    return 0


def run_up(_: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(up(config))


async def up(config: ServerConfig) -> int:
    from .. import migrate
    from ..backup import loader_waits
    from .opening import open_database

    async with open_database(config, begins=True) as database:
        applied = await migrate.up(
            database,
            cluster=config.clickhouse_cluster,
            wait_seconds=LOCK_SECONDS,
            loader_waits=partial(loader_waits, config.data_dir),
            progress=tell,
        )
    print(f"{len(applied)} migrations applied" if applied else "nothing to apply")
    return 0


def run_verify(_: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(verify(config))


async def verify(config: ServerConfig) -> int:
    from .. import migrate
    from .opening import open_database

    async with open_database(config) as database:
        differences = await migrate.verify(database, cluster=config.clickhouse_cluster)
    print("\n".join(differences) if differences else "files, journal and tables agree")
    return 1 if differences else 0
