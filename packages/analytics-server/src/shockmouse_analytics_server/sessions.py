"""/sessions: the sessions that began in a range, newest first; /sessions/{id}: one of them with its events in order.

Counts here are of events as stored, without weights: a row tells what one visitor did.
"""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from .clickhouse import Database
from .errors import QuestionError
from .filters import Conditions
from .question import UNESCAPE, Millis, Page, Question, next_cursor, parse_page, show_event
from .ranges import from_ms, show_times, to_ms

ORDER = ("started_at_ms", "start_day", "device_id", "session_id")
EVENT_ORDER = ("at_ms", "event_id")
MAX_EVENTS = 1000
TYPES = ("page", "screen", "track", "click", "form", "performance", "error", "identify", "group", "alias", "consent")


async def sessions(
    database: Database, question: Question, given: dict[str, str]
) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of sessions and the cursor to the next."""
    question, page = parse_page(question, given, (Millis, date, str, str))
    found = await fetch_sessions(database, question, page)
    following = next_cursor(question, page, found, *ORDER)
    return [describe(row) for row in found], following


async def sessions_of_device(
    database: Database, question: Question, device_id: str, limit: int
) -> list[dict[str, object]]:
    """Return the device's newest sessions in the range, whatever else is asked of events."""
    only = Conditions(session=("device_id = {device_id:String}",), params={"device_id": device_id})
    found = await fetch_sessions(database, msgspec.structs.replace(question, conditions=only), Page(limit))
    return [describe(row) for row in found[:limit]]


async def fetch_sessions(database: Database, question: Question, page: Page) -> list[dict[str, Any]]:
    """Return the page's rows as the database has them, and one more if more follow."""
    ms, day, device_id, session_id = page.after or (to_ms(question.range.end), date(1970, 1, 1), "", "")
    params = {"after_ms": ms, "after_day": day, "after_device": device_id, "after_session": session_id}
    rows = {"rows": page.limit + 1}
    return await database.fetch(question.sql("sessions"), params=question.params() | params | rows)


async def session(database: Database, question: Question, session_id: str, given: dict[str, str]) -> dict[str, object]:
    """Return a session and a page of its events, oldest first.

    Raises QuestionError: the project has no such session.
    """
    question, page = parse_page(question, given, (Millis, UUID), default=MAX_EVENTS)
    device_id = given.get("device_id", "")
    wanted = {"session_id": session_id, "device_id": device_id}
    found = await database.fetch(question.sql("session"), params=question.params() | wanted)
    if not found:
        raise QuestionError(f"there is no session {session_id[:64]!r} in this range", code="not_found", status=404)
    row = found[0]
    after_ms, after_id = page.after or (row["started_at_ms"] - 1, UUID(int=0))
    params = {
        "start_day": date.fromisoformat(row["start_day"]),
        "device_id": row["device_id"],
        "first": from_ms(row["started_at_ms"]),
        "last": from_ms(row["ended_at_ms"]),
        "after": from_ms(after_ms),
        "after_id": after_id,
        "rows": page.limit + 1,
    }
    sql = question.sql("session_events", columns=question.sql("event_columns"))
    events = await database.fetch(sql, params=question.params() | wanted | params, settings=UNESCAPE)
    following = next_cursor(question, page, events, *EVENT_ORDER)
    return {"session": describe(row), "events": [show_event(event) for event in events], "next": following}


def describe(row: dict[str, Any]) -> dict[str, object]:
    """Return a session as answered: counts by event type where there are any."""
    shown = show_times(row)
    counts = {name: shown.pop(f"{name}_events") for name in TYPES}
    del shown["start_day"]
    return {**shown, "counts": {name: count for name, count in counts.items() if count}}
