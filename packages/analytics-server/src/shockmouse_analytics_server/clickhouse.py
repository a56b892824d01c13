"""The one way to ClickHouse, whether it is embedded, one server or a cluster: HTTP through aiochclient.

Values     are bound by the server: `{name:Type}` in the SQL, `param_name` in the request; SQL is never formatted
Rows in    bytes that are ready to insert travel as the request's body, untouched
Rows out   fetch() waits for the whole answer, so that its status is true; stream() passes bytes on as they come
Errors     carry `Code: N`; they become the classes of errors.py here and nowhere else
"""

import copy
import datetime as dt
import functools
import io
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, cast
from uuid import UUID

import aiohttp
import msgspec
from aiochclient import ChClient, ChClientError
from aiohttp.client_exceptions import UnixClientConnectorError

from .engine_socket import socket_of
from .errors import BadRowsError, ConfigError, DatabaseAwayError, DatabaseError, QuestionLimitError

Role = Literal["admin", "loader", "query"]

# What the answers look like does not depend on a server's profile.
PINNED: Mapping[str, object] = {
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_named_tuples_as_objects": 1,
}
# readonly=1 also refuses every table function that reaches a file or another host.
QUERY_LIMITS: Mapping[str, object] = {
    "readonly": 1,
    "max_execution_time": 20,
    "max_memory_usage": 1_500_000_000,
    "max_rows_to_read": 1_000_000_000,
    "max_result_rows": 1_000_000,
    "max_result_bytes": 500_000_000,
}
# What can only lie in the rows: they do not parse, do not fit their columns, or lie in too many partitions.
BAD_ROWS = frozenset({6, 20, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 190, 248, 306, 321, 349, 376})
BAD_ROWS |= frozenset({407, 441, 467, 563, 565, 632, 645, 675, 676, 691, 760})
# Rows, time, memory, depth.
LIMITS = frozenset({158, 159, 160, 161, 162, 167, 168, 191, 241, 307, 396, 776, 777, 778})
# Busy, out of space or memory, a replica or the keeper lost, cancelled: the statement itself may be right.
AWAY = frozenset({74, 75, 76, 95, 96, 159, 173, 198, 201, 202, 203, 204, 209, 210, 225, 234, 236, 241, 242, 243, 244})
AWAY |= frozenset({252, 254, 265, 279, 285, 286, 289, 294, 297, 319, 341, 364, 373, 394, 410, 415, 416, 425, 439, 473})
AWAY |= frozenset({499, 517, 519, 529, 571, 574, 655, 659, 677, 700, 733, 735, 745, 749, 762, 776, 777, 778, 999, 1000})
ASKING = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN"})
CODE = re.compile(r"Code: (\d+)\. (?:DB::\w+: )?")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")


class _Json:
    """The decoder that aiochclient is given."""

    loads = staticmethod(msgspec.json.Decoder().decode)


class Identifier(str):
    """A name for `{x:Identifier}`, which ClickHouse takes as it is; other text it reads with escapes."""


class _Client(ChClient):  # type: ignore[misc] # aiochclient has no types
    """aiochclient reads every statement with sqlparse, which holds up the process for 20 ms and more.

    Of ours the first word tells what it wants to know, as none has a format; inserts of a file are few, and remembered.
    """

    @staticmethod
    def _parse_squery(statement: str) -> tuple[bool, bool, str]:
        """Return whether rows come back, whether the statement says that they are JSON, and its kind."""
        first = statement.split(maxsplit=1)[0].upper()
        return first in ASKING, False, first

    _check_insert_file_query = staticmethod(functools.lru_cache(maxsize=512)(ChClient._check_insert_file_query))


class Database:
    """One database of a server, over connections that are opened on the first question and closed with it."""

    def __init__(
        self,
        *,
        url: str,
        database: str,
        user: str = "",
        password: str = "",
        socket_path: Path | None = None,
        timeout_seconds: float = 30,
        settings: Mapping[str, object] = {},
    ) -> None:
        if not NAME.fullmatch(database):
            raise ConfigError(f"the database's name {database!r} must be letters, digits and underscores")
        self.name = database
        self._url = url
        self._login = {"user": user, "password": password}
        self._socket_path = socket_path
        # Between two signs of life: a long stream or upload may take as long as it likes.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=timeout_seconds)
        self._settings = {**PINNED, **settings}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(str(self._socket_path)) if self._socket_path else None
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def create(self, *, on_cluster: str = "") -> None:
        """The database exists, which every other call needs."""
        client = self._client({}, {"database": "default"})
        await _answer(client.execute(f"create database if not exists `{self.name}` {on_cluster}"))

    async def drop(self, *, on_cluster: str = "") -> None:
        """The database is gone with everything in it."""
        client = self._client({}, {"database": "default"})
        await _answer(client.execute(f"drop database if exists `{self.name}` {on_cluster} sync"))

    def beside(self, suffix: str) -> "Database":
        """Return another database of the same server, reached through the same connections."""
        other = copy.copy(self)
        other.name = f"{self.name}_{suffix}"
        return other

    async def execute(
        self, sql: str, *, params: Mapping[str, object] = {}, settings: Mapping[str, object] = {}
    ) -> None:
        """The statement has run."""
        await _answer(self._client(params, settings).execute(sql))

    async def fetch(
        self, sql: str, *, params: Mapping[str, object] = {}, settings: Mapping[str, object] = {}
    ) -> list[dict[str, Any]]:
        """Return the rows as dicts; 64-bit integers are numbers, times ISO strings in UTC."""
        client = self._client(params, {"wait_end_of_query": 1, **settings})
        return cast("list[dict[str, Any]]", await _answer(client.fetch(sql, json=True), question=True))

    async def insert(
        self,
        table: str,
        columns: Sequence[str],
        body: bytes,
        *,
        settings: Mapping[str, object] = {},
        format: str = "JSONCompactEachRow",  # noqa: A002 # ClickHouse's word
    ) -> None:
        """The rows are stored as the table's settings promise.

        Raises BadRowsError: the rows cannot be read, and none was stored.
        """
        if body:
            await self._insert(table, columns, io.BytesIO(body), settings, format)

    async def insert_file(
        self,
        table: str,
        columns: Sequence[str],
        file: BinaryIO,
        *,
        settings: Mapping[str, object] = {},
        format: str,  # noqa: A002
    ) -> None:
        """The rows of an open file, of any size, are stored; raises what insert() does."""
        await self._insert(table, columns, file, settings, format)

    async def _insert(
        self, table: str, columns: Sequence[str], rows: BinaryIO, settings: Mapping[str, object], form: str
    ) -> None:
        sql = f"insert into {_identifiers([table])} ({_identifiers(columns)}) format {_identifiers([form])}"
        try:
            await _answer(self._client({}, settings).insert_file(sql, rows))
        except DatabaseError as exc:
            # A view that fails has seen rows which were readable: the same block again heals it.
            names_a_row = exc.code in BAD_ROWS or "(at row " in str(exc)
            if names_a_row and "while pushing to view" not in str(exc):
                raise BadRowsError(str(exc), exc.code) from exc
            raise

    async def stream(
        self,
        sql: str,
        *,
        format: str,  # noqa: A002
        params: Mapping[str, object] = {},
        settings: Mapping[str, object] = {},
    ) -> AsyncIterator[bytes]:
        """Yield the answer's bytes as they come.

        Raises DatabaseError also when the answer began well and then failed; what came before must be thrown away.
        aiochclient reads lines only, so that a binary answer goes past it.
        """
        client = self._client(params, {"default_format": format, **settings})
        try:
            async with client._http_client._session.post(
                client.url, params=client.params, headers=client.headers, data=sql.encode()
            ) as response:
                if response.status != 200:
                    raise _mapped((await response.read()).decode(errors="replace"), question=True)
                tag = response.headers.get("X-ClickHouse-Exception-Tag", "")
                async for chunk in _unbroken(response.content.iter_any(), f"__exception__\r\n{tag}".encode()):
                    yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise DatabaseAwayError(why_away(exc)) from exc

    def _client(self, params: Mapping[str, object], settings: Mapping[str, object]) -> Any:
        if self._session is None:
            raise RuntimeError("the database is closed")
        values: dict[str, object] = {"database": self.name, **self._settings, **settings}
        values |= {f"param_{name}": escape(value) for name, value in params.items()}
        texts = {name: str(value) for name, value in values.items()}
        database = texts.pop("database")
        return _Client(self._session, url=self._url, database=database, json=_Json, **self._login, **texts)


def open_database(
    *,
    data_dir: Path,
    clickhouse_url: str | None,
    database: str = "shockmouse",
    user: str = "",
    password: str = "",
    role: Role = "admin",
) -> Database:
    """Return the (closed) database of these settings; without a URL it is the engine of the data folder."""
    settings = QUERY_LIMITS if role == "query" else {}
    seconds = {"admin": 600.0, "loader": 120.0, "query": 30.0}[role]
    return Database(
        url=clickhouse_url or "http://engine/",
        database=database,
        user=user,
        password=password,
        socket_path=None if clickhouse_url else socket_of(data_dir),
        timeout_seconds=seconds,
        settings=settings,
    )


def escape(value: object) -> str:
    """Return a parameter in ClickHouse's escaped format; times as seconds since 1970, which no time zone can move."""
    match value:
        case None:
            return "\\N"
        case Identifier():
            return str(value)
        case bool():
            return str(int(value))
        case str():
            return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
        case dt.datetime():
            # ClickHouse reads fewer than five digits as a date; nothing here is older than 1970-01-02.
            return f"{max(value.timestamp(), 86_400):.6f}".rstrip("0").rstrip(".")
        case dt.date() | UUID() | int():
            return str(value)
        case float():
            return repr(value)
        case list() | tuple() | set() | frozenset():
            return f"[{','.join(_quoted(item) for item in value)}]"
    raise TypeError(f"a parameter cannot be {type(value).__name__}")


def _quoted(value: object) -> str:
    if isinstance(value, str | UUID | dt.date) and not isinstance(value, dt.datetime):
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "NULL" if value is None else escape(value)


def _identifiers(names: Iterable[str]) -> str:
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no identifier")
    return ", ".join(names)


async def _answer(waiting: Any, *, question: bool = False) -> Any:
    try:
        return await waiting
    except ChClientError as exc:
        raise _mapped(str(exc), question=question) from exc
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise DatabaseAwayError(why_away(exc)) from exc


def why_away(exc: Exception) -> str:
    """Return in words why there was no answer."""
    if isinstance(exc, aiohttp.ClientConnectorError):
        number = exc.os_error.errno or 0
        cause = os.strerror(number).lower() if number > 0 else str(exc.os_error)
        place = "the embedded engine" if isinstance(exc, UnixClientConnectorError) else f"{exc.host}:{exc.port}"
        return f"cannot connect to {place}: {cause}"
    if isinstance(exc, TimeoutError):
        return "ClickHouse does not answer in time"
    return f"ClickHouse does not answer: {str(exc) or type(exc).__name__}"


def _mapped(message: str, *, question: bool) -> DatabaseError:
    """Return the error of an answer; a question that is too large stays too large, an insert may fit later."""
    match = CODE.search(message)
    code = int(match[1]) if match else 0
    text = message.strip()[:2000]
    is_own = "(total)" not in text  # else it is the server whose memory others have used up
    if question and code in LIMITS and is_own:
        return QuestionLimitError(text, code)
    return DatabaseAwayError(text, code) if code in AWAY or not match else DatabaseError(text, code)


async def _unbroken(chunks: AsyncIterator[bytes], mark: bytes) -> AsyncIterator[bytes]:
    """Pass chunks on, a tail behind: a failed answer ends with ClickHouse's mark, its secret tag and the message."""
    tail = b""
    async for chunk in chunks:
        tail += chunk
        if mark != b"__exception__\r\n" and (at := tail.find(mark)) >= 0:
            rest = tail[at + len(mark) :] + b"".join([more async for more in chunks])
            raise _mapped(rest.decode(errors="replace"), question=True)
        keep = max(len(tail) - len(mark), 0)
        if keep:
            yield tail[:keep]
            tail = tail[keep:]
    yield tail
