"""POST /funnel: how many visitors or users take some steps in order, within a window of time.

Body       {"steps": [{"type", "name", "filters": […]}, …], "window_seconds", "by": "device" or "user"}, and whatever
           every question understands (from, to, timezone, filter, bots), here or in the address
Order      that of lists: by time, and for events of the same millisecond by event id. An event is one step at most
Window     from the first step to the last, both within the range. Who tries again is counted once, with the best try
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from .clickhouse import Database
from .errors import QuestionError
from .filters import MAX_FILTERS, Conditions, Filter, compile_filters, parse
from .question import Question
from .totals import divide, round_count

MAX_BODY_BYTES = 64 << 10
WEEK_SECONDS = 7 * 86_400
ACTORS = {"device": "device_id", "user": "user_id"}


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event must be to count as this step."""

    type: str | None = None
    name: str | None = None
    filters: tuple[str, ...] = ()


class Funnel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a question."""

    steps: Annotated[tuple[Step, ...], Meta(min_length=2, max_length=10)]
    window_seconds: Annotated[float, Meta(gt=0, le=366 * 86_400)] = WEEK_SECONDS
    by: Literal["device", "user"] = "device"
    start: str | None = msgspec.field(default=None, name="from")
    end: str | None = msgspec.field(default=None, name="to")
    timezone: str | None = None
    bots: str | None = None
    filter: tuple[str, ...] = ()

    def items(self) -> list[tuple[str, str]]:
        """Return the common parameters as an address would hold them."""
        given = {"from": self.start, "to": self.end, "timezone": self.timezone, "bots": self.bots}
        found = [(name, value) for name, value in given.items() if value is not None]
        return found + [("filter", text) for text in self.filter]


def parse_funnel(body: bytes) -> Funnel:
    """Return the funnel that a body asks for.

    Raises QuestionError: it is no JSON, or names something unknown.
    """
    try:
        return msgspec.json.decode(body, type=Funnel)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise QuestionError(f"the body is no funnel: {exc}", code="bad_funnel") from exc


async def funnel(database: Database, question: Question, asked: Funnel) -> list[dict[str, object]]:
    """Return a row per step: how many reached it, their share of the first and of the step before, the median time."""
    steps = [compile_step(number, step) for number, step in enumerate(asked.steps)]
    if sum(len(step.filters) for step in asked.steps) > MAX_FILTERS:
        raise QuestionError(f"more than {MAX_FILTERS} filters in steps", code="too_many_filters", status=422)
    hits = [f"({question.event_fits(step)})" for step in steps]
    sql = question.sql("funnel", hits=", ".join(hits), any_hit=" or ".join(hits), actor=ACTORS[asked.by])
    params = question.params() | {"steps": len(steps), "window_ms": round(asked.window_seconds * 1000)}
    for step in steps:
        params |= step.params
    found = {row["step"]: row for row in await database.fetch(sql, params=params)}
    counts = [found[number]["count"] if number in found else 0.0 for number in range(1, len(steps) + 1)]
    return [
        {
            "step": number + 1,
            "type": step.type,
            "name": step.name,
            "filters": step.filters,
            "count": round_count(counts[number]),
            "conversion": divide(counts[number], counts[0]),
            "step_conversion": divide(counts[number], counts[max(number - 1, 0)]),
            "median_seconds": median_of(found.get(number + 1), number),
        }
        for number, step in enumerate(asked.steps)
    ]


def compile_step(number: int, step: Step) -> Conditions:
    """Return what a step demands of an event.

    Raises QuestionError: a filter is not understood, or the step takes every event.
    """
    filters = [parse(text) for text in step.filters]
    filters += [Filter(name, "is", (value,)) for name, value in (("type", step.type), ("name", step.name)) if value]
    if not filters:
        raise QuestionError(f"step {number + 1} needs a type, a name or filters", code="bad_funnel")
    return compile_filters(filters, prefix=f"step_{number}")


def median_of(row: dict[str, Any] | None, number: int) -> float | None:
    return None if row is None or number == 0 else row["median_ms"] / 1000
