"""The body of the loader's process: spool to ClickHouse, the mirror of projects and keys, erasures that were cut off.

It says `ready` on its standard output when it is, and ends on SIGTERM or as lifeline.py says. What HTTP needs is not
loaded here: that would take this process more time and memory than all that it does load.
"""

import asyncio
import contextlib
import logging
import time

from . import erasure, erasure_work, expiry, loader, registry
from .clickhouse import Database
from .config import ServerConfig
from .counters import Counters
from .errors import DatabaseAwayError
from .folder import counters_path, database_of, directory_path, loader_lock, loading_lock, spool_path
from .lifeline import say_ready, stop_event
from .locks import hold
from .projects import Directory
from .spool import Spool

LOCK_SECONDS = 10.0
SYNC_SECONDS = 10.0
RESUME_SECONDS = 2.0
EXPIRE_SECONDS = 3600.0

logger = logging.getLogger(__name__)


def run_loader(config: ServerConfig) -> int:
    return asyncio.run(serve_loader(config))


async def serve_loader(config: ServerConfig) -> int:
    """Load the spool and mirror the projects, one process per data folder; 1: the disk failed under the spool."""
    stopping = stop_event()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(hold(loader_lock(config.data_dir), LOCK_SECONDS))
        directory = stack.enter_context(Directory(directory_path(config.data_dir)))
        counters = stack.enter_context(Counters(counters_path(config.data_dir)))
        spool = stack.enter_context(Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes))
        database = await stack.enter_async_context(database_of(config, "loader"))
        admin = await stack.enter_async_context(database_of(config, "admin"))
        say_ready()
        others = config.clickhouse_url is not None
        place = erasure_work.Place(admin, directory, spool, config.data_dir, config.clickhouse_cluster, others)
        syncing = asyncio.create_task(keep_synced(admin, directory, stopping))
        erasing = asyncio.create_task(keep_erasing(place))
        await loader.run(
            spool, database, loading_lock=loading_lock(config.data_dir), stopping=stopping, counters=counters
        )
        erasing.cancel()
        await asyncio.wait({erasing, syncing})
    return 0


async def keep_synced(database: Database, directory: Directory, stopping: asyncio.Event) -> None:
    """Mirror projects, keys and salts every SYNC_SECONDS; while ClickHouse is away the mirror stays as it is."""
    while not stopping.is_set():
        try:
            await registry.sync(database, directory, time.time())
        except DatabaseAwayError:
            logger.debug("projects are not mirrored: ClickHouse is away")
        except Exception:
            logger.exception("projects are not mirrored")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), SYNC_SECONDS)


async def keep_erasing(place: erasure_work.Place) -> None:
    """Bring erasures to their end that were cut off with the process that ran them; delete what is too old."""
    expire_at = time.monotonic() + EXPIRE_SECONDS
    while True:
        try:
            await erasure.resume(place)
            if time.monotonic() > expire_at:
                expire_at = time.monotonic() + EXPIRE_SECONDS
                await expiry.expire_late(place.database, place.cluster, place.directory.projects())
        except DatabaseAwayError:
            logger.debug("nothing is erased: ClickHouse is away")
        except Exception:
            logger.exception("an erasure that was cut off does not go on yet")
        await asyncio.sleep(RESUME_SECONDS)
