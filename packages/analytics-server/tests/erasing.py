"""A node for the tests of erasure: a spool, a mirror and a database of its own, without processes."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from shockmouse_analytics_server import erasure, registry
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.erasure import Receipt, Subject
from shockmouse_analytics_server.erasure_work import Place
from shockmouse_analytics_server.folder import counters_path, directory_path, loading_lock, spool_path
from shockmouse_analytics_server.loader import Loader
from shockmouse_analytics_server.projects import Directory
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import Spool

from .conftest import Place as DatabasePlace
from .spooled import entry_of

T = TypeVar("T")
DEFAULTS = registry.ProjectChange(retention_days=0, rollup_retention_days=0, ip="truncate", timezone="UTC")


class Node:
    """One node with the projects shop and rival; `run` opens it anew, as a process would."""

    def __init__(self, database: DatabasePlace, data_dir: Path) -> None:
        self.database = database
        self.data_dir = data_dir

    def __enter__(self) -> Self:
        async def create(place: Place) -> None:
            for project in ("shop", "rival"):
                await registry.create_project(place.database, place.directory, project, DEFAULTS)

        self.run(create)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, scenario: Callable[[Place], Coroutine[Any, Any, T]]) -> T:
        async def inside(database: Database) -> T:
            with self.opened(database) as place:
                return await scenario(place)

        return self.database.run(inside)

    @contextlib.contextmanager
    def opened(self, database: Database) -> Iterator[Place]:
        with (
            Directory(directory_path(self.data_dir)) as directory,
            Spool(spool_path(self.data_dir), max_bytes=1 << 30, reserve_bytes=0) as spool,
        ):
            yield Place(database, directory, spool, self.data_dir, None, has_other_nodes=False)

    def spool(self, *rows: Row) -> None:
        """Have the rows wait, each in a batch of its own."""

        async def append(place: Place) -> None:
            place.spool.append([entry_of([row]) for row in rows])

        self.run(append)

    def load(self, *rows: Row) -> None:
        """Have the rows in ClickHouse."""
        self.spool(*rows)
        self.load_waiting()

    def load_waiting(self) -> None:
        """Have in ClickHouse what waits."""

        async def load(place: Place) -> None:
            with Counters(counters_path(self.data_dir)) as counters:
                loader = Loader(place.spool, place.database, loading_lock(self.data_dir), counters)
                await loader.load_round(asyncio.Event())

        self.run(load)

    def erase(self, **subject: str) -> Receipt:
        return self.run(lambda place: erasure.erase(place, Subject(project="shop", **subject), "test"))

    def fetch(self, sql: str) -> list[dict[str, Any]]:
        return self.run(lambda place: place.database.fetch(sql))
