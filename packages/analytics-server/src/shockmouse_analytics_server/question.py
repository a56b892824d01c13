"""A question as every path of the query API understands it: project, range, filters, bots; and its SQL.

SQL        queries/NAME.sql, one statement; a leading comment names parameters and columns
Marks      {{name}} in a file stands for another piece of SQL: a file of queries/, or a fragment from the closed tables
           of filters.py. No mark is ever filled from a request
Bots       `kinds` are the kinds of events looked at: 0 people's, 1 bots'
Sessions   those whose first event lies in the range; with filters, those with at least one event that fits
Cursor     where a page of a list ended, as opaque text: JSON in URL-safe base64
"""

import base64
import functools
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from .errors import QuestionError
from .filters import MAX_FILTERS, Conditions, compile_filters, parse
from .ranges import Range, find_zone, from_ms, parse_range, show_times, to_ms

COMMON = frozenset({"from", "to", "timezone", "filter", "bots"})
KINDS = {"exclude": (0,), "include": (0, 1), "only": (1,)}
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
MAX_OFFSET = 1_000_000
UNESCAPE = {"json_type_escape_dots_in_keys": 1}  # how properties were stored is how they are read
MARK = re.compile(r"{{(\w+)}}")
Millis = Annotated[int, Meta(ge=0, le=5_400_000_000_000)]  # since 1970, up to 2141
SESSION_DAYS = timedelta(days=2)  # a session lasts a day, and its first event may come late by another


class Question(Struct, frozen=True, kw_only=True):
    """What is asked of which events."""

    project: str
    range: Range
    conditions: Conditions = Conditions()
    kinds: tuple[int, ...] = (0,)

    @property
    def is_filtered(self) -> bool:
        return bool(self.conditions.event or self.conditions.session)

    def params(self) -> dict[str, object]:
        """Return what every statement binds."""
        day = timedelta(days=1)
        return {
            "project": self.project,
            "start": self.range.start,
            "end": self.range.end,
            "sessions_end": self.range.end + SESSION_DAYS,
            "first_day": (self.range.start - day).date(),
            "last_day": (self.range.end + day).date(),
            "kinds": list(self.kinds),
        } | self.conditions.params

    def sql(self, name: str, **fragments: str) -> str:
        """Return the statement with its marks filled: the question's own, and the given fragments."""
        return fill(name, self._marks() | fragments)

    def _marks(self) -> dict[str, str]:
        event, session = self.conditions.event, self.conditions.session
        with_event = fill("sessions_with_event", {"fits": join(event)}) if event else ""
        return {
            "sessions": self._sessions(),
            "session_columns": load("session_columns"),
            "session_fits": join((*session, *([with_event] if event else []))),
            "event_fits": self.event_fits(self.conditions),
        }

    def event_fits(self, conditions: Conditions) -> str:
        """Return the condition that an event fits, the question's own or those of a part of it."""
        session = conditions.session
        fitting = {"sessions": self._sessions(), "fits": join(session)}
        return join((*conditions.event, *([fill("events_in_session", fitting)] if session else [])))

    def _sessions(self) -> str:
        return fill("sessions_of_one_kind" if len(self.kinds) == 1 else "sessions_of_all_kinds", {})


class Page(Struct, frozen=True):
    """Which rows of a list: how many, and after which."""

    limit: int
    after: tuple[Any, ...] | None = None


def join(conditions: Sequence[str]) -> str:
    """Return the conditions as one; none hold always."""
    return " and ".join(conditions) or "true"


@functools.cache
def load(name: str) -> str:
    """Return the statement of queries/NAME.sql without its heading comment."""
    text = files(__package__).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()


def fill(name: str, fragments: dict[str, str]) -> str:
    return MARK.sub(lambda mark: fragments[mark[1]], load(name))


def parse_question(
    items: Iterable[tuple[str, str]],
    *,
    project: str,
    timezone: str,
    now: datetime,
    usually: timedelta,
    also: frozenset[str],
    common: frozenset[str] = COMMON,
) -> tuple[Question, dict[str, str]]:
    """Return the question that a path's parameters ask, and those among `also`, which the path understands itself.

    usually: how long the range is when `from` is not given.
    Raises QuestionError: a parameter is unknown, given twice or has a bad value.
    """
    given: dict[str, str] = {}
    filters = []
    for name, value in items:
        if name not in common | also:
            known = ", ".join(sorted(common | also))
            raise QuestionError(f"unknown parameter {name[:100]!r}: one of {known}", code="unknown_parameter")
        if name == "filter":
            filters.append(parse(value))
        elif name in given:
            raise QuestionError(f"{name} is given twice", code="bad_parameter")
        else:
            given[name] = value
    if len(filters) > MAX_FILTERS:
        raise QuestionError(f"more than {MAX_FILTERS} filters", code="too_many_filters", status=422)
    bots = choose("bots", given.pop("bots", "exclude"), KINDS)
    zone = find_zone(given.pop("timezone", timezone))
    question = Question(
        project=project,
        range=parse_range(given.pop("from", None), given.pop("to", None), zone, now, usually),
        conditions=compile_filters(filters),
        kinds=KINDS[bots],
    )
    return question, given


def choose(name: str, value: str, known: Iterable[str]) -> str:
    """Return the value if it is one of those known.

    Raises QuestionError: it is not.
    """
    if value not in (choices := list(known)):
        raise QuestionError(f"unknown {name} {value[:100]!r}: one of {', '.join(choices)}", code=f"unknown_{name}")
    return value


def parse_integer(name: str, given: dict[str, str], default: int, low: int, high: int) -> int:
    """Return the parameter as an integer of [low, high].

    Raises QuestionError: it is none.
    """
    text = given.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
        raise QuestionError(f"{name} must be a whole number of {low} to {high}, not {text[:100]!r}", code=f"bad_{name}")
    return int(text)


def parse_page(
    question: Question, given: dict[str, str], key: tuple[object, ...], default: int = DEFAULT_LIMIT
) -> tuple[Question, Page]:
    """Return the page asked for by `limit` and `cursor`, and the question with the range that its first page had.

    key: the types of what the list is ordered by, which the cursor holds.
    Raises QuestionError: the limit is out of bounds, or the cursor is none of ours.
    """
    limit = parse_integer("limit", given, default, 1, MAX_LIMIT)
    if "cursor" not in given:
        return question, Page(limit)
    start, end, *after = decode_cursor(given["cursor"], (Millis, Millis, *key))
    asked = Range(from_ms(start), from_ms(end), question.range.zone)
    return msgspec.structs.replace(question, range=asked), Page(limit, tuple(after))


def next_cursor(question: Question, page: Page, rows: list[dict[str, Any]], *key: str) -> str | None:
    """Return the cursor to what follows the page, None at the end; takes the row that was read to know it away."""
    if len(rows) <= page.limit:
        return None
    del rows[page.limit :]
    values = [to_ms(question.range.start), to_ms(question.range.end), *(rows[-1][name] for name in key)]
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def show_event(row: dict[str, Any]) -> dict[str, object]:
    """Return a row of event_columns as it is answered; its context is stored as JSON already."""
    return show_times(row) | {"context": msgspec.Raw((row["context"] or "{}").encode())}


def decode_cursor(text: str, types: tuple[object, ...]) -> tuple[Any, ...]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values: tuple[Any, ...] = msgspec.json.decode(raw, type=tuple[types])  # type: ignore[valid-type]
    except (ValueError, msgspec.DecodeError) as exc:
        raise QuestionError(f"cursor {text[:100]!r} is not one that an answer gave", code="bad_cursor") from exc
    return values
