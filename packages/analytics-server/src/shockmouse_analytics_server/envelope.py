"""A body's JSON taken apart: what it says about the batch, and each event's own bytes, not yet judged.

Shapes  {"events": [event, …], …}, a bare event, a bare list of events
Memory  a list is never longer in memory than a batch may be, whatever the body holds
Text    a lone surrogate (JavaScript's JSON.stringify writes them) spoils its event only: see _spoil_lone_surrogates
"""

from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, DecodeError, Meta, Raw, Struct, ValidationError
from msgspec.json import Decoder

from .errors import BodyError
from .json_limits import field_of
from .mismatch import LONE_SURROGATE, explain

ABSENT = Raw()
# A body of this size cannot hold so many values that a plain list of them would be large.
_SMALL_BYTES = 64 << 10

_Word = Annotated[str, Meta(max_length=64)]
_Events = TypeVar("_Events")


class Library(Struct, frozen=True):
    """The program that sent the batch."""

    name: _Word = ""
    version: _Word = ""


class Envelope(Struct, Generic[_Events]):
    """The batch as sent; a bare event's own fields are seen only to know it for one."""

    events: _Events | None = None
    batch_id: UUID | None = None
    sent_at: _Word | None = None
    library: Library | None = None
    context: Raw = ABSENT
    dropped: Raw = ABSENT
    event_id: Raw = ABSENT
    type: Raw = ABSENT
    timestamp: Raw = ABSENT
    key: Any = None
    write_key: Any = None


_small_batch = Decoder(Envelope[list[Raw]])
_small_list = Decoder(list[Raw])


def open_envelope(body: bytes, max_events: int) -> Envelope[list[Raw]]:
    """Return what the body says about the batch, and its events' bytes; there is at least one.

    Raises BodyError: 413 too many events, 400 anything else that makes the whole body useless.
    """
    try:
        envelope = _decode(body, max_events)
    except ValidationError as exc:
        raise _refusal(exc, body, max_events) from exc
    except RecursionError as exc:
        raise BodyError(400, "too_deep", "the body is nested too deeply") from exc
    except UnicodeDecodeError as exc:
        raise BodyError(400, "bad_text", "a text is not valid Unicode") from exc
    except DecodeError as exc:
        spoilt = _spoil_lone_surrogates(body)
        if spoilt == body:
            raise BodyError(400, "bad_json", explain(exc, body, Any, "the body")) from exc
        return open_envelope(spoilt, max_events)
    if not envelope.events:
        raise BodyError(400, "no_events", "the body holds no event")
    if len(envelope.events) > max_events:
        raise _too_many(max_events)
    return envelope


def _decode(body: bytes, max_events: int) -> Envelope[list[Raw]]:
    start = body.lstrip()[:1]
    if start == b"[":
        return Envelope(_decode_list(body, max_events))
    if start != b"{":
        raise BodyError(400, "bad_body", "the body must be a JSON object or list")
    envelope = _decode_object(body, max_events)
    if envelope.events is None and not (envelope.event_id is envelope.type is envelope.timestamp is ABSENT):
        return Envelope([Raw(body)], key=envelope.key, write_key=envelope.write_key)
    return envelope


def _decode_list(body: bytes, max_events: int) -> list[Raw]:
    if len(body) <= _SMALL_BYTES:
        return _small_list.decode(body)
    return _present(_bounded_list(max_events).decode(body))


def _decode_object(body: bytes, max_events: int) -> Envelope[list[Raw]]:
    if len(body) <= _SMALL_BYTES:
        return _small_batch.decode(body)
    return _list_events(_bounded_batch(max_events).decode(body))


@lru_cache(4)
def _bounded(most: int) -> type[Struct]:
    """Return a type that takes an array of at most so many members and refuses a longer one while it is read."""
    fields = [(f"member_{index}", Raw, UNSET) for index in range(most)]
    return msgspec.defstruct("Bounded", fields, array_like=True, forbid_unknown_fields=True)


@lru_cache(4)
def _bounded_list(most: int) -> Decoder[Struct]:
    return Decoder(_bounded(most))


@lru_cache(4)
def _bounded_batch(most: int) -> Decoder[Envelope[Struct]]:
    bounded: Any = _bounded(most)
    return Decoder(Envelope[bounded])


def _present(bounded: Struct) -> list[Raw]:
    return [member for member in msgspec.structs.astuple(bounded) if member is not UNSET]


def _list_events(envelope: Envelope[Struct]) -> Envelope[list[Raw]]:
    events = None if envelope.events is None else _present(envelope.events)
    others = {name: getattr(envelope, name) for name in Envelope.__struct_fields__ if name != "events"}
    return Envelope(events, **others)


def _spoil_lone_surrogates(body: bytes) -> bytes:
    """Return the body with a byte that is no UTF-8 for each half of a surrogate pair that stands alone.

    msgspec passes over such a byte where it only looks for an event's end, but not over the half; and refuses it where
    it reads the text: so the event is refused, and its neighbours are not.
    """
    return LONE_SURROGATE.sub(b"\xff", body.replace(rb"\\", rb"\u005c"))


def _refusal(error: ValidationError, body: bytes, max_events: int) -> BodyError:
    if "array` of at most" in str(error):
        return _too_many(max_events)
    return BodyError(400, f"bad_{field_of(error) or 'body'}", explain(error, body, Envelope[list[Raw]], "the body"))


def _too_many(max_events: int) -> BodyError:
    return BodyError(413, "too_many_events", f"more than {max_events} events in one batch")
