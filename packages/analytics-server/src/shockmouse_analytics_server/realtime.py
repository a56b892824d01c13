"""/realtime: who is here now. Visitors, events per second and top pages of the last five minutes.

Visitors here have an event in the range, whenever their session began: somebody who still reads is there.
"""

import asyncio
from datetime import timedelta

from .clickhouse import Database
from .question import Question
from .totals import divide, round_count

RECENT = timedelta(minutes=5)
DEFAULT_PAGES = 10


async def realtime(database: Database, question: Question, pages: int) -> dict[str, object]:
    """Return the counts of the range and its `pages` most visited pages."""
    totals, rows = await asyncio.gather(
        database.fetch(question.sql("realtime"), params=question.params()),
        database.fetch(question.sql("realtime_pages"), params=question.params() | {"rows": pages}),
    )
    seconds = (question.range.end - question.range.start).total_seconds()
    return {
        **{name: round_count(count) for name, count in totals[0].items()},
        "events_per_second": divide(totals[0]["events"], seconds),
        "pages": [
            {"path": row["path"], "visitors": round_count(row["visitors"]), "pageviews": round_count(row["pageviews"])}
            for row in rows
        ],
        "exact": True,
    }
