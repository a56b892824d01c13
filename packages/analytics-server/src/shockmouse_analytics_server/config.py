"""Every setting of the server: a flag, else SHOCKMOUSE_<NAME>, else the default.

An unknown name or a bad value is an error that names it. SHOCKMOUSE_CLIENT_… and SHOCKMOUSE_TEST_… belong to others.
"""

import difflib
import functools
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta, inspect

from .errors import ConfigError

PREFIX = "SHOCKMOUSE_"
FOREIGN_PREFIXES = ("SHOCKMOUSE_CLIENT_", "SHOCKMOUSE_TEST_")

Days = Annotated[int, Meta(ge=0, le=65_535)]
Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
RoutePath = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_.~/-]{1,127}$")]


def default_data_dir() -> Path:
    return platformdirs.user_data_path("shockmouse-analytics", appauthor=False)


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the server, each with what it means, its unit and its bounds: the one list, `--help` shows it."""

    host: Annotated[str, Meta(min_length=1, max_length=255, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port to listen on; 0 takes a free one")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="HTTP worker processes")] = 1
    data_dir: Annotated[Path, Meta(description="folder of all that the node keeps")] = msgspec.field(
        default_factory=default_data_dir
    )
    clickhouse_url: Annotated[
        str | None, Meta(description="http:// or https:// address of a ClickHouse server; unset is the embedded engine")
    ] = None
    clickhouse_user: Annotated[str | None, Meta(description="the server's user")] = None
    clickhouse_password: Annotated[
        str | None, Meta(description="that user's password; better as a variable, everybody sees arguments")
    ] = None
    clickhouse_database: Annotated[Identifier, Meta(description="the database's name")] = "shockmouse"
    clickhouse_cluster: Annotated[Identifier | None, Meta(description="the cluster's name; unset is one server")] = None
    spool_max_bytes: Annotated[
        int, Meta(ge=1 << 20, description="bytes that may wait for ClickHouse; beyond them senders are answered 503")
    ] = 10 << 30
    max_body_bytes: Annotated[int, Meta(ge=1 << 10, le=64 << 20, description="bytes of a request's body")] = 1 << 20
    max_inflated_bytes: Annotated[
        int, Meta(ge=1 << 10, le=256 << 20, description="bytes of a gzipped body, unpacked")
    ] = 5 << 20
    max_batch_events: Annotated[int, Meta(ge=1, le=100_000, description="events of one request")] = 1000
    max_event_bytes: Annotated[int, Meta(ge=1 << 10, le=1 << 20, description="bytes of one event")] = 64 << 10
    rate_limit_events_per_second: Annotated[
        float, Meta(ge=0, description="events a second of one write key and worker; beyond them 429; 0 is off")
    ] = 0.0
    retention_days: Annotated[Days, Meta(description="days that a new project keeps events; 0 is for ever")] = 395
    rollup_retention_days: Annotated[
        Days, Meta(description="days that a new project keeps counts, longer than events; 0 is for ever")
    ] = 0
    agent_path: Annotated[RoutePath, Meta(description="a further path of the browser script")] = "/agent.js"
    events_path: Annotated[RoutePath, Meta(description="a further path that takes events")] = "/v1/events"
    ip_anonymization: Annotated[
        Literal["truncate", "drop", "keep"], Meta(description="what a new project keeps of visitors' addresses")
    ] = "truncate"
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="addresses or networks, by commas, whose X-Forwarded-For is believed")
    ] = ("127.0.0.1", "::1")
    geoip_database: Annotated[
        Path | None, Meta(description="an MMDB file with countries; unset is the table of the extra `geo`")
    ] = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="the least that is logged")] = (
        "info"
    )
    log_format: Annotated[Literal["text", "json"], Meta(description="json is for machines")] = "text"


FIELDS = {field.name: field for field in msgspec.structs.fields(ServerConfig)}


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> ServerConfig:
    """Return the settings; a flag that is None was not given.

    Raises ConfigError: an unknown variable, or a value that does not fit; it names the flag or variable.
    """
    for name in environ:
        if name.startswith(PREFIX) and not name.startswith(FOREIGN_PREFIXES) and variable_field(name) not in FIELDS:
            near = difflib.get_close_matches(name.upper(), map(variable_name, FIELDS), n=1)
            advice = f"did you mean {near[0]}?" if near else "see `shockmouse-analytics-server serve --help`"
            raise ConfigError(f"{name} is not a setting; {advice}")
    given: dict[str, Any] = {}
    for name in FIELDS:
        flag, value = flags.get(name), environ.get(variable_name(name))
        if flag is not None:
            given[name] = read_value(flag_name(name), name, flag)
        elif value is not None:
            given[name] = read_value(variable_name(name), name, value)
    return ServerConfig(**given)


def variable_name(field: str) -> str:
    return PREFIX + field.upper()


def variable_field(variable: str) -> str:
    """Return the field a variable sets; names in other than upper case set none."""
    name = variable.removeprefix(PREFIX)
    return name.lower() if name.isupper() else ""


def flag_name(field: str) -> str:
    return "--" + field.replace("_", "-")


def read_value(source: str, name: str, text: str) -> Any:
    """Return the text as the field's type; an empty text unsets an optional setting.

    Raises ConfigError: the text is no such value; `source` is named.
    """
    if text == "" and FIELDS[name].default is None:
        return None
    raw: Any = [part.strip() for part in text.split(",") if part.strip()] if name == "trusted_proxies" else text
    try:
        value = msgspec.convert(raw, FIELDS[name].type, strict=False, dec_hook=read_path)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{source}: {text!r} is not {wanted(name)}") from exc
    problem = CHECKS[name](value) if name in CHECKS else None
    if problem:
        raise ConfigError(f"{source}: {problem}")
    return value


def wanted(name: str) -> str:
    """Return in words what values the setting takes."""
    for one in kinds_of(name):
        match one:
            case inspect.LiteralType():
                return f"one of {', '.join(map(str, one.values))}"
            case inspect.IntType() | inspect.FloatType():
                number = "a whole number" if isinstance(one, inspect.IntType) else "a number"
                return f"{number} {f'of at least {one.ge}' if one.le is None else f'from {one.ge} to {one.le}'}"
            case inspect.StrType(pattern=str(pattern)) if pattern.startswith("^/"):
                return "a path such as /a.js: a / and then at most 127 letters, digits and _.~/-"
            case inspect.StrType(pattern=str()):
                return "a name of at most 64 letters, digits and _, not first a digit"
            case inspect.StrType():
                return f"a text of {one.min_length or 0} to {one.max_length} characters"
    return "a path"


def kinds_of(name: str) -> tuple[inspect.Type, ...]:
    """Return the types that the setting's value may have."""
    kind = inspect.type_info(FIELDS[name].type)
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


@functools.cache  # each command's parser asks for all of them
def meaning_of(name: str) -> str:
    """Return in words what the setting is, with its unit."""
    told = inspect.type_info(FIELDS[name].type)
    schema = told.extra_json_schema if isinstance(told, inspect.Metadata) else None
    return str((schema or {})["description"])


@functools.cache
def shape_of(name: str) -> str:
    """Return the word that stands for the setting's value in a command line."""
    for one in kinds_of(name):
        match one:
            case inspect.LiteralType():
                return "|".join(map(str, one.values))
            case inspect.IntType() | inspect.FloatType():
                return "N"
            case inspect.StrType():
                return "TEXT"
            case inspect.VarTupleType():
                return "LIST"
    return "PATH"


def read_path(kind: type, value: Any) -> Path:
    if not issubclass(kind, Path) or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("Expected a path")
    return Path(value).expanduser().absolute()


def check_url(url: str) -> str | None:
    """Name what is wrong with the address of a ClickHouse server; None is a good one."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits:
        return "expected http://HOST:PORT or https://HOST:PORT"
    if parts.username or parts.password:
        return "user and password have settings of their own: clickhouse-user, clickhouse-password"
    return None


def check_proxies(proxies: tuple[str, ...]) -> str | None:
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            return f"{proxy!r} is not an address or network such as 10.0.0.0/8"
    return None


def check_file(path: Path) -> str | None:
    return None if path.is_file() else f"there is no file {path}"


def check_route(path: str) -> str | None:
    """Refuse a further name that hides a route of our own, or that a proxy would rewrite."""
    if re.match(r"^/(api|static|session|data-health|sign-in|sign-out|healthz|readyz|metrics|openapi\.json)(/|$)", path):
        return f"{path} is taken by the server itself"
    if "//" in path or re.search(r"/\.{1,2}(/|$)", path):
        return f"{path} has empty or dotted parts"
    return None


CHECKS: dict[str, Any] = {
    "clickhouse_url": check_url,
    "trusted_proxies": check_proxies,
    "geoip_database": check_file,
    "agent_path": check_route,
    "events_path": check_route,
}


def to_environ(config: ServerConfig) -> dict[str, str]:
    """Return the variables from which `load` makes the same settings: how child processes are told."""
    values = {name: getattr(config, name) for name in FIELDS}
    return {variable_name(name): written(value) for name, value in values.items() if value is not None}


def written(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def has_data(path: Path) -> bool:
    """Tell whether a server was ever started on the folder.

    Raises ConfigError: it cannot be read.
    """
    try:
        return path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as exc:
        raise ConfigError(f"the data folder {path} cannot be read: {exc.strerror}") from exc


def check_data(path: Path) -> None:
    """Raise ConfigError when the folder has no data: a mistyped one is no new one."""
    if not has_data(path):
        raise ConfigError(f"there is no data in {path}: give --data-dir as serve has it")


def prepare_data_dir(path: Path) -> None:
    """Make the data folder, for its owner alone.

    Raises ConfigError: it cannot be made or written to.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"the data folder {path} is a file: give --data-dir another")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(f"the data folder {path} cannot be made: {exc.strerror}") from exc
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"the data folder {path} is not ours to write: change its owner or give --data-dir")
