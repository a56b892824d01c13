"""POST /funnel: how many visitors or users take some steps in order, within a window of time.

Body       {"steps": [{"type", "name", "filters": […]}, …], "window_seconds", "by": "device" or "user",
           "exclude": [{as a step, "after", "before"}, …], "breakdown": DIMENSION, "limit", "offset"}, and whatever
           every question understands (from, to, timezone, filter, bots), here or in the address
Order      that of lists: by time, and for events of the same millisecond by event id. An event is one step at most
Window     from the first step to the last, both within the range. Who tries again is counted once, with the best try
Exclude    an event that fits ends every try that has taken the step `after` and not yet the step `before`: it counts
           for the steps taken, and goes no further. A new try may begin, with the same event, too
Breakdown  by the value of the first event of the range that fits the first step: whom nobody counts twice
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from .clickhouse import Database
from .errors import QuestionError
from .filters import MAX_FILTERS, Conditions, Expression, Filter, compile_filters, express, parse
from .mismatch import explain
from .question import Question
from .totals import divide, round_count
from .wire import EventType

MAX_BODY_BYTES = 64 << 10
MAX_STEPS = 10
WEEK_SECONDS = 7 * 86_400
ACTORS = {"device": "device_hash", "user": "cityHash64(user_id)"}


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an event must be to count as this step."""

    type: EventType | None = None
    name: str | None = None
    filters: tuple[str, ...] = ()


class Exclusion(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ends a try between two steps, which are counted from 1; `before` is the last step when missing."""

    after: Annotated[int, Meta(ge=1, le=MAX_STEPS)] = 1
    before: Annotated[int, Meta(ge=1, le=MAX_STEPS)] | None = None


class Funnel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a question."""

    steps: Annotated[tuple[Step, ...], Meta(min_length=2, max_length=MAX_STEPS)]
    window_seconds: Annotated[float, Meta(gt=0, le=366 * 86_400)] = WEEK_SECONDS
    by: Literal["device", "user"] = "device"
    exclude: Annotated[tuple[Exclusion, ...], Meta(max_length=MAX_STEPS)] = ()
    breakdown: str | None = None
    limit: int | None = None
    offset: int | None = None
    start: str | None = msgspec.field(default=None, name="from")
    end: str | None = msgspec.field(default=None, name="to")
    timezone: str | None = None
    bots: str | None = None
    filter: tuple[str, ...] = ()

    def items(self) -> list[tuple[str, str]]:
        """Return the parameters that the address may hold, too, as it would hold them."""
        given: dict[str, str | int | None] = {"from": self.start, "to": self.end, "timezone": self.timezone}
        given |= {"bots": self.bots, "breakdown": self.breakdown, "limit": self.limit, "offset": self.offset}
        found = [(name, str(value)) for name, value in given.items() if value is not None]
        return found + [("filter", text) for text in self.filter]


def parse_funnel(body: bytes) -> Funnel:
    """Return the funnel that a body asks for.

    Raises QuestionError: it is no JSON, or names something unknown.
    """
    try:
        return msgspec.json.decode(body, type=Funnel)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise QuestionError(explain(exc, body, Funnel, "the body"), code="bad_funnel") from exc


async def funnel(
    database: Database, question: Question, asked: Funnel, *, dimension: str | None, limit: int, offset: int
) -> tuple[list[dict[str, object]], int | None]:
    """Return a row per step: how many reached it, their share of the first and of the step before, the median time.

    With a dimension the rows of a value follow those of another, the value with the most first, and the offset of the
    values that follow, if any do.
    """
    parts = (*asked.steps, *asked.exclude)
    if sum(len(part.filters) for part in parts) > MAX_FILTERS:
        raise QuestionError(f"more than {MAX_FILTERS} filters in steps", code="too_many_filters", status=422)
    value = Expression("''", {}) if dimension is None else express_value(dimension)
    compiled = [compile_step(number, part, asked) for number, part in enumerate(parts)]
    fits = [f"({question.event_fits(conditions)})" for conditions in compiled]
    steps = len(asked.steps)
    ends = [end_ways(number, fits[steps:], asked.exclude, steps) for number in range(1, steps + 1)]
    sql = question.sql(
        "funnel",
        marks=mark_events(fits[:steps], ends),
        walked=walk(question, ends),
        number=str(steps),
        any_hit=" or ".join(fits),
        first_fits=fits[0],
        actor=ACTORS[asked.by],
        is_known="user_id != ''" if asked.by == "user" else "true",
        value="''" if dimension is None else f"argMinIf({value.sql}, (at, event_id), {fits[0]})",
    )
    params = question.params() | value.params | {"rows": limit + 1, "offset": offset}
    params |= {"window_ms": round(asked.window_seconds * 1000)}
    for conditions in compiled:
        params |= conditions.params
    rows = await database.fetch(sql, params=params)
    if dimension is None:
        return describe(asked, rows[0]["found"] if rows else [], {}), None
    described = [
        describe(asked, row["found"], {dimension: row["value"], "value": row["value"]}) for row in rows[:limit]
    ]
    return [row for of_value in described for row in of_value], offset + limit if len(rows) > limit else None


def end_ways(number: int, fits: list[str], exclusions: tuple[Exclusion, ...], steps: int) -> str:
    """Return in SQL whether an event ends the ways that have just taken a step; nothing where none does."""
    ending = [
        fit for fit, asked in zip(fits, exclusions, strict=True) if asked.after <= number < (asked.before or steps)
    ]
    return f"({' or '.join(ending)})" if ending else ""


def mark_events(fits: list[str], ends: list[str]) -> str:
    """Return a number in SQL: of each step a bit where an event takes it, and one where it ends the ways there."""
    marks = [f"{fit} * {4**number}" for number, fit in enumerate(fits)]
    marks += [f"{end} * {2 * 4**number}" for number, end in enumerate(ends) if end]
    return " + ".join(marks)


def walk(question: Question, ends: list[str]) -> str:
    """Return the select that takes one step after the other."""
    tests = [f"bitTest(mark, {2 * number + 1})" if end else "false" for number, end in enumerate(ends)]
    walked = question.sql("funnel_first", ends=tests[0])
    for number in range(2, len(ends) + 1):
        names = {"number": str(number), "before": str(number - 1), "hit": str(2 * (number - 1))}
        walked = question.sql("funnel_next", walked=walked, ended=tests[number - 2], ends=tests[number - 1], **names)
    return walked


def express_value(dimension: str) -> Expression:
    """Return the dimension in SQL.

    Raises QuestionError: there is no such dimension of events.
    """
    value = express(dimension, "breakdown")
    if value.of_session:
        raise QuestionError(f"breakdown {dimension} is of sessions; take one of events", code="unknown_dimension")
    return value


def describe(
    asked: Funnel, found: list[tuple[int, float, int]], of_value: dict[str, object]
) -> list[dict[str, object]]:
    """Return the rows of all the steps; `found` are step, weighted count and median of those that somebody reached."""
    reached = {step: (count, median_ms) for step, count, median_ms in found}
    counts = [reached.get(number, (0.0, 0))[0] for number in range(1, len(asked.steps) + 1)]
    return [
        {
            **of_value,
            "step": number + 1,
            "type": step.type,
            "name": step.name,
            "filters": step.filters,
            "count": round_count(counts[number]),
            "conversion": divide(counts[number], counts[0]),
            "step_conversion": divide(counts[number], counts[max(number - 1, 0)]),
            "median_seconds": reached[number + 1][1] / 1000 if number and number + 1 in reached else None,
        }
        for number, step in enumerate(asked.steps)
    ]


def compile_step(number: int, step: Step, asked: Funnel) -> Conditions:
    """Return what a step or an exclusion demands of an event; exclusions are counted on after the steps.

    Raises QuestionError: a filter is not understood, it takes every event, or stands between no steps.
    """
    steps = len(asked.steps)
    named = f"step {number + 1}" if number < steps else f"exclusion {number - steps + 1}"
    filters = [parse(text) for text in step.filters]
    filters += [Filter(name, "is", (value,)) for name, value in (("type", step.type), ("name", step.name)) if value]
    if not filters:
        raise QuestionError(f"{named} needs a type, a name or filters", code="bad_funnel")
    if isinstance(step, Exclusion) and not step.after < (step.before or steps) <= steps:
        reason = f"{named}: after must be less than before, and both are steps, 1 to {steps}"
        raise QuestionError(reason, code="bad_funnel")
    return compile_filters(filters, prefix=f"step_{number}")
