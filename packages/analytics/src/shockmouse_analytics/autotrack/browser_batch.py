"""A batch that the browser script has sent to its own site, made ready to be passed on.

It keeps its id, so that one that comes twice is stored once. Its context gets the visitor's shortened address, and the
user agent where it has none. What it says that the script has dropped stays. So do its events, but for
  the visitor's device  where a first-party cookie names it: the session is then derived from that by the server. The
                        script samples by an id of its own; an event that had none is sampled here by the cookie's
  a refusal             by GPC, DNT or the consent callback of now, whatever the page's tag said when it was made: it
                        leaves nothing to tell the visitor apart by. What the script tells in `strict` mode stays
  a wrong clock         because the batch may wait here, and the server would take the wait for skew
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from ..event import MAX_BATCH_EVENTS, Batch, Privacy, cut_batch, encode, encode_head
from ..sampling import keeps
from ..visitor import Visitor

SKEW_SECONDS = 60.0  # what the server corrects too
MAX_DROPPED_BYTES = 4096  # as the server's, which would refuse the batch for more
_TIMES = ("timestamp", "session_started_at")
_IDS = ("device_id", "session_id", "session_started_at")


class Passed(Struct, frozen=True):
    """What is to be passed on, and how many events are not because their device is not kept."""

    batch: Batch
    sampled: int


class _Sent(Struct):
    batch_id: UUID
    events: list[Raw]
    sent_at: datetime | None = None
    library: dict[str, str] = {}
    context: dict[str, Raw] = {}
    dropped: Raw = Raw(b"{}")


class _Sampled(Struct):
    device_id: str | None = None
    sample_rate: float = 1.0


_decode = msgspec.json.Decoder(_Sent).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_Count = Annotated[int, Meta(ge=0, le=1 << 53)]
_Reason = Annotated[str, Meta(max_length=64)]
_counts = msgspec.json.Decoder(Annotated[dict[_Reason, _Count], Meta(max_length=64)] | None).decode


def read_batch(body: bytes, visitor: Visitor, *, privacy: Privacy, is_refusing: bool, at: datetime) -> Passed:
    """Return the batch in a request that came at this time; an event that is none is left to the server's judgement.

    Raises ValueError: the body is no batch.
    """
    try:
        sent = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        if isinstance(exc, msgspec.ValidationError):
            raise
        sent = _decode_leniently(body)
    except RecursionError as exc:
        raise ValueError("the body is nested too deeply") from exc
    if not 0 < len(sent.events) <= MAX_BATCH_EVENTS:
        raise ValueError(f"a batch has 1 to {MAX_BATCH_EVENTS} events")
    changes = _changes(visitor, privacy, is_refusing=is_refusing)
    events = [bytes(event) for event in sent.events]
    if visitor.device_id and not is_refusing:
        events = [event for event in events if _is_kept(event, visitor.device_id)]
    sampled = len(sent.events) - len(events)
    skew = _skew(sent.sent_at, at)
    if changes or skew:
        events = [_change(event, changes, skew) for event in events]
    known = {name: value for name, value in visitor.context().items() if value}
    told = _coarse(sent.context) if is_refusing else sent.context
    context = {**known, **told, **({"ip": known["ip"]} if "ip" in known else {})}
    head = encode_head(sent.library, context, _read_dropped(sent.dropped))
    return Passed(cut_batch(str(sent.batch_id), head, events), sampled)


def _decode_leniently(body: bytes) -> _Sent:
    """Return what only Python's own parser reads: JavaScript writes halves of surrogate pairs, as in a cut emoji."""
    try:
        whole: Any = json.loads(body)
        return _decode(json.dumps(whole, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as exc:
        raise ValueError("the body is nested too deeply") from exc


def _read_dropped(told: Raw) -> dict[str, int]:
    """Return the counts of what the script has dropped, none if they are no counts: the events are worth more."""
    try:
        counts = _counts(told) or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return counts if len(encode(counts)) <= MAX_DROPPED_BYTES else {}


def _changes(visitor: Visitor, privacy: Privacy, *, is_refusing: bool) -> dict[str, Raw] | None:
    if is_refusing:
        return {"privacy": Raw(b'"strict"')}
    if visitor.device_id:
        return {"device_id": Raw(encode(visitor.device_id)), "privacy": Raw(encode(privacy))}
    return None


def _coarse(context: dict[str, Raw]) -> dict[str, Raw]:
    """Return what the script tells of a device in `strict` mode: of a locale the language only."""
    kept = {name: value for name, value in context.items() if name not in ("screen", "timezone")}
    try:
        language = msgspec.json.decode(kept.pop("locale"), type=str).partition("-")[0]
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return kept
    return {**kept, "locale": Raw(encode(language))}


def _is_kept(event: bytes, device_id: str) -> bool:
    """Return whether an event belongs to the share of devices that it says it stands for."""
    try:
        told = msgspec.json.decode(event, type=_Sampled)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return bool(told.device_id) or keeps(device_id, told.sample_rate)


def _skew(sent_at: datetime | None, at: datetime) -> timedelta | None:
    if sent_at is None:
        return None
    skew = at - (sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC))
    return skew if abs(skew.total_seconds()) > SKEW_SECONDS else None


def _change(event: bytes, changes: dict[str, Raw] | None, skew: timedelta | None) -> bytes:
    try:
        members = _members(event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return event
    if changes:
        is_coarse = members.get("privacy", Raw()) == changes["privacy"]
        for name in _IDS if "device_id" in changes or is_coarse else (*_IDS, "fingerprint"):
            members.pop(name, None)
        members |= changes
    for name in _TIMES if skew else ():
        if name in members:
            members[name] = _move(members[name], skew)
    return encode(members)


def _move(time: Raw, skew: timedelta | None) -> Raw:
    try:
        return Raw(encode(msgspec.json.decode(time, type=datetime) + (skew or timedelta())))
    except (msgspec.DecodeError, OverflowError):
        return time
