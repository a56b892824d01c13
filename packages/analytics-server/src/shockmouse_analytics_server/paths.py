"""/paths: where visitors go after a page or an event, or come from.

Steps      page and screen views by path; track, click and form events by name. Other events are no steps
Neighbour  the next or previous step of the same session, in the order of lists; none where the session ends or begins.
           Of pages alone, it is the nearest view: what happens on the way is passed over
Weight     of the session, the least of its steps' weights
"""

from typing import Any

from .clickhouse import Database
from .errors import QuestionError
from .question import SESSION_DAYS, Question
from .totals import divide, round_count

ANCHORS = {
    "page": "(type in ('page', 'screen') and path = {anchor:String})",
    "event": "(type in ('track', 'click', 'form') and name = {anchor:String})",
}
DIRECTIONS = ("next", "previous")
STEPS = {"all": ("page", "event"), "pages": ("page",)}  # what a neighbour may be


async def paths(
    database: Database, question: Question, given: dict[str, str], *, direction: str, steps: str, limit: int
) -> list[dict[str, object]]:
    """Return a row per step beside the one asked about, the most frequent first, with its share of all of them.

    Raises QuestionError: neither or both of page and event are given.
    """
    asked = [name for name in ANCHORS if name in given]
    if len(asked) != 1:
        raise QuestionError("give either page=PATH or event=NAME", code="missing_parameter")
    params = {
        "anchor": given[asked[0]],
        "is_next": int(direction == "next"),
        "steps": ["", *STEPS[steps]],
        "sessions_start": question.range.start - SESSION_DAYS,
        "rows": limit,
    }
    sql = question.sql("paths", anchor=ANCHORS[asked[0]])
    return [describe(row) for row in await database.fetch(sql, params=question.params() | params)]


def describe(row: dict[str, Any]) -> dict[str, object]:
    """Return a row: the step as {"page": …} or {"event": …} with its types; both are null where there is none."""
    step = {name: row["step"] if row["kind"] == name else None for name in ANCHORS}
    types = [name for name in row["types"] if name]
    return {**step, "types": types, "count": round_count(row["count"]), "share": divide(row["count"], row["total"])}
