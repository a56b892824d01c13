"""/events: the events of a range, newest first."""

from uuid import UUID

from .clickhouse import Database
from .question import UNESCAPE, Millis, Question, next_cursor, parse_page, show_event
from .ranges import from_ms, to_ms

ORDER = ("at_ms", "event_id")
NO_ID = UUID(int=0)


async def events(
    database: Database, question: Question, given: dict[str, str]
) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of events and the cursor to the next; events that arrive meanwhile move no row from its page."""
    question, page = parse_page(question, given, (Millis, UUID))
    after_ms, after_id = page.after or (to_ms(question.range.end), NO_ID)
    params = {"after": from_ms(after_ms), "after_id": after_id, "rows": page.limit + 1}
    sql = question.sql("events", columns=question.sql("event_columns"))
    found = await database.fetch(sql, params=question.params() | params, settings=UNESCAPE)
    following = next_cursor(question, page, found, *ORDER)
    return [show_event(row) for row in found], following
