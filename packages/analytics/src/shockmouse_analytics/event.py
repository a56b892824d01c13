"""Events and batches as they travel; `POST /v1/events` of the server is the authority on the protocol.

Event     one JSON object; made and encoded at track(), completed in the background with what needs the disk
Batch     its content is cut and compressed once: `{"library":…,"context":…,"events":[…]`; each attempt puts a fresh end
          to it: `,"batch_id":…,"sent_at":…,"dropped":…}` so that the server can correct a wrong clock. What a browser
          says that it has dropped stands at the beginning of its batch, `{"dropped":…,"library":…`, and counts once
          with it, whatever process sends it; the counts of a process go with a batch that has none
Ids       UUIDv7: 48 bits of milliseconds, 26 random bits of the process, and 48 bits of a counter that starts at
          random; unique within a process by the counter, between processes by 66 random bits
"""

import itertools
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from .gzip_member import append, first, pack, unpack

Privacy = Literal["strict", "balanced", "full"]
EventType = Literal[
    "track", "page", "screen", "click", "form", "performance", "error", "identify", "group", "alias", "consent"
]

MAX_EVENT_BYTES = 64 * 1024
MAX_BATCH_EVENTS = 1000
MAX_NAME_CHARACTERS = 255
MAX_USER_ID_CHARACTERS = 256
REDACTED = "[redacted]"  # in the place of a value that looks like a secret

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_TELLING = b'{"dropped":'
# What programs write where an id is missing; as an id it would join strangers into one visitor.
_PLACEHOLDERS = frozenset({"null", "undefined", "none", "nil", "nan", "[object object]", "true", "false"})


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that happened, as `before_send` sees it; `msgspec.structs.replace` makes a changed one.

    >>> event = Event(event_id="0190…", type="track", timestamp=datetime(2026, 1, 1), name="Exported", user_id="ann")
    >>> msgspec.structs.replace(event, user_id=None).user_id is None
    True
    """

    event_id: str
    type: EventType
    timestamp: datetime
    name: str | None = None
    boot_id: str | None = None
    seq: int | None = None
    session_id: str | None = None
    session_started_at: datetime | None = None
    device_id: str | None = None
    user_id: str | None = None
    privacy: Privacy | None = None
    sample_rate: float = 1.0
    fingerprint: Mapping[str, Any] | None = None
    user_properties: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Event).decode


class Boot:
    """One run of a process: its id, the sequence numbers of its events, and their ids."""

    def __init__(self) -> None:
        self._counter = itertools.count(1)
        self._start = int.from_bytes(os.urandom(5))  # 40 of 48 bits: room to count
        random = int.from_bytes(os.urandom(4))
        self._process = f"-{0x7000 | random >> 20:04x}-{0x8000 | random & 0x3FFF:04x}-"
        self._last = (-1, "")  # a millisecond, and how the ids of its events begin
        self.id = self.event_id(int(time.time() * 1000), 0)

    def next(self) -> int:
        """Return the next sequence number: 1, 2, 3…; safe from any thread."""
        return next(self._counter)

    def event_id(self, unix_ms: int, seq: int) -> str:
        """Return the UUIDv7 of the event with this sequence number."""
        last_ms, beginning = self._last
        if last_ms != unix_ms:
            ms = unix_ms.to_bytes(6).hex()
            beginning = f"{ms[:8]}-{ms[8:]}{self._process}"
            self._last = (unix_ms, beginning)
        return beginning + (self._start + seq).to_bytes(6).hex()


def is_visible(name: str) -> bool:
    """Return whether one of its characters at least can be seen; the server refuses other names."""
    if name.isprintable():
        return not name.isspace()
    from unicodedata import category  # for few names

    return any(category(character) not in _INVISIBLE for character in name)


class Batch(Struct, frozen=True, kw_only=True):
    """The events of one request; neither id nor content, one gzip member, ever changes."""

    id: str
    content: bytes
    events: int


class _Events(Struct):
    events: list[Raw]


class _Content(_Events):
    library: Raw
    context: Raw
    dropped: Raw = Raw()


def cut_batch(batch_id: str, head: bytes, events: Sequence[bytes]) -> Batch:
    """Return the batch of these encoded events; `head` is what encode_head() returned."""
    parts = list(events) or [b""]
    parts[0] = b'{%b"events":[%b' % (head, parts[0])
    parts[-1] += b"]"
    return Batch(id=batch_id, content=pack(b",".join(parts)), events=len(events))  # copied once only


def encode_head(library: Mapping[str, str], context: Mapping[str, Any], dropped: Mapping[str, int] = {}) -> bytes:
    """Return the part of a batch before its events: who sends it, and defaults of every event's context.

    `dropped` counts by reason what that sender could not keep.
    """
    told = b'"dropped":%b,' % encode(dropped) if dropped else b""
    return b'%b"library":%b,"context":%b,' % (told, encode(library), encode(context))


def is_packed(content: object, events: object) -> bool:
    """Return whether this is a batch's content, with so many events; damage may have put anything in its place."""
    try:
        return len(msgspec.json.decode(unpack(content) + b"}", type=_Events).events) == events  # type: ignore[arg-type]
    except (zlib.error, msgspec.DecodeError, TypeError):
        return False


def is_joined(content: object, events: object) -> bool:
    """Return the same of a text in which encoded events are joined by commas."""
    try:
        return len(split(content)) == events  # type: ignore[arg-type]
    except (msgspec.DecodeError, TypeError):
        return False


def tells_of_drops(batch: Batch) -> bool:
    """Return whether the batch itself says what its sender dropped."""
    return first(batch.content, len(_TELLING)) == _TELLING


def encode_body(batch: Batch, sent_at: datetime, dropped: Mapping[str, int]) -> bytes:
    """Return the body of one attempt, gzipped; `dropped` counts by reason what this process could not keep.

    There is room for that only in a batch that does not tell of drops.
    """
    told = b',"dropped":%b' % encode(dropped) if dropped else b""
    return append(batch.content, b',"batch_id":"%b","sent_at":%b%b}' % (batch.id.encode(), encode(sent_at), told))


def stands_for_no_id(text: str) -> bool:
    """Return whether a program wrote this where it had no id; the server refuses it."""
    return text.isspace() or text.lower() in _PLACEHOLDERS


class _Told(Struct):
    user_id: str | None = None
    type: str = ""
    timestamp: Any = None
    properties: Raw = Raw(b"{}")


class _Previous(Struct):
    previous_id: Any = None


def users_of(event: bytes) -> tuple[list[str], datetime | None]:
    """Return the users that an encoded event tells of, and when it happened; None where that cannot be read.

    Those are whose it is, and who somebody is said to have been before.
    """
    told = msgspec.json.decode(event, type=_Told)
    users: list[Any] = [told.user_id]
    if told.type == "alias":
        users.append(msgspec.json.decode(told.properties, type=_Previous).previous_id)
    try:
        at = datetime.fromisoformat(told.timestamp)
    except (TypeError, ValueError):  # a browser's may be anything
        at = None
    return [user for user in users if isinstance(user, str)], at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def is_of_user(event: bytes, user_id: str) -> bool:
    """Return whether an encoded event tells of this user."""
    return encode(user_id) in event and user_id in users_of(event)[0]


def without_user(batch: Batch, user_id: str) -> Batch:
    """Return the batch without the events of this user, under the same id; itself if there are none."""
    return without(batch, lambda event: is_of_user(event, user_id))


def without(batch: Batch, is_unwanted: Callable[[bytes], bool]) -> Batch:
    """Return the batch without the events that are unwanted, under the same id; itself if there are none."""
    content = msgspec.json.decode(unpack(batch.content) + b"}", type=dict[str, Raw])
    events = msgspec.json.decode(content["events"], type=list[Raw])
    kept = [event for event in events if not is_unwanted(bytes(event))]
    if len(kept) == len(events):
        return batch
    changed = encode({**content, "events": kept})
    return Batch(id=batch.id, content=pack(changed[:-1]), events=len(kept))


def split(joined: bytes) -> list[bytes]:
    """Return the events of a text in which they are joined by commas."""
    return [bytes(event) for event in msgspec.json.decode(b"[%b]" % joined, type=list[Raw])]


def halve(batch: Batch, ids: tuple[str, str]) -> tuple[Batch, Batch]:
    """Return two batches with the events of one; only for a batch that the server certainly has not stored."""
    content = msgspec.json.decode(unpack(batch.content) + b"}", type=_Content)
    head = b'"library":%b,"context":%b,' % (bytes(content.library), bytes(content.context))
    told = b'"dropped":%b,' % bytes(content.dropped) if bytes(content.dropped) else b""
    events = [bytes(event) for event in content.events]
    middle = len(events) // 2
    return cut_batch(ids[0], told + head, events[:middle]), cut_batch(ids[1], head, events[middle:])
