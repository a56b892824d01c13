"""Free-form JSON objects made storable: within limits, each key once, texts and numbers that ClickHouse takes.

Limits  32 levels, the object itself counted; 512 keys, keys of 256 bytes, strings of 16 KiB, integers of 64 bits
Result  the object decoded in full and encoded again, so that of repeated keys the last stands, alone
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from msgspec import DecodeError, Meta, Raw, ValidationError
from msgspec.json import Decoder, Encoder

from .mismatch import explain

MAX_DEPTH = 32
MAX_KEYS = 512
MAX_KEY_BYTES = 256
MAX_STRING_BYTES = 16 << 10
MIN_INTEGER = -(1 << 63)
MAX_INTEGER = (1 << 64) - 1
EMPTY_OBJECT = Raw(b"{}")

# A flat object of short keys and plain values is decoded and checked in one go. A character takes at most four bytes.
_Key = Annotated[str, Meta(max_length=MAX_KEY_BYTES // 4)]
_Plain = (
    Annotated[str, Meta(max_length=MAX_STRING_BYTES // 4)]
    | Annotated[int, Meta(ge=MIN_INTEGER, le=(1 << 63) - 1)]
    | float
    | bool
    | None
)
_flat = Decoder(dict[_Key, _Plain | list[_Plain]] | None)
_any = Decoder(dict[str, Any])
_encode = Encoder().encode
_FIELD = re.compile(r"(?:`\$\.|required field `)(\w+)")
_T = TypeVar("_T")


class RefusedError(Exception):
    """A value breaks a rule of the protocol; the event that holds it is rejected."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def decode_part(decoder: Decoder[_T], raw: Raw | bytes, field: str) -> _T:
    """Return what the decoder makes of one part of an event.

    Raises RefusedError: it is not what the protocol says; the code is `bad_` and the field's name, or of an event
    that of its member.
    """
    try:
        return decoder.decode(raw)
    except ValidationError as exc:
        member = (field_of(exc) if field == "event" else "") or field
        code = "bad_number" if "out of range" in str(exc) else f"bad_{member}"
        prefix = "" if field == "event" else field
        raise RefusedError(code, explain(exc, raw, decoder.type, f"the {field}", prefix=prefix)) from exc
    except UnicodeDecodeError as exc:
        raise RefusedError("bad_text", f"{field}: a text is not valid Unicode") from exc
    except DecodeError as exc:
        raise RefusedError("bad_json", explain(exc, raw, decoder.type, field)) from exc
    except RecursionError as exc:
        raise _too_deep(field) from exc


def field_of(error: ValidationError) -> str:
    """Return the name of the member that msgspec refused, empty when it was the whole."""
    found = _FIELD.search(str(error))
    return found[1] if found else ""


def normalise(raw: Raw | bytes, field: str) -> tuple[Raw, int]:
    """Return the object as it is stored, and how many keys it has at all levels; null is an empty one.

    Raises RefusedError: not an object, or over a limit.
    """
    try:
        value: dict[str, Any] = _flat.decode(raw) or {}
        keys = len(value)
    except (DecodeError, UnicodeDecodeError):
        value = decode_part(_any, raw, field)
        keys = _walk(value, field)
    return Raw(_encode(value)), keys


def check_keys(count: int) -> None:
    """Pass when an event's objects have few enough keys together."""
    if count > MAX_KEYS:
        raise RefusedError("too_many_keys", f"{count} keys, {MAX_KEYS} allowed")


def _walk(root: dict[str, Any], field: str) -> int:
    """Return the number of keys below root; every limit but their number is checked."""
    keys = 0
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            values = container
            if isinstance(container, dict):
                keys += len(container)
                _check_names(container, field)
                values = container.values()
            _check_values(values, field, below)
        if not below:
            return keys
        level = below
    raise _too_deep(field)


def _check_names(names: Iterable[str], field: str) -> None:
    for name in names:
        if len(name) * 4 > MAX_KEY_BYTES and len(name.encode()) > MAX_KEY_BYTES:
            raise RefusedError("too_large", f"{field}: a key of {len(name.encode())} bytes, {MAX_KEY_BYTES} allowed")


def _check_values(values: Iterable[Any], field: str, below: list[Any]) -> None:
    for value in values:
        if isinstance(value, dict | list):
            below.append(value)
        elif isinstance(value, str):
            if len(value) * 4 > MAX_STRING_BYTES and len(value.encode()) > MAX_STRING_BYTES:
                size = len(value.encode())
                raise RefusedError("too_large", f"{field}: a string of {size} bytes, {MAX_STRING_BYTES} allowed")
        elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
            raise RefusedError("bad_number", f"{field}: an integer of more than 64 bits; send it as text")


def _too_deep(field: str) -> RefusedError:
    return RefusedError("too_deep", f"{field}: nested deeper than {MAX_DEPTH} levels")
