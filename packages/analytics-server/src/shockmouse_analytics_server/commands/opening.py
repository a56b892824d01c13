"""The database and the mirror as a command uses them: serve's engine while serve runs, else one for the meantime."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from .. import migrate, registry
from ..clickhouse import Database
from ..config import ServerConfig, check_data, prepare_data_dir
from ..embedded import ensure_engine
from ..erasure import resume
from ..erasure_work import Place
from ..errors import DatabaseAwayError, DatabaseError, LockedError
from ..folder import database_of, directory_path, spool_path
from ..projects import Directory
from ..serve import check_engine
from ..spool import Spool
from .options import tell

WAIT_SECONDS = 30.0
RETRY_SECONDS = 0.2
MIGRATION_LOCK_SECONDS = 60.0


@contextlib.asynccontextmanager
async def open_database(
    config: ServerConfig, wait_seconds: float = WAIT_SECONDS, *, begins: bool = False
) -> AsyncIterator[Database]:
    """Yield a database that answers; only a command that `begins` may make the data folder.

    Raises DatabaseAwayError: it did not within this time. LockedError: a process holds its folder and hangs.
    """
    check_engine(config)
    if config.clickhouse_url is None and not begins:
        check_data(config.data_dir)
    prepare_data_dir(config.data_dir)
    deadline = time.monotonic() + wait_seconds
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                database = await enter(config, stack)
                break
            except (DatabaseAwayError, LockedError):
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_SECONDS)
        yield database


async def enter(config: ServerConfig, stack: contextlib.AsyncExitStack) -> Database:
    """Return the database; what had to be started for it ends with the stack."""
    async with contextlib.AsyncExitStack() as attempt:
        if config.clickhouse_url is None:
            await attempt.enter_async_context(ensure_engine(config.data_dir))
        database = await attempt.enter_async_context(database_of(config, "admin"))
        try:
            await database.fetch("select 1 as one")
        except DatabaseAwayError:
            raise
        except DatabaseError:
            pass  # it answers: only our database is not there yet
        stack.push_async_exit(attempt.pop_all())
    return database


@contextlib.asynccontextmanager
async def open_projects(config: ServerConfig, *, begins: bool = False) -> AsyncIterator[tuple[Database, Directory]]:
    """Yield the migrated database and this node's mirror."""
    async with open_database(config, begins=begins) as database:
        await migrate.up(database, cluster=config.clickhouse_cluster, wait_seconds=MIGRATION_LOCK_SECONDS)
        with Directory(directory_path(config.data_dir)) as directory:
            yield database, directory


@contextlib.asynccontextmanager
async def open_place(config: ServerConfig, *, resumes: bool = True) -> AsyncIterator[Place]:
    """Yield all that erasures need; one that was cut off is brought to its end first, unless the caller sees to it."""
    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        with Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes) as spool:
            place = Place(
                database,
                directory,
                spool,
                config.data_dir,
                config.clickhouse_cluster,
                has_other_nodes=config.clickhouse_url is not None,
            )
            if resumes:
                await resume(place, progress=tell)
            yield place
