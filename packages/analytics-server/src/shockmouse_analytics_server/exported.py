"""A line of our own JSON Lines export made a row again: what `import` reads.

Kept       every column as exported: times, bot's reason, device, session, batch id; nothing is judged anew
Own        project, retention and the handling of addresses are those of the project imported into
Required   at, received_at, event_id, type, device_id, session_id, session_started_at, which exports of before name
           session_started; what is null, {} or missing is empty. Their context is JSON text, not an object
Refused    unknown fields, other types, texts and objects over ingestion's limits, times that no event can have
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

from .addresses import kept_address
from .json_limits import EMPTY_OBJECT, MAX_INTEGER, MAX_STRING_BYTES, RefusedError, decode_part, normalise
from .mismatch import explain
from .projects import Project
from .rows import Row
from .wire import DISCREET, EventType, Privacy

DAY_SECONDS = 86_400.0
FIRST = 946_684_800.0  # 2000-01-01
OWN = frozenset({"project", "retention", "rollup_retention"})
OBJECTS = ("user_properties", "properties", "context")

_Text = Annotated[str, Meta(max_length=MAX_STRING_BYTES // 4)]  # a character takes at most four bytes
_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Time = Annotated[datetime, Meta(tz=True)]
_REQUIRED: Mapping[str, Any] = {
    "at": _Time,
    "received_at": _Time,
    "event_id": UUID,
    "type": EventType,
    "device_id": _Id,
    "session_id": _Id,
}
_OPTIONAL: Mapping[str, tuple[Any, Any]] = {
    "batch_id": (UUID | None, None),
    "sent_at": (_Time | None, None),
    "session_started": (_Time | None, None),
    "session_started_at": (_Time | None, None),
    "privacy": (Privacy, ""),
    "sample_rate": (Annotated[float, Meta(ge=1e-6, le=1)], 1.0),
    "seq": (Annotated[int, Meta(ge=0, le=(MAX_INTEGER >> 1))], 0),
    "fingerprint": (dict[_Text, _Text] | None, None),
    "user_properties": (Raw, EMPTY_OBJECT),
    "properties": (Raw, EMPTY_OBJECT),
    "context": (Raw, EMPTY_OBJECT),
}


def _field(name: str) -> Any:
    return (name, _REQUIRED[name]) if name in _REQUIRED else (name, *_OPTIONAL.get(name, (_Text, "")))


_Exported = msgspec.defstruct(
    "Exported",
    [_field(name) for name in (*get_type_hints(Row), "session_started_at") if name not in OWN],
    kw_only=True,
    forbid_unknown_fields=True,
    gc=False,
)
_decoder = msgspec.json.Decoder(_Exported)
_text = msgspec.json.Decoder(str)


def read_row(line: bytes, project: Project, now: float) -> Row:
    """Return the row that a line of an export is in the project.

    Raises RefusedError: it is none; the reason names the field.
    """
    try:
        exported = _decoder.decode(line)
    except UnicodeDecodeError as exc:
        raise RefusedError("bad_text", "a text is not valid Unicode") from exc
    except RecursionError as exc:
        raise RefusedError("too_deep", "nested too deeply") from exc
    except msgspec.DecodeError as exc:
        raise RefusedError("bad_line", explain(exc, line, _Exported, "the line")) from exc
    columns: dict[str, Any] = msgspec.structs.asdict(exported)
    columns["session_started"] = columns.pop("session_started_at") or columns["session_started"]
    if columns["session_started"] is None:
        raise RefusedError("bad_line", "session_started_at is missing")
    for name in ("at", "received_at", "session_started", "sent_at"):
        columns[name] = None if columns[name] is None else round(columns[name].timestamp(), 3)
    check_times(columns, now)
    if bytes(columns["context"]).startswith(b'"'):
        columns["context"] = decode_part(_text, columns["context"], "context").encode()
    for name in OBJECTS:
        columns[name] = normalise(columns[name], name)[0]
    columns["context"] = bytes(columns["context"]).decode()
    columns["event_id"] = str(columns["event_id"])
    columns["batch_id"] = str(columns["batch_id"] or columns["event_id"])
    columns["fingerprint"] = columns["fingerprint"] or {}
    is_discreet = columns["privacy"] in DISCREET
    columns["ip"] = kept_address(columns["ip"], project.ip, is_discreet=is_discreet)
    columns["user_agent"] = "" if is_discreet else columns["user_agent"]
    columns |= {"retention": project.retention_days, "rollup_retention": project.counts_days}
    return Row(project=project.name, **columns)


def check_times(columns: Mapping[str, Any], now: float) -> None:
    """Pass when the times are such as ingestion gives."""
    at, received_at, started = columns["at"], columns["received_at"], columns["session_started"]
    if not FIRST <= received_at <= now + DAY_SECONDS:
        raise RefusedError("bad_time", "received_at lies before 2000 or in the future")
    if not FIRST <= at <= received_at + DAY_SECONDS:
        raise RefusedError("bad_time", "at lies before 2000, or more than a day after received_at")
    if abs(at - started) > 2 * DAY_SECONDS:
        raise RefusedError("bad_time", "session_started_at lies more than two days from at")
    sent_at = columns["sent_at"]
    if sent_at is not None and not 0 <= sent_at <= now + 200 * 365 * DAY_SECONDS:
        raise RefusedError("bad_time", "sent_at is no time of a clock")
