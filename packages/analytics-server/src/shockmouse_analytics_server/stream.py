"""/events/stream: events as they come, as server-sent events, from whichever worker or node received them.

Message    id: when the server received the event, in milliseconds, and its event id; data: a row of /events as JSON
Order      that of the ids. A stream goes on after `Last-Event-ID`, or begins now
Lag        what was received is told a few seconds later, when the loaders have had time to store it in any order; and
           not before all that this node received earlier has left its spool, so that an outage leaves no gap
Ends       after some minutes, when the key is revoked, or when the database is away: browsers come again by themselves
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct

from .clickhouse import Database
from .errors import QuestionError, ServerError
from .question import UNESCAPE, Question, show_event
from .ranges import Range, ceil_ms, from_ms

LAG = timedelta(seconds=3)  # between receipt and commit, and for the loaders of other nodes
LATENESS = timedelta(days=7)  # an event of longer ago is not looked for
AHEAD = timedelta(days=2)
POLL_SECONDS = 1.0
SILENCE_SECONDS = 15.0
STREAM_SECONDS = 300.0
ROWS = 500
MAX_STREAMS = 32
LAST_ID = re.compile(r"(\d{1,13})-([0-9a-f-]{36})", re.ASCII)
BEGIN = b"retry: 2000\n\n"
SIGN_OF_LIFE = b": waiting\n\n"


class Place(Struct, frozen=True):
    """Where a stream is: the last event told."""

    at: datetime
    event_id: UUID = UUID(int=0)


class Streams:
    """The open streams of a process: each asks the database every second, so they are few."""

    def __init__(self, waiting_since: Callable[[], float | None], limit: int = MAX_STREAMS) -> None:
        """waiting_since: when the oldest was received of what waits in the spool, in seconds since 1970."""
        self._waiting_since = waiting_since
        self._limit = limit
        self._open = 0

    def check(self) -> None:
        """Raises QuestionError: one more stream would be too many."""
        if self._open >= self._limit:
            raise QuestionError("too many streams are open; come again later", code="too_many_streams", status=503)

    async def follow(
        self, database: Database, question: Question, place: Place, still_allowed: Callable[[], object]
    ) -> AsyncGenerator[bytes, None]:
        """Yield messages until the stream ends; `still_allowed` raises when its key was revoked.

        Raises ServerError: before the first message, so that what is wrong then has its status.
        """
        self._open += 1
        has_begun = False
        try:
            ends_at, told_at = time.monotonic() + STREAM_SECONDS, time.monotonic()
            while time.monotonic() < ends_at:
                still_allowed()
                until = await self._complete_until()
                messages, place, is_full = await read(database, question, place, until)
                if not has_begun:
                    has_begun = True
                    yield BEGIN
                if messages or time.monotonic() - told_at > SILENCE_SECONDS:
                    yield messages or SIGN_OF_LIFE
                    told_at = time.monotonic()
                if not is_full:
                    await asyncio.sleep(POLL_SECONDS)
        except ServerError:
            if not has_begun:
                raise
            return  # whoever listens comes again, and is told then
        finally:
            self._open -= 1

    async def _complete_until(self) -> datetime:
        """Return the time up to which all that was received is stored."""
        now = datetime.now(UTC)
        waiting = await asyncio.to_thread(self._waiting_since)
        return (now if waiting is None else min(now, datetime.fromtimestamp(waiting, UTC))) - LAG


def parse_place(last_id: str | None, now: datetime) -> Place:
    """Return where a stream begins: after the event of that id, or now.

    Raises QuestionError: no stream gave such an id.
    """
    if last_id is None:
        return Place(ceil_ms(now) - LAG)
    found = LAST_ID.fullmatch(last_id)
    try:
        if found is not None:
            return Place(from_ms(int(found[1])), UUID(found[2]))
    except (ValueError, OverflowError):
        pass
    raise QuestionError(f"Last-Event-ID {last_id[:100]!r} is not one that a stream gave", code="bad_cursor")


async def read(database: Database, question: Question, place: Place, until: datetime) -> tuple[bytes, Place, bool]:
    """Return the messages of what was received after the place until a time, the new place, and whether more waits."""
    now = datetime.now(UTC)
    start = max(place.at - LATENESS, datetime(1971, 1, 1, tzinfo=UTC))
    asked = msgspec.structs.replace(question, range=Range(start, max(now, start) + AHEAD, question.range.zone))
    params = {"after": place.at, "after_id": place.event_id, "until": ceil_ms(until), "rows": ROWS}
    sql = asked.sql("events_received", columns=asked.sql("event_columns"))
    rows = await database.fetch(sql, params=asked.params() | params, settings=UNESCAPE)
    if not rows:
        return b"", place, False
    last = Place(from_ms(rows[-1]["received_at_ms"]), UUID(rows[-1]["event_id"]))
    return b"".join(message(row) for row in rows), last, len(rows) == ROWS


def message(row: dict[str, object]) -> bytes:
    """Return an event as a server-sent one; JSON has no line breaks."""
    name = f"{row['received_at_ms']}-{row['event_id']}"
    return b"id: %s\nevent: event\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(show_event(row)))
