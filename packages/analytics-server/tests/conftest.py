"""One real engine for a test session, and an empty database of it for each test.

With SHOCKMOUSE_TEST_CLICKHOUSE_URL (and _USER, _PASSWORD) set, the same tests run against that server.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from shockmouse_analytics_server.clickhouse import QUERY_LIMITS, Database
from shockmouse_analytics_server.migrate import up

T = TypeVar("T")


class Engine(NamedTuple):
    """Where a database server answers; `data_dir` only when it is the embedded one."""

    url: str
    socket_path: Path | None
    user: str
    password: str
    data_dir: Path | None

    def open(self, name: str, *, read_only: bool = False, timeout_seconds: float = 60) -> Database:
        """Return one database of it, to be entered with `async with`."""
        return Database(
            url=self.url,
            socket_path=self.socket_path,
            user=self.user,
            password=self.password,
            database=name,
            timeout_seconds=timeout_seconds,
            settings=QUERY_LIMITS if read_only else {},
        )


class Place(NamedTuple):
    """A database of a test's own: `database.run(scenario)` runs `async def scenario(database: Database)`."""

    engine: Engine
    name: str

    def open(self, **options: Any) -> Database:
        """Return it, to be entered with `async with`."""
        return self.engine.open(self.name, **options)

    def run(self, scenario: Callable[[Database], Awaitable[T]], **options: Any) -> T:
        """Return what the scenario returns."""

        async def inside() -> T:
            async with self.open(**options) as database:
                return await scenario(database)

        return asyncio.run(inside())


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The embedded engine in a process of its own, or the server that the environment names."""
    url = os.environ.get("SHOCKMOUSE_TEST_CLICKHOUSE_URL")
    if url:
        user = os.environ.get("SHOCKMOUSE_TEST_CLICKHOUSE_USER", "")
        yield Engine(url, None, user, os.environ.get("SHOCKMOUSE_TEST_CLICKHOUSE_PASSWORD", ""), None)
        return
    with tempfile.TemporaryDirectory(prefix="shockmouse-engine-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder)
        command = [sys.executable, "-m", "shockmouse_analytics_server.embedded", "--data-dir", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield Engine("http://engine/", data_dir / "engine.sock", "", "", data_dir)
            child.kill()  # ended in order, it would remove the files of a hundred dropped databases first


@contextlib.contextmanager
def own_database(engine: Engine) -> Iterator[Place]:
    """An empty database, dropped at the end; nobody waits until its files are gone."""
    place = Place(engine, f"test_{uuid.uuid4().hex[:12]}")
    place.run(lambda opened: opened.create())
    yield place
    engine_wide = Place(engine, "default")
    engine_wide.run(lambda opened: opened.execute(f"drop database if exists `{place.name}`"))


@pytest.fixture
def database(engine: Engine) -> Iterator[Place]:
    """An empty database, dropped after the test."""
    with own_database(engine) as place:
        yield place


@pytest.fixture(scope="session")
def shared(engine: Engine) -> Iterator[Place]:
    """A database with the product's schema for all tests that keep to projects of their own."""
    with own_database(engine) as place:
        place.run(lambda opened: up(opened))
        yield place


@pytest.fixture
def migrated(shared: Place, database: Place) -> Place:
    """A database with the product's schema, copied from the one that was migrated: a quarter of the time."""
    database.run(lambda opened: copy_schema(opened, shared.name))
    return database


async def copy_schema(database: Database, source: str) -> None:
    """The database has the tables and views of the other, all empty but for the journal."""
    tables = await database.fetch(
        "select create_table_query as made from system.tables where database = {source:String} "
        "order by engine = 'MaterializedView', name",
        params={"source": source},
    )
    for table in tables:
        await database.execute(table["made"].replace(f"{source}.", f"{database.name}."))
    await database.execute(f"insert into migration_journal select * from {source}.migration_journal")
