"""The shapes of bodies and answers in the OpenAPI document that no module's types tell."""

from typing import Any, get_args

from .totals import METRICS
from .wire import EventType

Node = dict[str, Any]


def named(schema: str) -> Node:
    return {"$ref": f"#/components/schemas/{schema}"}


STATS: Node = {
    "type": "object",
    "properties": {
        **{name: {"type": "number"} for name in METRICS},
        "previous": {"type": "object", "description": "The period before, with compare=previous."},
    },
}
LIST: Node = {
    "type": "object",
    "required": ["rows", "next", "exact"],
    "properties": {
        "rows": {"type": "array", "items": {"type": "object"}},
        "next": {"description": "Cursor or offset of the next page, or null."},
        "exact": {"type": "boolean"},
    },
}
EVENT: Node = {
    "type": "object",
    "required": ["event_id", "type", "timestamp"],
    "properties": {
        "event_id": {"type": "string", "format": "uuid"},
        "type": {"type": "string", "enum": list(get_args(EventType))},
        "name": {"type": "string", "description": "Required for track."},
        "timestamp": {"type": "string", "format": "date-time"},
        "session_id": {"type": "string", "maxLength": 64},
        "session_started_at": {"type": "string", "format": "date-time"},
        "device_id": {"type": "string", "maxLength": 64},
        "user_id": {"type": "string", "maxLength": 256},
        "privacy": {"type": "string", "enum": ["strict", "balanced", "full"]},
        "sample_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "fingerprint": {"type": "object"},
        "user_properties": {"type": "object"},
        "properties": {"type": "object"},
        "context": {"type": "object"},
    },
}
BATCH: Node = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "batch_id": {"type": "string", "format": "uuid"},
        "sent_at": {"type": "string", "format": "date-time"},
        "library": {"type": "object"},
        "context": {"type": "object", "description": "Defaults for every event's context."},
        "events": {"type": "array", "items": named("Event")},
    },
}
ACCEPTED: Node = {
    "type": "object",
    "required": ["accepted", "duplicates", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {"type": "array", "items": named("Rejection")},
    },
}
REJECTION: Node = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "event_id": {"type": ["string", "null"]},
        "code": {"type": "string"},
        "reason": {"type": "string"},
    },
}
ERROR: Node = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "object", "properties": {"code": {"type": "string"}, "reason": {"type": "string"}}},
        "rejected": {"type": "array", "items": named("Rejection")},
    },
}
BATCH_BODY: Node = {
    "required": True,
    "content": {
        kind: {"schema": {"anyOf": [named("Batch"), named("Event"), {"type": "array", "items": named("Event")}]}}
        for kind in ("application/json", "text/plain")
    },
}
STATUS: Node = {"type": "object", "properties": {"status": {"type": "string"}}}
# Under these names in the document.
SCHEMAS = {
    "Event": EVENT,
    "Batch": BATCH,
    "Accepted": ACCEPTED,
    "Rejection": REJECTION,
    "Error": ERROR,
    "Stats": STATS,
    "List": LIST,
}
