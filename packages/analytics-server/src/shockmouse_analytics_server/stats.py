"""/stats: the totals of a range, and of the one before it."""

import asyncio

import msgspec

from .clickhouse import Database
from .question import Question
from .ranges import previous, whole
from .totals import METRICS, Totals, count_events, count_sessions


async def stats(database: Database, question: Question, *, with_previous: bool) -> dict[str, object]:
    """Return every metric by name; `previous` holds those of the period before, where asked for."""
    if not with_previous:
        return dict(await totals_of(database, question))
    before = msgspec.structs.replace(question, range=previous(question.range))
    now, then = await asyncio.gather(totals_of(database, question), totals_of(database, before))
    return {**now, "previous": then}


async def totals_of(database: Database, question: Question) -> dict[str, float]:
    edges = whole(question.range)
    sessions, events = await asyncio.gather(
        count_sessions(database, question, edges), count_events(database, question, edges)
    )
    of_sessions = sessions.get(edges.starts[0], Totals())
    of_events = events.get(edges.starts[0], Totals())
    totals = msgspec.structs.replace(of_sessions, pageviews=of_events.pageviews, events=of_events.events)
    return {name: totals.metric(name) for name in METRICS}
