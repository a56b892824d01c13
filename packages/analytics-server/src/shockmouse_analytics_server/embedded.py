"""ClickHouse's engine inside: chDB in a process of its own, which speaks ClickHouse's HTTP protocol on a Unix socket.

Protocol   POST / with the statement in `query` or the body, rows of an INSERT in the body; GET /ping
           `database`, `default_format`, `param_*`, every other parameter is a setting of this request only
Errors     `Code: N. DB::Exception: …` with X-ClickHouse-Exception-Code; in the middle of an answer ClickHouse's
           `__exception__` mark with the tag that the header named
Files      engine/ (chDB's), engine.lock (held while the process lives), engine.sock 0600, engine.address (where it is)
Lifetime   the process ends when its standard input does, so that it cannot outlive who started it
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import re
import secrets
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from .errors import ConfigError, LockedError

MAX_BODY_BYTES = 64 << 20
BUFFER_BYTES = 1 << 20
SOCKET_PATH_BYTES = 100
ENGINE_OPTIONS = {
    "max_server_memory_usage_to_ram_ratio": "0.6",
    "mark_cache_size": str(128 << 20),
    "background_pool_size": "2",
    "background_schedule_pool_size": "4",
}
# Formats whose blocks follow each other without head or foot; others are answered whole.
STREAMED = frozenset(
    {"JSONEachRow", "JSONCompactEachRow", "CSV", "TabSeparated", "TSV", "Native", "RowBinary", "LineAsString"}
)
RESERVED = frozenset({"query", "database", "default_format", "query_id", "user", "password", "wait_end_of_query"})
RESERVED |= {"buffer_size", "enable_http_compression", "compress", "decompress"}
FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
SELECT = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*\(?\s*(?:select|with)\b", re.IGNORECASE | re.DOTALL)
INSERT = re.compile(r"\s*insert\s", re.IGNORECASE)
SETTING = re.compile(r"[a-z][a-z0-9_]*")
CODE = re.compile(r"Code: (\d+)\. DB::")
STATUS = {60: 404, 81: 404, 36: 400, 47: 400, 62: 400, 115: 404, 164: 403, 456: 400}


class Request(NamedTuple):
    """One statement with everything that belongs to it."""

    sql: str
    body: bytes
    format: str
    database: str
    params: dict[str, str]
    settings: dict[str, str]


def read_request(query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Request:
    """Return what is asked; rows are what follows an INSERT that came as a parameter."""
    sql, rows = query.get("query", ""), body
    if not (sql and body and INSERT.match(sql)):
        sql, rows = "\n".join(filter(None, (sql, body.decode()))), b""
    given = FORMAT.search(sql)
    default = query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    if rows and given:
        sql = sql[: given.start()]
    return Request(
        sql=sql,
        body=rows,
        format=given[1] if given else default,
        database=query.get("database") or headers.get("X-ClickHouse-Database") or "default",
        params={name.removeprefix("param_"): text for name, text in query.items() if name.startswith("param_")},
        settings={name: text for name, text in query.items() if name not in RESERVED and not name.startswith("param_")},
    )


def run_statement(connect: Any, path: str, request: Request) -> Iterator[bytes]:
    """Yield the answer's bytes; the connection lasts as long as the answer does."""
    with connect(path) as connection:
        prepare(connection, request)
        if request.body:
            # Without finish() chDB stores nothing and says nothing.
            with connection.send_insert(request.sql, request.format) as insert:
                insert.append(request.body)
                insert.finish()
        elif request.format in STREAMED and SELECT.match(request.sql):
            with connection.send_query(request.sql, request.format, params=request.params) as chunks:
                for chunk in chunks:
                    yield chunk.bytes()
        else:
            yield connection.query(request.sql, request.format, params=request.params).bytes()


def prepare(connection: Any, request: Request) -> None:
    """The connection has the request's database and settings; readonly comes last, for after it nothing changes."""
    name = request.database.replace("\\", "\\\\").replace("`", "\\`")
    connection.query(f"use `{name}`", "TabSeparated")
    settings = {"implicit_select": "0", "allow_introspection_functions": "0", **request.settings}
    readonly = settings.pop("readonly", "0")
    if not all(SETTING.fullmatch(setting) for setting in settings):
        raise ValueError("Code: 115. DB::Exception: a setting's name is not made of letters and underscores")
    texts = [f"{setting} = {_quoted(text)}" for setting, text in settings.items()]
    texts += [f"readonly = {_quoted(readonly)}"] if readonly != "0" else []
    connection.query(f"set {', '.join(texts)}", "TabSeparated")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """Answers requests; questions and inserts have threads of their own, so that neither waits for the other."""

    def __init__(self, connect: Any, path: str) -> None:
        self._connect = connect
        self._path = path
        self._questions = ThreadPoolExecutor(4, "question")
        self._inserts = ThreadPoolExecutor(2, "insert")

    async def answer(self, incoming: web.Request) -> web.StreamResponse:
        """Answer whole what ends within the buffer, in pieces what does not."""
        request = read_request(incoming.query, incoming.headers, await incoming.read())
        loop = asyncio.get_running_loop()
        threads = self._inserts if request.body else self._questions
        chunks = run_statement(self._connect, self._path, request)
        limit = sys.maxsize if incoming.query.get("wait_end_of_query") == "1" else BUFFER_BYTES
        try:
            head, more = await loop.run_in_executor(threads, _take, chunks, limit)
        except (RuntimeError, ValueError) as exc:
            return refusal(str(exc))
        if not more:
            return web.Response(body=head)
        response = web.StreamResponse(headers={"X-ClickHouse-Exception-Tag": secrets.token_hex(8)})
        await response.prepare(incoming)
        try:
            await response.write(head)
            while more:
                head, more = await loop.run_in_executor(threads, _take, chunks, BUFFER_BYTES)
                await response.write(head)
        except RuntimeError as exc:
            tag = response.headers["X-ClickHouse-Exception-Tag"]
            await response.write(f"__exception__\r\n{tag}\r\n{clean(str(exc))}\r\n".encode())
        finally:
            await loop.run_in_executor(threads, chunks.close)  # type: ignore[attr-defined]
        return response


def _take(chunks: Iterator[bytes], limit: int) -> tuple[bytes, bool]:
    """Return about `limit` bytes and whether there may be more."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= limit:
            return b"".join(taken), True
    return b"".join(taken), False


def clean(message: str) -> str:
    """Return the message from ClickHouse's code on."""
    match = CODE.search(message)
    return message[match.start() :] if match else f"Code: 1002. DB::Exception: {message}"


def refusal(message: str) -> web.Response:
    """Return ClickHouse's way of saying no."""
    text = clean(message)
    match = CODE.search(text)
    code = int(match[1]) if match else 1002
    return web.Response(status=STATUS.get(code, 500), text=text, headers={"X-ClickHouse-Exception-Code": str(code)})


async def ping(_: web.Request) -> web.Response:
    """Say that the engine is there."""
    return web.Response(text="Ok.\n")


async def run_engine(data_dir: Path, stopping: asyncio.Event) -> None:
    """Answer on the data folder's socket until told to stop."""
    with folder_lock(data_dir / "engine.lock"), contextlib.ExitStack() as stack:
        connect = load_chdb()
        path = f"{data_dir / 'engine'}?{'&'.join(f'{name}={text}' for name, text in ENGINE_OPTIONS.items())}"
        keeper = stack.enter_context(connect(path))  # the engine lives as long as one connection does
        keeper.query("select 1", "TabSeparated")
        socket_path = socket_place(data_dir, stack)
        engine = Engine(connect, str(data_dir / "engine"))
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes([web.get("/ping", ping), web.get("/", engine.answer), web.post("/", engine.answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, str(socket_path)).start()
        socket_path.chmod(0o600)
        publish(data_dir / "engine.address", str(socket_path))
        print("ready", flush=True)  # noqa: T201 # who started the process waits for this line
        await stopping.wait()
        await runner.cleanup()


def load_chdb() -> Any:
    """Return chDB's connect(). pyarrow would come along for nothing, with 60 MB and a second of start."""
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]
    try:
        from chdb.state.sqlitelike import connect
    except ImportError as exc:
        raise ConfigError(
            "there is no ClickHouse: install shockmouse-analytics-server[embedded] or set SHOCKMOUSE_CLICKHOUSE_URL"
        ) from exc
    return connect


def socket_place(data_dir: Path, stack: contextlib.ExitStack) -> Path:
    """Return a free path for the socket, short enough for the kernel."""
    path = data_dir / "engine.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shockmouse-", dir=runtime))) / "sock"
    path.unlink(missing_ok=True)
    return path


def publish(path: Path, text: str) -> None:
    """The file has this text, never half of it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@contextlib.contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold the lock; the kernel lets go of it whatever ends the process. Raises LockedError."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise LockedError(f"{path} is held by another process") from exc
        yield


def engine_address(data_dir: Path) -> Path | None:
    """Return the socket of the engine that holds the folder, None without one."""
    address = data_dir / "engine.address"
    return Path(address.read_text()) if address.exists() else None


async def answers(socket_path: Path) -> bool:
    """Tell whether an engine listens there."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError:
        return False
    writer.write(b"GET /ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
    answer = await reader.read(64)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


@contextlib.asynccontextmanager
async def ensure_engine(data_dir: Path, *, wait_seconds: float = 30) -> AsyncIterator[None]:
    """While inside, an engine answers for the data folder: the one that runs, else one of our own."""
    socket_path = engine_address(data_dir)
    if socket_path and await answers(socket_path):
        yield
        return
    child = await start_engine(data_dir, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def start_engine(data_dir: Path, *, wait_seconds: float = 30) -> asyncio.subprocess.Process:
    """Return an engine process that answers; it ends when its standard input is closed."""
    command = [sys.executable, "-m", "shockmouse_analytics_server.embedded", "--data-dir", str(data_dir)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), wait_seconds)
    except TimeoutError:
        line = b""
    if line != b"ready\n":
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise LockedError(f"the engine of {data_dir} did not start")
    return child


async def serve(data_dir: Path) -> None:
    """Run the engine until SIGTERM or the end of standard input."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, stopping.set)
    await run_engine(data_dir, stopping)


def main(arguments: list[str]) -> int:
    """Run the engine of a data folder; its one line `ready` says that it answers."""
    parser = argparse.ArgumentParser(prog="engine")
    parser.add_argument("--data-dir", type=Path, required=True)
    data_dir = parser.parse_args(arguments).data_dir
    os.umask(0o077)
    data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(data_dir))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
