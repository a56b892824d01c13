"""The bodies of the processes that `serve` keeps: http and loader; the engine's is in embedded.py.

Each says `ready` on its standard output when it is, and ends on SIGTERM or as lifeline.py says.
"""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, cast

from hypercorn.asyncio import serve as serve_hypercorn
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework

from . import connections, erasure, erasure_work, expiry, loader, registry
from .app import Parts, create_app
from .appender import Appender
from .clickhouse import Database
from .config import ServerConfig
from .counters import Counters
from .errors import DatabaseAwayError
from .folder import counters_path, database_of, directory_path, loader_lock, loading_lock, spool_path
from .locks import hold
from .places import Places
from .projects import Directory
from .spool import Spool

LOCK_SECONDS = 10.0
SYNC_SECONDS = 10.0
RESUME_SECONDS = 2.0
EXPIRE_SECONDS = 3600.0
GRACE_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 20.0
HEADER_BYTES = 16 << 10
MAX_FILES = 65_536

logger = logging.getLogger(__name__)


def run_http(config: ServerConfig, listen_fd: int) -> int:
    """Answer requests on the supervisor's socket; 1: the disk failed under the spool."""
    raise_file_limit()
    connections.install()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serve_http(config, listen_fd))


async def serve_http(config: ServerConfig, listen_fd: int) -> int:
    stopping = stop_event()
    asyncio.get_running_loop().set_exception_handler(note_failure)
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(Directory(directory_path(config.data_dir)))
        counters = stack.enter_context(Counters(counters_path(config.data_dir)))
        spool = stack.enter_context(Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes))
        appender = await stack.enter_async_context(Appender(spool))
        database = await stack.enter_async_context(database_of(config, "query"))
        admin = await stack.enter_async_context(database_of(config, "admin"))
        places = stack.enter_context(Places(config.geoip_database))
        app = create_app(config, Parts(directory, counters, spool, appender, places, database, admin))

        async def stopped() -> None:
            spare_collector()
            say_ready()
            await first_of(stopping, appender.broken)

        await serve_hypercorn(
            cast("Framework", app), hypercorn_config(listen_fd), shutdown_trigger=stopped, mode="asgi"
        )
        return 1 if appender.broken.is_set() else 0


def hypercorn_config(listen_fd: int) -> HypercornConfig:
    """Return Hypercorn's settings.

    No read_timeout: it would end a slow answer too. keep_alive_timeout also ends who never completes his headers, and
    bodies have a time limit where they are read.
    """
    config = HypercornConfig()
    config.bind = [f"fd://{listen_fd}"]
    config.backlog = 1024
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn")
    config.errorlog.setLevel("WARNING")
    config.include_server_header = False
    config.h11_max_incomplete_size = HEADER_BYTES
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = 100_000
    config.graceful_timeout = GRACE_SECONDS
    return config


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


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM sets; Ctrl-C reaches the whole group, and the supervisor decides what it means."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    return stopping


async def first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops: uvloop's where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    import uvloop

    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def note_failure(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody awaited, without the loop's own words: they show connections with their addresses."""
    error = context.get("exception")
    if not isinstance(error, asyncio.CancelledError):  # what was still open at the end of our patience
        logger.error("a task of the event loop failed", exc_info=error)


def raise_file_limit() -> None:
    """Allow as many connections as the system lets us; the usual 1024 are few for keep-alive."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS calls its limit infinite and then refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_FILES), hard))


def spare_collector() -> None:
    """Have the garbage collector look at what requests make, and more rarely: what is loaded by now stays anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
