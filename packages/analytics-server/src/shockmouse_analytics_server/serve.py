"""`serve`: the supervisor, and the processes that it keeps running.

engine   chDB behind ClickHouse's HTTP protocol, only without CLICKHOUSE_URL
loader   spool to ClickHouse, and the mirror of projects and keys
http     as many as WORKERS says; all accept on the one socket that the supervisor has bound and never lets go of
A child's standard input is a pipe: its end means that the supervisor is gone. On its standard output it says `ready`,
the engine else why it is not.
Ingestion needs neither engine nor loader, so http starts at once wherever projects and keys are known from before.
"""

import asyncio
import contextlib
import errno
import importlib.util
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence

import backoff

from . import migrate, registry
from .config import PREFIX, ServerConfig, to_environ
from .damage import set_aside_damaged
from .errors import ConfigError, DatabaseAwayError, LockedError, SchemaError, SpoolBrokenError
from .folder import database_of, defaults_of, directory_path, serve_lock, spool_path, url_path
from .lifeline import UNUSABLE
from .links import Link, add_link, link_url
from .locks import hold
from .projects import Directory
from .spool import Spool

LOCK_SECONDS = 10.0
TAKEN = "; stop it, or give another --data-dir"
ADDRESSED = "; is SHOCKMOUSE_CLICKHOUSE_URL (--clickhouse-url) the right address?"
CHECK_SECONDS = 3.0
PORT_SECONDS = 3.0
DATABASE_SECONDS = 30.0
MIGRATION_LOCK_SECONDS = 60.0
ANNOUNCE_SECONDS = 10.0
END_SECONDS = 6.0  # http answers what is open while the loader finishes its insert
ENGINE_END_SECONDS = 1.5
STEADY_SECONDS = 10.0
ENGINE_TRIES = 3
HOPELESS = frozenset({UNUSABLE, -signal.SIGILL})  # a processor that lacks what the engine is made for

logger = logging.getLogger(__name__)


class Child:
    """One process that is started again whenever it ends, later and later while it keeps failing."""

    def __init__(self, role: str, arguments: Sequence[str], environ: dict[str, str], file: int | None = None) -> None:
        self._role = role
        self._command = (sys.executable, "-m", "shockmouse_analytics_server", f"_{role}", *arguments)
        self._environ = environ
        self._files = () if file is None else (file,)
        self._process: asyncio.subprocess.Process | None = None
        self._told = ""
        self.cause = ""  # what it said last instead of `ready`
        self.is_ending = asyncio.Event()
        self.ready = asyncio.Event()
        self.is_hopeless = asyncio.Event()  # it has never been ready, and never will be

    async def keep(self) -> None:
        """Run the process until `end`."""
        delays = restart_delays()
        vain = 0
        while not self.is_ending.is_set():
            started = time.monotonic()
            try:
                code = await self._run()
            except OSError as exc:  # no memory or no process to be had
                code = f"none: {exc.strerror}"
            if self.is_ending.is_set():
                return
            vain += code in HOPELESS and not self.ready.is_set()
            if vain == ENGINE_TRIES:
                self.cause = self.cause or f"the {self._role} ended with code {code} before it was ready"
                self.is_hopeless.set()
                return
            if time.monotonic() - started > STEADY_SECONDS:
                delays = restart_delays()
            delay = backoff.full_jitter(next(delays))
            logger.warning("%s ended with code %s%s; it starts again in %.1f s", self._role, code, self._news(), delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.is_ending.wait(), delay)

    async def end(self, seconds: float) -> None:
        """Ask the process to end; kill it when it has not after `seconds`."""
        self.is_ending.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        signal_process(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            logger.warning("%s did not end within %.1f s and is killed", self._role, seconds)
            signal_process(process, signal.SIGKILL)
            await process.wait()

    def _news(self) -> str:
        """Return why it ended, for its line in the log, unless that was told already."""
        news = f" ({self.cause})" if self.cause != self._told else ""
        self._told = self.cause
        return news

    async def _run(self) -> int | str:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, env=self._environ, pass_fds=self._files
        )
        self._process = process
        if self.is_ending.is_set():
            signal_process(process, signal.SIGTERM)
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"ready\n":
                self.ready.set()
            self.cause = "" if line == b"ready\n" else line.decode(errors="replace").strip()
        return await process.wait()


class Supervisor:
    """Brings the server up, keeps it up, and takes it down in order."""

    def __init__(self, config: ServerConfig, directory: Directory, listener: socket.socket, *, migrates: bool) -> None:
        self._config = config
        self._directory = directory
        self._migrates = migrates
        self._url = url_of(config.host, listener.getsockname()[1])
        environ = child_environ(config)
        file = listener.fileno()
        data_dir = ("--data-dir", str(config.data_dir))
        self._engine = [] if config.clickhouse_url else [Child("engine", data_dir, environ)]
        self._loader = Child("loader", (), environ)
        self._http = [Child("http", ("--listen-fd", str(file)), environ, file) for _ in range(config.workers)]
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start everything and stay.

        Raises ServerError: the database cannot be brought to this release's schema, or never answered; or the engine
        cannot run here.
        """
        for child in self._engine:
            self._keep(child)
        try:
            async with asyncio.TaskGroup() as group:
                database = group.create_task(self._bring_up_database())
                group.create_task(self._open_doors(database))
                for child in self._engine:
                    group.create_task(self._watch(child))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _open_doors(self, database: asyncio.Task[None]) -> None:
        """Start http, at once when projects and keys are known; say so when it and the database are there."""
        if not self._directory.is_loaded:
            await asyncio.wait({database})
        for child in self._http:
            self._keep(child)
        for child in self._http:
            await child.ready.wait()
        await asyncio.wait({database}, timeout=ANNOUNCE_SECONDS)
        if not database.done():
            logger.warning("ClickHouse does not answer yet: events are accepted and wait on disk")
        say(f"listening on {self._url}")
        await asyncio.Event().wait()

    async def _watch(self, engine: Child) -> None:
        """Never return.

        Raises ConfigError: the engine has never been ready, and never will be.
        """
        await engine.is_hopeless.wait()
        raise ConfigError(engine.cause)

    async def end(self) -> None:
        """End the children: http and loader first, then the engine that they use."""
        for child in (*self._http, self._loader, *self._engine):
            child.is_ending.set()
        await asyncio.gather(*(child.end(END_SECONDS) for child in (*self._http, self._loader)))
        await asyncio.gather(*(child.end(ENGINE_END_SECONDS) for child in self._engine))
        await asyncio.gather(*self._tasks)

    def _keep(self, child: Child) -> None:
        self._tasks.add(asyncio.create_task(child.keep()))

    async def _bring_up_database(self) -> None:
        """Wait for ClickHouse, migrate, mirror the projects; make the first one; start the loader."""
        started = time.monotonic()
        url = self._config.clickhouse_url
        for number, delay in enumerate(capped_delays()):
            try:
                await self._prepare_database()
            except DatabaseAwayError as exc:
                if url and number == 0:
                    logger.warning("waiting for ClickHouse at %s: %s", url, exc)
                if not self._directory.is_loaded and time.monotonic() - started > DATABASE_SECONDS:
                    said = "".join(f": {child.cause}" for child in self._engine if child.cause)
                    raise DatabaseAwayError(f"{exc}{said}{ADDRESSED if url else ''}", exc.code) from exc
                await asyncio.sleep(delay)
            else:
                break
        self._keep(self._loader)

    async def _prepare_database(self) -> None:
        config = self._config
        async with database_of(config, "admin") as database:
            if self._migrates:
                await migrate.up(database, cluster=config.clickhouse_cluster, wait_seconds=MIGRATION_LOCK_SECONDS)
            elif await migrate.plan(database, cluster=config.clickhouse_cluster):
                raise SchemaError("migrations are missing: run `migrate up`, or serve without --no-migrate")
            await registry.sync(database, self._directory, time.time())
            keys = await registry.create_first_project(database, self._directory, defaults_of(config))
        if keys is not None:
            link = Link(keys.project, self._directory.read_prefix(keys.project))
            token = add_link(directory_path(config.data_dir), link, time.time())
            say(
                f"project {keys.project}, made for this first start; its keys are shown only now\n"
                f"  write key  {keys.write_key}\n  read key   {keys.read_key}\n  admin key  {keys.admin_key}\n"
                f"  dashboard  {link_url(self._url, token)} (works once, for a day)"
            )


async def run(config: ServerConfig, *, migrates: bool) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises ServerError: it could not start; the message says what to do.
    """
    check_engine(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        await hold_folder(stack, config)
        await asyncio.to_thread(check_spool, config)
        listener = stack.enter_context(contextlib.closing(await bind(config.host, config.port)))
        write_url(config, listener.getsockname()[1])
        set_aside_damaged(directory_path(config.data_dir))  # it comes back from ClickHouse
        directory = stack.enter_context(Directory(directory_path(config.data_dir)))
        supervisor = Supervisor(config, directory, listener, migrates=migrates)
        stack.push_async_callback(supervisor.end)
        working = asyncio.create_task(supervisor.run())
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        logger.info("ending")
        working.cancel()
        await asyncio.wait({working})


async def hold_folder(stack: contextlib.AsyncExitStack, config: ServerConfig) -> None:
    """The data folder is ours until the stack unwinds; who has to wait for another serve to end is told at once.

    Raises LockedError: it did not end.
    """
    lock = serve_lock(config.data_dir)
    try:
        await stack.enter_async_context(hold(lock, 0))
    except LockedError as exc:
        logger.warning("%s; waiting %.0f s for it to end", exc, LOCK_SECONDS)
        await stack.enter_async_context(hold(lock, LOCK_SECONDS, TAKEN))


def check_engine(config: ServerConfig) -> None:
    """Raise ConfigError when there is no ClickHouse to use, neither inside nor outside."""
    if config.clickhouse_url is None and importlib.util.find_spec("chdb") is None:
        raise ConfigError(
            "there is no ClickHouse: install the engine with `pip install 'shockmouse-analytics-server[embedded]'`, "
            "or set SHOCKMOUSE_CLICKHOUSE_URL to a server's address"
        )


def check_spool(config: ServerConfig) -> None:
    """The spool is laid out, and a damaged one is told before children would end on it again and again.

    Raises SpoolBrokenError: it is damaged; the message says what to do.
    """
    try:
        with Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes) as spool:
            spool.file.check(CHECK_SECONDS)
    except SpoolBrokenError as exc:
        cause = str(exc).partition("; restart")[0]
        raise SpoolBrokenError(f"{cause}; check the disk, and restore from a backup into a new data folder") from exc


async def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that is not listening yet: the first worker makes it listen.

    Raises ConfigError: the address is not ours or stays in use; what a killed serve held is free after a moment.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return open_socket(host, port)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                advice = "; give another --port" if exc.errno == errno.EADDRINUSE else ""
                raise ConfigError(f"cannot listen on {host}:{port}: {exc.strerror}{advice}") from exc
        await asyncio.sleep(0.1)


def open_socket(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def write_url(config: ServerConfig, port: int) -> None:
    """Leave the address for commands that print links."""
    path = url_path(config.data_dir)
    new = path.with_suffix(".new")
    new.write_text(url_of(config.host, port), encoding="utf-8")
    new.replace(path)


def child_environ(config: ServerConfig) -> dict[str, str]:
    """Return our environment with exactly these settings: a flag's value reaches the children, and no key any argv."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | to_environ(config)


def restart_delays() -> Iterator[float]:
    delays = backoff.expo(base=2, factor=0.2, max_value=5)
    delays.send(None)
    return delays


def capped_delays() -> Iterator[float]:
    delays = backoff.expo(base=1.5, factor=0.05, max_value=1)
    delays.send(None)
    return delays


def signal_process(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def say(line: str) -> None:
    """Print for the person who started us; events are accepted whether anybody still reads or not."""
    with contextlib.suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
