"""The accepted body of `POST /v1/events` and its limits: the authority on the protocol.

Body    {"batch_id", "sent_at", "library", "context", "dropped", "events": […]}, or one bare event, or a bare list
Event   event_id, type and timestamp are required, name for `track`; unknown fields are ignored
Verdict a bad event becomes a Rejection with a code and never hurts its neighbours; a body of no use is a BodyError
Promise whatever decode() accepts can be stored: ClickHouse never refuses a row made of it
"""

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from unicodedata import category
from uuid import UUID

from msgspec import DecodeError, Meta, Raw, Struct
from msgspec.json import Decoder

from .body import check_headers, plain_bytes
from .contexts import Context, excess_bytes, read_context
from .envelope import ABSENT, Envelope, Library, open_envelope
from .errors import BodyError
from .fingerprints import NO_FINGERPRINT, Fingerprint, read_fingerprint
from .json_limits import EMPTY_OBJECT, RefusedError, check_keys, decode_part, normalise
from .times import parse_time

EventType = Literal[
    "track", "page", "screen", "click", "form", "performance", "error", "identify", "group", "alias", "consent"
]
Privacy = Literal["", "strict", "balanced", "full"]
# What a row of these modes must not name: addresses and user agents tell too much of a person.
DISCREET = frozenset({"strict", "balanced"})


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one request."""

    max_body_bytes: int = 1 << 20
    max_inflated_bytes: int = 5 << 20
    max_batch_events: int = 1000
    max_event_bytes: int = 64 << 10


class Rejection(Struct, frozen=True):
    """One refused event: its place in the batch, its id where it has one, and why."""

    index: int
    event_id: str | None
    code: str
    reason: str


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One valid event; what the sender left out is empty."""

    event_id: str
    type: str
    name: str
    timestamp: str
    at: datetime
    session_id: str
    session_started_at: datetime | None
    device_id: str
    user_id: str
    privacy: str
    sample_rate: float
    boot_id: str
    seq: int
    fingerprint: Fingerprint
    user_properties: Raw
    properties: Raw
    context: Context


class Batch(Struct, frozen=True, kw_only=True):
    """One request's events, each valid, and the verdicts on those that were not.

    digest: over all event ids in order, so that a batch that comes again is told from one that reuses its id.
    keys: write keys that stand in the body itself; at most one.
    """

    batch_id: UUID
    digest: bytes
    sent_at: datetime | None
    library: Library
    events: tuple[Event, ...]
    rejected: tuple[Rejection, ...]
    duplicates: int
    dropped: dict[str, int]
    keys: frozenset[str]


MAX_DROPPED_BYTES = 4096
_Word = Annotated[str, Meta(max_length=64)]


class _SentEvent(Struct, gc=False):
    """What the sender's JSON may look like; a field that fails gives the code: `bad_` and its name."""

    event_id: str
    type: EventType
    timestamp: _Word
    name: Annotated[str, Meta(max_length=255)] = ""
    session_id: _Word = ""
    session_started_at: _Word | None = None
    device_id: _Word = ""
    user_id: Annotated[str, Meta(max_length=256)] = ""
    privacy: Privacy = ""
    # A smaller rate would let one event count as millions.
    sample_rate: Annotated[float, Meta(ge=1e-6, le=1)] = 1.0
    boot_id: _Word = ""
    seq: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    fingerprint: Raw = ABSENT
    user_properties: Raw = ABSENT
    properties: Raw = ABSENT
    context: Raw = ABSENT
    key: Any = None
    write_key: Any = None


class _Identified(Struct):
    event_id: Any = None


_event = Decoder(_SentEvent)
_identified = Decoder(_Identified)
_Counts = Annotated[dict[_Word, Annotated[int, Meta(ge=0, le=1 << 53)]], Meta(max_length=64)]
_dropped: Decoder[dict[str, int]] = Decoder(_Counts)
_is_uuid = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# What programs write where an id is missing; as an id it would join strangers into one visitor.
_PLACEHOLDERS = frozenset({"null", "undefined", "none", "nil", "nan", "[object object]", "true", "false"})


def decode(body: bytes, content_type: str, content_encoding: str, limits: Limits) -> Batch:
    """Return the batch in a request's body, with a verdict on every event.

    Raises BodyError: nothing in the body is of use; its status, code and reason are the answer.
    """
    check_headers(content_type, content_encoding)
    if len(body) > limits.max_body_bytes:
        raise BodyError(413, "too_large", f"the body is larger than {limits.max_body_bytes} bytes")
    envelope = open_envelope(plain_bytes(body, content_encoding, limits.max_inflated_bytes), limits.max_batch_events)
    return _judge(envelope, _batch_context(envelope, limits), limits)


def _judge(envelope: Envelope[list[Raw]], context: bytes, limits: Limits) -> Batch:
    events: dict[str, Event] = {}
    rejected: list[Rejection] = []
    ids: list[str] = []
    keys = _keys(envelope)
    for index, raw in enumerate(envelope.events or ()):
        try:
            event = _read_event(raw, context, limits, keys)
        except RefusedError as exc:
            rejected.append(Rejection(index, _event_id(raw), exc.code, exc.reason[:200]))
            ids.append(rejected[-1].event_id or "")
        else:
            ids.append(event.event_id)
            events.setdefault(event.event_id, event)
    if len(keys) > 1:
        raise BodyError(400, "two_keys", "the body names two write keys; a batch belongs to one project")
    digest = hashlib.sha256("\n".join(ids).encode()).digest()
    return Batch(
        batch_id=envelope.batch_id or UUID(bytes=digest[:16], version=5),
        digest=digest,
        sent_at=_batch_time(envelope.sent_at),
        library=envelope.library or Library(),
        events=tuple(events.values()),
        rejected=tuple(rejected),
        duplicates=len(ids) - len(rejected) - len(events),
        dropped=_read_dropped(envelope.dropped),
        keys=frozenset(keys),
    )


def _read_event(raw: Raw, defaults: bytes, limits: Limits, keys: set[str]) -> Event:
    sent = _decode_event(raw, limits)
    if sent.key or sent.write_key:
        keys |= _keys(sent)
    event_id = sent.event_id.lower()
    if not _is_uuid(event_id):
        raise RefusedError("bad_event_id", "event_id: not a UUID")
    if _is_blank(sent.name):
        _check_nameless(sent)
    if sent.device_id or sent.session_id or sent.user_id:
        _check_ids(sent)
    user_properties, user_keys = _read_object(sent.user_properties, "user_properties")
    properties, own_keys = _read_object(sent.properties, "properties")
    context = _read_context(defaults, sent.context)
    check_keys(user_keys + own_keys + context.keys)
    return Event(
        event_id=event_id,
        type=sent.type,
        name=sent.name,
        timestamp=sent.timestamp,
        at=_event_time(sent.timestamp, "timestamp"),
        session_id=sent.session_id,
        session_started_at=_event_time(sent.session_started_at, "session_started_at")
        if sent.session_started_at is not None
        else None,
        device_id=sent.device_id,
        user_id=sent.user_id,
        privacy=sent.privacy,
        sample_rate=sent.sample_rate,
        boot_id=sent.boot_id,
        seq=sent.seq,
        fingerprint=NO_FINGERPRINT if sent.fingerprint is ABSENT else read_fingerprint(bytes(sent.fingerprint)),
        user_properties=user_properties,
        properties=properties,
        context=context,
    )


def _decode_event(raw: Raw, limits: Limits) -> _SentEvent:
    sent = decode_part(_event, raw, "event")
    size = len(memoryview(raw))
    if size > limits.max_event_bytes and size - _excess(sent.context) > limits.max_event_bytes:
        raise RefusedError("too_large", f"the event has {size} bytes, {limits.max_event_bytes} allowed")
    return sent


def _excess(context: Raw) -> int:
    return 0 if context is ABSENT else excess_bytes(context)


def _keys(sent: _SentEvent | Envelope[list[Raw]]) -> set[str]:
    return {key for key in (sent.key, sent.write_key) if isinstance(key, str) and key.startswith("wk_")}


@lru_cache(1024)
def _is_blank(name: str) -> bool:
    return all(category(character) in _INVISIBLE for character in name)


def _check_nameless(sent: _SentEvent) -> None:
    if sent.type == "track" or sent.name:
        raise RefusedError("bad_name", "name: without any visible character" if sent.name else "name: empty")


def _check_ids(sent: _SentEvent) -> None:
    for field, text in (("device_id", sent.device_id), ("session_id", sent.session_id), ("user_id", sent.user_id)):
        # Real ids are mostly longer than every placeholder.
        if text and (text.isspace() or (len(text) <= 15 and text.lower() in _PLACEHOLDERS)):
            raise RefusedError(f"bad_{field}", f"{field}: {text.strip()!r} stands for no id; leave the field out")


def _read_object(raw: Raw, field: str) -> tuple[Raw, int]:
    if raw is ABSENT:
        return EMPTY_OBJECT, 0
    return normalise(raw, field)


def _event_time(text: str, field: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as exc:
        raise RefusedError(f"bad_{field}", f"{field}: {exc}") from exc


def _read_context(defaults: bytes, own: Raw) -> Context:
    text = b"" if own is ABSENT else bytes(own)
    return read_context(defaults, b"" if text == b"null" else text)


def _event_id(raw: Raw) -> str | None:
    try:
        event_id = _identified.decode(raw).event_id
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event_id if isinstance(event_id, str) and len(event_id) <= 64 else None


def _batch_context(envelope: Envelope[list[Raw]], limits: Limits) -> bytes:
    """Return the defaults for every event's context, known to be readable by themselves."""
    text = b"" if envelope.context is ABSENT else bytes(envelope.context)
    if text in (b"", b"null"):
        return b""
    try:
        if len(text) - excess_bytes(envelope.context) > limits.max_event_bytes:
            raise RefusedError("too_large", f"context: more than {limits.max_event_bytes} bytes")
        check_keys(read_context(text, b"").keys)
    except RefusedError as exc:
        raise BodyError(400, exc.code, exc.reason) from exc
    return text


def _batch_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as exc:
        raise BodyError(400, "bad_sent_at", f"sent_at: {exc}") from exc


def _read_dropped(raw: Raw) -> dict[str, int]:
    if raw is ABSENT or bytes(raw) == b"null":
        return {}
    if len(memoryview(raw)) > MAX_DROPPED_BYTES:
        raise BodyError(400, "bad_dropped", f"dropped: more than {MAX_DROPPED_BYTES} bytes")
    try:
        return decode_part(_dropped, raw, "dropped")
    except RefusedError as exc:
        raise BodyError(400, exc.code, exc.reason) from exc
