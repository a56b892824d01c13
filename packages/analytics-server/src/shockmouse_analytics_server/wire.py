"""The accepted body of `POST /v1/events` and its limits: the authority on the protocol.

Body    {"batch_id", "sent_at", "library", "context", "dropped", "events": [event, …]}, or one bare event, or a bare list
Event   event_id, type and timestamp are required, name for `track`; unknown fields are ignored
Verdict a bad event becomes a Rejection with a code and never hurts its neighbours; a body of no use is a BodyError
Promise whatever decode() accepts can be stored: ClickHouse never refuses a row made of it
"""

from datetime import datetime
from uuid import UUID

from msgspec import Raw, Struct


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


class Page(Struct, frozen=True):
    """The page an event happened on, as its sender describes it."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""


class Context(Struct, frozen=True, kw_only=True):
    """Where an event happened; what has no field of its own is kept in `rest` as JSON text."""

    page: Page = Page()
    screen: str = ""
    locale: str = ""
    timezone: str = ""
    user_agent: str = ""
    ip: str = ""
    app_name: str = ""
    app_version: str = ""
    webdriver: bool = False
    rest: str = "{}"


class Library(Struct, frozen=True):
    """The program that sent the batch."""

    name: str = ""
    version: str = ""


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
    fingerprint_hash: str
    fingerprint: dict[str, str]
    user_properties: Raw
    properties: Raw
    context: Context


class Batch(Struct, frozen=True, kw_only=True):
    """One request's events, each valid, and the verdicts on those that were not."""

    batch_id: UUID
    digest: bytes
    sent_at: datetime | None
    library: Library
    events: tuple[Event, ...]
    rejected: tuple[Rejection, ...]
    duplicates: int
    dropped: dict[str, int]
