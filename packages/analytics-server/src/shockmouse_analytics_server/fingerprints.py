"""What tells one device from another, as its sender has computed it.

Signals are stored as text, whatever they were; null is no signal. Of one device all events carry the same, so what was
read is kept for the next.
"""

from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.json import Decoder, encode

from .json_limits import decode_part

_CACHED_BYTES = 2048
_CACHED_FINGERPRINTS = 512


class Fingerprint(Struct, frozen=True, gc=False):
    """What tells one device from another, as its sender computed it; the signals are text."""

    hash: str = ""
    signals: dict[str, str] = {}


class _SentFingerprint(Struct):
    hash: Annotated[str, Meta(max_length=128)] = ""
    signals: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=1024)] | int | float | bool | None],
        Meta(max_length=128),
    ] = {}


_sent = Decoder(_SentFingerprint | None)
NO_FINGERPRINT = Fingerprint()


def read_fingerprint(text: bytes) -> Fingerprint:
    """Return an event's fingerprint.

    Raises RefusedError: it is not what the protocol says.
    """
    return _read_cached(text) if len(text) <= _CACHED_BYTES else _read(text)


def _read(text: bytes) -> Fingerprint:
    sent = decode_part(_sent, text, "fingerprint")
    if sent is None:
        return NO_FINGERPRINT
    return Fingerprint(sent.hash, {name: _as_text(value) for name, value in sent.signals.items() if value is not None})


_read_cached = lru_cache(_CACHED_FINGERPRINTS)(_read)


def _as_text(value: str | int | float | bool) -> str:
    return value if isinstance(value, str) else encode(value).decode()
