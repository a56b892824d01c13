"""Every setting of the client: its unit, its bounds and its default.

A setting is an argument of Analytics(), else the environment's SHOCKMOUSE_CLIENT_<NAME>, else the default. Switches are
`1`, `0`, `true` or `false` in the environment. The two that are no plain value, `before_send` and a sample rate per
event type, are arguments only.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from .errors import ConfigError
from .event import EventType, Privacy
from .temporary import temporary_folder

PREFIX = "SHOCKMOUSE_CLIENT_"

BOUNDS = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a string"}

Rate = Annotated[float, Meta(gt=0, le=1)]


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the client; each may come from SHOCKMOUSE_CLIENT_<NAME>."""

    write_key: Annotated[str, Meta(pattern=r"^$|^[!-~]{1,200}$")] = ""
    endpoint: str = "http://127.0.0.1:8000"
    privacy: Privacy = "balanced"
    sample_rate: Rate | dict[str, Rate] = 1.0
    flush_events: Annotated[int, Meta(ge=1, le=1000)] = 100
    flush_seconds: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    batch_bytes: Annotated[int, Meta(ge=1_000, le=1_000_000)] = 500_000
    queue_events: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    queue_bytes: Annotated[int, Meta(ge=100_000)] = 64 << 20
    offline: bool = True
    offline_bytes: Annotated[int, Meta(ge=1 << 20)] = 64 << 20
    offline_dir: str = ""
    retry_seconds: Annotated[float, Meta(gt=0, le=70 * 3600)] = 70 * 3600
    session_minutes: Annotated[float, Meta(gt=0, le=24 * 60)] = 30
    fingerprint_names: bool = False
    redact: Literal["none", "keys", "values"] = "keys"
    before_consent: Literal["collect", "queue", "drop"] = "collect"
    vitals_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    debug: bool = False
    enabled: bool = True

    @classmethod
    def load(cls, arguments: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        """Return the settings; an argument of None is none. Raises ConfigError, which names the setting."""
        known = set(cls.__struct_fields__)
        from_environ = {key.removeprefix(PREFIX).lower(): key for key in environ if key.startswith(PREFIX)}
        for name in sorted(set(arguments) - known):
            raise ConfigError(f"{name} is no setting of the client{_meant(name, [*known, 'before_send'])}")
        for name in sorted(set(from_environ) - known):
            raise ConfigError(f"{from_environ[name]} is no setting of the client{_meant(name, known, PREFIX)}")
        given: dict[str, Any] = {}
        for name in cls.__struct_fields__:
            value = arguments.get(name)
            if value is None and name in from_environ:
                given[name] = _convert(cls, name, environ[from_environ[name]], from_environ[name], strict=False)
            elif value is not None:
                given[name] = _convert(cls, name, value, name, strict=True)
        return cls(**given)._checked()

    def _checked(self) -> Self:
        if not _is_address(self.endpoint):
            raise ConfigError(f"endpoint is {self.endpoint!r}, but should be like https://stats.example.com")
        rated = self.sample_rate if isinstance(self.sample_rate, dict) else {}
        if unknown := sorted(set(rated) - set(get_args(EventType))):
            raise ConfigError(f"sample_rate names {unknown[0]!r}, which is no type of event")
        if self.enabled and not self.write_key:
            raise ConfigError(f"write_key is missing: give it or set {PREFIX}WRITE_KEY")
        if self.write_key and not self.write_key.startswith("wk_"):  # programs are given away with their keys
            raise ConfigError("write_key should begin with wk_: another may read or change a project, keep it secret")
        return self

    @property
    def project(self) -> str:
        """The middle part of the key: what a key belongs to."""
        parts = self.write_key.split("_")
        return parts[1] if len(parts) > 2 else self.write_key

    @property
    def queue_name(self) -> str:
        """The file name of the queue on disk: all clients that send to one project of one server share it."""
        destination = f"{self.endpoint.rstrip('/')}\n{self.project}"
        return f"queue-{hashlib.sha256(destination.encode()).hexdigest()[:16]}.sqlite"

    def state_dir(self) -> Path:
        """Return the folder of everything the client remembers; it need not exist."""
        if self.offline_dir:
            return Path(self.offline_dir).absolute()
        import platformdirs

        try:
            return platformdirs.user_state_path("shockmouse-analytics", appauthor=False)
        except (RuntimeError, KeyError, OSError):  # an account without a home
            return temporary_folder()


def _is_address(endpoint: str) -> bool:
    try:
        endpoint.encode()  # no halves of surrogate pairs, in which Python hides what is no text
        url = urlsplit(endpoint)
        has_server = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # nor half an IPv6 address, or a port that is no number
        return False
    is_one_word = endpoint.isprintable() and " " not in endpoint  # what urlsplit() would forgive
    return has_server and is_one_word and not url.query and not url.fragment


def _meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the question for the setting whose name is most like this one, spelled as in the environment if asked."""
    from difflib import get_close_matches  # for few programs, and once

    found = get_close_matches(name, sorted(known), n=1)
    return f": did you mean {prefix + found[0].upper() if prefix else found[0]}?" if found else ""


def _convert(cls: type[ClientConfig], name: str, value: object, called: str, *, strict: bool) -> Any:
    kind = cls.__annotations__[name]
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and not strict and kind is bool:
        value = value.strip().lower()
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as exc:
        shown = "" if name == "write_key" else f" {value!r}"
        raise ConfigError(f"{called}{shown}: must be {_wanted(kind, str(exc))}") from exc


def _wanted(kind: Any, problem: str) -> str:
    """Return what a setting of this kind should be, given msgspec's words for what it is not."""
    if choices := get_args(kind) if get_origin(kind) is Literal else ():
        return f"one of {', '.join(choices)}"
    if bound := re.search(r"([<>]=?) (\d+)", problem):
        return f"{BOUNDS[bound[1]]} {bound[2]}"
    if "matching" in problem:
        return "1 to 200 ASCII characters without spaces"
    expected = re.search(r"`(\w+)", problem)
    return KINDS[expected[1]] if expected and expected[1] in KINDS else problem.lower()
