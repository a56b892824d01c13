"""The body of an HTTP worker's process; the loader's is in loading.py, the engine's in embedded.py.

It says `ready` on its standard output when it is, and ends on SIGTERM or as lifeline.py says.
"""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import resource
from collections.abc import Callable
from typing import Any, cast

from hypercorn.asyncio import serve as serve_hypercorn
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework

from . import connections
from .app import Parts, create_app
from .appender import Appender
from .config import ServerConfig
from .counters import Counters
from .folder import counters_path, database_of, directory_path, spool_path
from .lifeline import say_ready, stop_event
from .places import Places
from .projects import Directory
from .spool import Spool

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
