"""One request in ClickHouse's HTTP protocol, and how a connection of the engine carries it out.

Statement  the parameter `query` with the body after it, or the body alone; after an INSERT in `query` the body is rows
Parameters `database`, `default_format`, `param_*`; every other one is a setting of this request only
Read only  a request with `readonly` reads tables and nothing else: the engine itself refuses what writes and what
           reaches other hosts; what it would still allow of this machine's files is refused here
"""

import re
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

# Formats whose blocks follow each other without head or foot; others are answered whole.
STREAMED = frozenset(
    {"JSONEachRow", "JSONCompactEachRow", "CSV", "TabSeparated", "TSV", "Native", "RowBinary", "LineAsString"}
)
# Formats whose bytes cannot follow the statement.
BINARY = frozenset({"Native", "Parquet", "RowBinary", "Arrow", "ArrowStream", "ORC"})
RESERVED = frozenset({"query", "database", "default_format", "query_id", "user", "password", "wait_end_of_query"})
RESERVED |= {"buffer_size", "enable_http_compression", "compress", "decompress"}
# chDB is made for one person at a machine; in a server nobody is asked for these.
SETTINGS = {"implicit_select": "0", "allow_introspection_functions": "0"}
FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
INSERT = re.compile(r"\s*insert\s", re.IGNORECASE)
BLANK = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
SELECT = re.compile(rf"{BLANK}\(?\s*(?:select|with)\b", re.IGNORECASE | re.DOTALL)
READS = re.compile(rf"{BLANK}\(?\s*(?:select|with|explain|show|describe|desc|exists)\b", re.IGNORECASE | re.DOTALL)
FILES = re.compile(rf"""\bfile[`"]?{BLANK}\(|\bpython[`"]?{BLANK}\(|\boutfile\b""", re.IGNORECASE | re.DOTALL)
SETTING = re.compile(r"[a-z][a-z0-9_]*")
CODE = re.compile(r"Code: (\d+)\. DB::")


class Request(NamedTuple):
    """One statement with everything that belongs to it."""

    sql: str
    body: bytes
    upload: str
    format: str
    database: str
    params: dict[str, str]
    settings: dict[str, str]


def is_upload(query: Mapping[str, str]) -> bool:
    """Tell whether the body is rows of a format that must go through a file."""
    given = FORMAT.search(query.get("query", ""))
    return bool(given and given[1] in BINARY and INSERT.match(query["query"]))


def read_request(query: Mapping[str, str], headers: Mapping[str, str], body: bytes, upload: str = "") -> Request:
    """Return what is asked; `upload` names the file that has the body instead.

    Raises ValueError: it is not a request that this engine can carry out; the text is ClickHouse's kind of error.
    """
    sql, rows = query.get("query", ""), body
    if not (sql and body and INSERT.match(sql)):
        sql, rows = "\n".join(filter(None, (sql, body.decode(errors="replace")))), b""
    given = FORMAT.search(sql)
    default = query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    settings = {name: text for name, text in query.items() if name not in RESERVED and not name.startswith("param_")}
    if not all(map(SETTING.fullmatch, settings)):
        raise ValueError("Code: 115. DB::Exception: a setting's name is lower case (UNKNOWN_SETTING)")
    if settings.get("readonly", "0") != "0" and (rows or upload or not READS.match(sql) or FILES.search(sql)):
        raise ValueError("Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)")
    return Request(
        sql=sql[: given.start()] if upload and given else sql,
        body=rows,
        upload=upload,
        format=given[1] if given else default,
        database=query.get("database") or headers.get("X-ClickHouse-Database") or "default",
        params={name.removeprefix("param_"): text for name, text in query.items() if name.startswith("param_")},
        settings=settings,
    )


def is_reading(request: Request) -> bool:
    """Tell whether it leaves a connection as it was."""
    return SELECT.match(request.sql) is not None and not request.body and not request.upload


def carry_out(connection: Any, request: Request) -> Generator[bytes, None, None]:
    """Yield the answer's bytes; the connection is prepared for the request.

    Rows never go through chDB's send_insert(): it says nothing when a view behind the table has failed.
    """
    if request.upload:
        rows = f"select * from file({_quoted(request.upload)}, {_quoted(request.format)})"  # noqa: S608 # ours
        connection.query(f"{request.sql} {rows}", "TabSeparated")
    elif request.body:
        connection.query(request.sql.encode() + b"\n" + request.body, "TabSeparated")
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
    settings = {**SETTINGS, **request.settings}
    readonly = settings.pop("readonly", "0")
    texts = [f"{setting} = {_quoted(text)}" for setting, text in settings.items()]
    texts += [f"readonly = {_quoted(readonly)}"] if readonly != "0" else []
    connection.query(f"set {', '.join(texts)}", "TabSeparated")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def exception_text(message: str) -> str:
    """Return the message from ClickHouse's code on."""
    match = CODE.search(message)
    return message[match.start() :] if match else f"Code: 1002. DB::Exception: {message}"


def exception_code(text: str) -> int:
    """Return the number in such a text."""
    match = CODE.search(text)
    return int(match[1]) if match else 1002
