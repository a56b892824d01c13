"""ClickHouse's engine inside: chDB in a process of its own, which speaks ClickHouse's HTTP protocol on a Unix socket.

Answers    POST / and GET /: one statement (engine_request.py); GET /ping; POST /lease, open as long as a command needs
           an engine that another command has started; GET /unused, answered when there is no lease (any more)
Errors     `Code: N. DB::Exception: …` with X-ClickHouse-Exception-Code; in the middle of an answer ClickHouse's
           `__exception__` mark with the tag that the header named
Files      engine/ (chDB's), engine.lock (held while the process lives), engine.sock 0600, engine.address (where it is)
Lifetime   the process ends when its standard input does, so that it cannot outlive who started it
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import ClientError, web

from .engine_connections import Connections
from .engine_request import exception_code, exception_text, is_upload, read_request
from .engine_socket import engine_address, prepare_socket, publish_socket, socket_of
from .errors import ConfigError, LockedError, ServerError
from .lifeline import UNUSABLE, end_with_parent
from .locks import hold
from .logs import BREAKS, places_of

__all__ = ["engine_address", "ensure_engine", "main", "run_engine", "start_engine"]

MAX_BODY_BYTES = 64 << 20
MAX_LINE_BYTES = 1 << 20
BUFFER_BYTES = 1 << 20
LOCK_SECONDS = 10.0
RETRY_SECONDS = 0.1
CAUSE_LENGTH = 500
ANSWER_SECONDS = 5.0
ENGINE_OPTIONS = {
    "max_server_memory_usage_to_ram_ratio": "0.6",
    "mark_cache_size": str(128 << 20),
    "background_pool_size": "2",
    "background_schedule_pool_size": "4",
}
STATUS = {36: 400, 47: 400, 60: 404, 62: 400, 81: 404, 115: 404, 164: 403, 456: 400}


class Engine:
    """Answers requests; questions and inserts have threads of their own, so that neither waits for the other."""

    def __init__(self, connect: Any, path: str) -> None:
        self._connections = Connections(connect, path)
        self._path = path
        self._questions = ThreadPoolExecutor(4, "question")
        self._inserts = ThreadPoolExecutor(2, "insert")
        self._leases = 0
        self._is_closing = False
        self._changed = asyncio.Condition()

    async def statement(self, incoming: web.Request) -> web.StreamResponse:
        """Carry out one statement; rows of a binary format go through a file, which may be larger than memory."""
        if not is_upload(incoming.query):
            return await self.answer(incoming, await incoming.read())
        with tempfile.NamedTemporaryFile(dir=self._path, prefix="upload-") as file:
            async for chunk in incoming.content.iter_chunked(BUFFER_BYTES):
                file.write(chunk)
            file.flush()
            return await self.answer(incoming, b"", file.name)

    async def answer(self, incoming: web.Request, body: bytes, upload: str = "") -> web.StreamResponse:
        """Answer whole what ends within the buffer, in pieces what does not."""
        try:
            request = read_request(incoming.query, incoming.headers, body, upload)
        except ValueError as exc:
            return refusal(str(exc))
        loop = asyncio.get_running_loop()
        threads = self._inserts if request.body or request.upload else self._questions
        chunks = self._connections.answer(request)
        limit = sys.maxsize if incoming.query.get("wait_end_of_query") == "1" else BUFFER_BYTES
        try:
            head, has_more = await loop.run_in_executor(threads, take, chunks, limit)
        except RuntimeError as exc:
            return refusal(str(exc))
        if not has_more:
            return web.Response(body=head)
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers={"X-ClickHouse-Exception-Tag": tag})
        await response.prepare(incoming)
        try:
            await response.write(head)
            while has_more:
                head, has_more = await loop.run_in_executor(threads, take, chunks, BUFFER_BYTES)
                await response.write(head)
        except RuntimeError as exc:
            await response.write(f"__exception__\r\n{tag}\r\n{exception_text(str(exc))}\r\n".encode())
        finally:
            await loop.run_in_executor(threads, chunks.close)
        return response

    def close(self) -> None:
        """Nothing of the engine is held open any more."""
        self._connections.close()

    async def ping(self, _: web.Request) -> web.Response:
        """Say that the engine is there."""
        return web.Response(text="Ok.\n")

    async def lease(self, incoming: web.Request) -> web.StreamResponse:
        """Stay until the other side goes away."""
        if self._is_closing:
            return web.Response(status=503)
        self._leases += 1
        try:
            response = web.StreamResponse()
            await response.prepare(incoming)
            await response.write(b"\n")
            await incoming.content.read()  # it ends with the connection
        except (ClientError, ConnectionError):
            pass
        finally:
            self._leases -= 1
            async with self._changed:
                self._changed.notify_all()
        return response

    async def unused(self, _: web.Request) -> web.Response:
        """Answer when nobody has a lease; from then on nobody gets one."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._leases == 0)
        self._is_closing = True
        return web.Response()


def take(chunks: Generator[bytes, None, None], limit: int) -> tuple[bytes, bool]:
    """Return about `limit` bytes and whether there may be more."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= limit:
            return b"".join(taken), True
    return b"".join(taken), False


def refusal(message: str) -> web.Response:
    """Return ClickHouse's way of saying no."""
    text = exception_text(message)
    code = exception_code(text)
    return web.Response(status=STATUS.get(code, 500), text=text, headers={"X-ClickHouse-Exception-Code": str(code)})


async def run_engine(data_dir: Path, stopping: asyncio.Event, *, lock_seconds: float = LOCK_SECONDS) -> None:
    """Answer on the data folder's socket until told to stop.

    Raises LockedError: another process has the folder's engine.
    """
    async with hold(data_dir / "engine.lock", lock_seconds):
        connect = load_chdb()
        path = str(data_dir / "engine")
        options = "&".join(f"{name}={text}" for name, text in ENGINE_OPTIONS.items())
        with connect(f"{path}?{options}") as keeper:  # the engine lives as long as one connection does
            keeper.query("select 1", "TabSeparated")
            socket_path = prepare_socket(data_dir)
            engine = Engine(connect, path)
            runner = await listen(engine, socket_path)
            publish_socket(data_dir, socket_path)
            print("ready", flush=True)  # noqa: T201 # who started the process waits for this line
            await stopping.wait()
            await runner.cleanup()
            engine.close()


async def listen(engine: Engine, socket_path: Path) -> web.AppRunner:
    """Return what answers on the socket."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.get("/", engine.statement), web.post("/", engine.statement), web.get("/ping", engine.ping)])
    app.add_routes([web.post("/lease", engine.lease), web.get("/unused", engine.unused)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, max_line_size=MAX_LINE_BYTES)
    await runner.setup()
    await web.UnixSite(runner, str(socket_path)).start()
    return runner


def load_chdb() -> Any:
    """Return chDB's connect(). pyarrow would come along for nothing, with 60 MB and a second of start.

    Raises ConfigError: it is not installed, or cannot be loaded.
    """
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]
    try:
        from chdb.state.sqlitelike import connect
    except ModuleNotFoundError as exc:
        if exc.name != "chdb":
            raise unusable(exc) from exc
        raise ConfigError(
            "there is no ClickHouse: install shockmouse-analytics-server[embedded] or set SHOCKMOUSE_CLICKHOUSE_URL"
        ) from exc
    except Exception as exc:  # a foreign library may raise anything as it is loaded
        raise unusable(exc) from exc
    return connect


def unusable(error: Exception) -> ConfigError:
    return ConfigError(
        f"the embedded engine cannot be loaded: {cause_of(error)}; install it anew with "
        "`pip install --force-reinstall 'shockmouse-analytics-server[embedded]'`, or set SHOCKMOUSE_CLICKHOUSE_URL"
    )


def cause_of(error: Exception) -> str:
    """Return class, message and place in one line: before the engine is ready no message can quote an event."""
    return f"{type(error).__name__}: {BREAKS.sub(' ', str(error))[:CAUSE_LENGTH]} at {places_of(error)}"


@contextlib.asynccontextmanager
async def ensure_engine(data_dir: Path, *, wait_seconds: float = 30) -> AsyncIterator[None]:
    """While inside, an engine answers for the data folder: the one that runs, else one of our own.

    Raises LockedError: an engine holds the folder and does not answer.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        lease = await take_lease(data_dir)
        if lease is not None:
            try:
                yield
            finally:
                lease.close()
            return
        try:
            child = await start_engine(data_dir, wait_seconds=wait_seconds, lock_seconds=0)
            break
        except LockedError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(RETRY_SECONDS)
    try:
        yield
    except Exception:  # of ours; others may have a lease
        await unused(data_dir)
        raise
    else:
        await unused(data_dir)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def take_lease(data_dir: Path) -> asyncio.StreamWriter | None:
    """Return the connection that is the lease; None when no engine answers, or it is about to end."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_of(data_dir))
    except OSError:
        return None
    writer.write(b"POST /lease HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(OSError, TimeoutError):
        line = await asyncio.wait_for(reader.readline(), ANSWER_SECONDS)
        if line.startswith(b"HTTP/1.1 200"):
            return writer
    writer.close()
    return None


async def unused(data_dir: Path) -> None:
    """Nobody needs the folder's engine any more, or there is none."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(socket_of(data_dir))
        writer.write(b"GET /unused HTTP/1.1\r\nHost: engine\r\n\r\n")
        await reader.readline()
        writer.close()


async def start_engine(
    data_dir: Path, *, wait_seconds: float = 30, lock_seconds: float = LOCK_SECONDS
) -> asyncio.subprocess.Process:
    """Return an engine process that answers; it ends when its standard input is closed.

    Raises LockedError: it did not come up in time, most often because another has the folder. ConfigError: none ever
    will here.
    """
    options = ["--data-dir", str(data_dir), "--lock-seconds", str(lock_seconds)]
    command = [sys.executable, "-m", "shockmouse_analytics_server.embedded", *options]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    line = b""
    with contextlib.suppress(TimeoutError):
        line = await asyncio.wait_for(child.stdout.readline(), wait_seconds)
        if line == b"ready\n":
            return child
        await asyncio.wait_for(child.wait(), ANSWER_SECONDS)  # it has said why, and is about to end
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    code, said = await child.wait(), line.decode().strip()
    if code == UNUSABLE:
        raise ConfigError(said)
    raise LockedError(said or f"the engine of {data_dir} did not start within {wait_seconds:g} s")


async def serve(data_dir: Path, lock_seconds: float) -> None:
    """Run the engine until SIGTERM; Ctrl-C is for who started it."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None if has_parent() else stopping.set())
    await run_engine(data_dir, stopping, lock_seconds=lock_seconds)


def has_parent() -> bool:
    """Tell whether standard input is somebody's pipe."""
    mode = os.fstat(0).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def main(arguments: list[str]) -> int:
    """Run the engine of a data folder; its one line is `ready` when it answers, else why it cannot."""
    parser = argparse.ArgumentParser(prog="engine")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--lock-seconds", type=float, default=LOCK_SECONDS)
    options = parser.parse_args(arguments)
    os.umask(0o077)
    options.data_dir.mkdir(parents=True, exist_ok=True)
    if has_parent():
        end_with_parent()
    try:
        asyncio.run(serve(options.data_dir, options.lock_seconds))
    except ConfigError as exc:
        print(exc, flush=True)  # noqa: T201 # instead of `ready`
        return UNUSABLE
    except ServerError as exc:
        print(exc, flush=True)  # noqa: T201
        return 1
    except Exception as exc:
        print(cause_of(exc), flush=True)  # noqa: T201
        return 1
    # A question may still run in a thread, and Python would wait for it; nothing of it is worth that.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
