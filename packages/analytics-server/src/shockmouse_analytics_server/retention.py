"""/retention: who comes back. Visitors by the day, week or month of their first session of the range: a cohort.

Each later interval tells how many of a cohort began a session in it. A visitor weighs the same throughout, the least of
the weights of its sessions, so that no cohort grows.
"""

from collections import defaultdict

from .clickhouse import Database
from .errors import QuestionError
from .question import Question
from .ranges import format_local, split
from .totals import divide, round_count

COHORTS = ("day", "week", "month")
MAX_COHORTS = 400  # every two of them may be a number of the answer


async def retention(database: Database, question: Question, interval: str) -> list[dict[str, object]]:
    """Return a row per cohort, oldest first; its lists begin with the cohort's own interval.

    Raises QuestionError: the range has too many intervals.
    """
    edges = split(question.range, interval)
    if len(edges.starts) > MAX_COHORTS:
        reason = f"the range has more than {MAX_COHORTS} cohorts of a {interval}: narrow it or take longer intervals"
        raise QuestionError(reason, code="too_many_intervals", status=422)
    if not edges.starts:
        return []
    active: dict[int, dict[int, float]] = defaultdict(dict)
    for row in await database.fetch(question.sql("retention"), params=question.params() | edges.params()):
        active[row["cohort_ms"]][row["active_ms"]] = row["visitors"]
    rows: list[dict[str, object]] = []
    for number, start in enumerate(edges.starts):
        counts = [active[start].get(later, 0.0) for later in edges.starts[number:]]
        rows.append(
            {
                "start": format_local(start, question.range.zone),
                "visitors": round_count(counts[0]),
                "returned": [round_count(count) for count in counts],
                "retention": [divide(count, counts[0]) for count in counts],
            }
        )
    return rows
