"""/timeseries: one metric over time, empty intervals included."""

from .clickhouse import Database
from .question import Question
from .ranges import format_local, split
from .totals import EVENT_METRICS, Totals, count_events, count_sessions


async def timeseries(database: Database, question: Question, *, metric: str, interval: str) -> list[dict[str, object]]:
    """Return a row per interval, oldest first; the first and last count only what lies in the range."""
    edges = split(question.range, interval)
    if not edges.starts:
        return []
    if metric in EVENT_METRICS:
        found = await count_events(database, question, edges)
    else:
        found = await count_sessions(database, question, edges, [metric])
    return [
        {"start": format_local(start, question.range.zone), "value": found.get(start, Totals()).metric(metric)}
        for start in edges.starts
    ]
