r"""Filters of questions: from `filter=DIMENSION:OPERATOR:VALUE[|VALUE…]` to a condition in SQL with bound values.

DIMENSION  a column of events by name, what the session began with (entry_…) or ended with (exit_path), property.NAME or
           user_property.NAME
OPERATOR   is, is_not, contains, not_contains (any of the values; letter case does not matter to the latter two);
           gt, gte, lt, lte (one number or time); is_set, is_not_set (no value)
VALUE      `\|` and `\\` stand for | and \. What an event lacks is the empty string, and so not set. Of
           CLOSED dimensions is and is_not take only values that there are
TIME       RFC 3339 or YYYY-MM-DD; without an offset it is UTC, in a filter as in a property
NAME       a property's key; `a.b` is the key "a.b" where an event has it, else the key "b" within the object "a"; and
           `a.b.c` may be the key "b.c" within "a", too

Nothing of a question's text becomes SQL: columns and operators are looked up in the tables below, values and the names
of properties are bound by the server. `{x:Identifier}` is bound too; it stands after `properties.` and so can only
name a path inside that JSON column.
"""

import itertools
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import get_args

from msgspec import Struct

from .agents import DEVICE_TYPES
from .clickhouse import Identifier
from .errors import QuestionError
from .times import parse_time
from .wire import EventType, Privacy

# fmt: off
EVENT_DIMENSIONS = frozenset({
    "path", "host", "title", "referrer", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "country", "browser", "browser_version", "os", "os_version", "device_type", "screen", "locale",
    "timezone", "app_name", "app_version", "library_name", "library_version", "name", "type", "user_id", "device_id",
    "session_id", "privacy", "bot",
})
# fmt: on
OF_ENTRY = (
    *("path", "host", "referrer_host"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
)
SESSION_DIMENSIONS = {f"entry_{name}": f"entry.{name}" for name in OF_ENTRY} | {"exit_path": "exit_path"}
# What has a closed list of values, "" where an event may lack it: a mistyped one would find nothing, and not say why.
CLOSED = {"type": get_args(EventType), "privacy": get_args(Privacy), "device_type": ("", *DEVICE_TYPES)}
PROPERTY_COLUMNS = {"property": "properties", "user_property": "user_properties"}

TEXT_OPERATORS = {
    "is": "{value} in {{{name}:Array(String)}}",
    "is_not": "{value} not in {{{name}:Array(String)}}",
    "contains": "arrayExists(part -> positionCaseInsensitiveUTF8({value}, part) > 0, {{{name}:Array(String)}})",
    "not_contains": "not arrayExists(part -> positionCaseInsensitiveUTF8({value}, part) > 0, {{{name}:Array(String)}})",
}
NUMBER_OPERATORS = {
    "gt": "ifNull(toFloat64OrNull({value}) > {{{name}:Float64}}, false)",
    "gte": "ifNull(toFloat64OrNull({value}) >= {{{name}:Float64}}, false)",
    "lt": "ifNull(toFloat64OrNull({value}) < {{{name}:Float64}}, false)",
    "lte": "ifNull(toFloat64OrNull({value}) <= {{{name}:Float64}}, false)",
}
SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
LATER = (
    "ifNull(parseDateTime64BestEffortOrNull(if({value} like '____-__-__%', {value}, ''), 6, 'UTC')"
    " {sign} parseDateTime64BestEffort({{{name}:String}}, 6, 'UTC'), false)"
)
SET_OPERATORS = {"is_set": "{value} != ''", "is_not_set": "{value} = ''"}
OPERATORS = TEXT_OPERATORS | NUMBER_OPERATORS | SET_OPERATORS

FILTER = re.compile(rf"(.+?):({'|'.join(OPERATORS)})(?::(.*))?", re.DOTALL)
VALUE_PARTS = re.compile(r"\\([|\\])|(\|)|(.)", re.DOTALL)
MAX_FILTERS = 20
FIRST_YEAR, LAST_YEAR = 1900, 2298  # what ClickHouse's DateTime64 holds
MAX_VALUES = 100
MAX_NAME_BYTES = 256
MAX_DOTS = 3


class Filter(Struct, frozen=True):
    """One condition as asked for."""

    dimension: str
    operator: str
    values: tuple[str, ...]


class Expression(Struct, frozen=True):
    """A dimension's value in SQL, a String, and what it binds; `of_session`: of the session, not of the event."""

    sql: str
    params: dict[str, object]
    of_session: bool = False


class Conditions(Struct, frozen=True):
    """What filters demand, in SQL: of one event, and of a session; `types`, if to be one of these is all of it."""

    event: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    params: dict[str, object] = {}
    types: tuple[str, ...] = ()


def parse(text: str) -> Filter:
    """Return the filter as written.

    Raises QuestionError: it has another form, or names something unknown.
    """
    found = FILTER.fullmatch(text)
    if found is None:
        dimension, _, rest = text.partition(":")
        operator = rest.partition(":")[0]
        raise QuestionError(
            f"filter {text[:200]!r}: unknown operator {operator[:50]!r} for {dimension[:50]!r};"
            f" DIMENSION:OPERATOR:VALUE with one of {', '.join(OPERATORS)}",
            code="bad_filter",
        )
    dimension, operator, value = found.groups()
    values = () if value is None else split_values(value)
    check_values(text, operator, values)
    express(dimension, "check")
    check_known(dimension, operator, values)
    return Filter(dimension, operator, values)


def split_values(text: str) -> tuple[str, ...]:
    values = [""]
    for escaped, bar, plain in VALUE_PARTS.findall(text):
        if bar:
            values.append("")
        else:
            values[-1] += escaped or plain
    return tuple(values)


def check_values(text: str, operator: str, values: tuple[str, ...]) -> None:
    if operator in SET_OPERATORS:
        wrong = "takes no value" if values else ""
    elif operator in NUMBER_OPERATORS:
        wrong = (
            "" if len(values) == 1 and (is_number(values[0]) or read_time(values[0])) else "takes one number or time"
        )
    elif operator in ("contains", "not_contains"):
        wrong = "" if values and all(values) else "takes values that are not empty"
    else:
        wrong = "" if values else "takes a value"
    if not wrong and len(values) > MAX_VALUES:
        wrong = f"takes at most {MAX_VALUES} values"
    if wrong:
        raise QuestionError(f"filter {text[:200]!r}: {operator} {wrong}", code="bad_filter")


def check_known(dimension: str, operator: str, values: tuple[str, ...]) -> None:
    """Raises QuestionError: a value is none that the dimension can have; parts of values are free."""
    if operator not in ("is", "is_not"):
        return
    known = CLOSED.get(dimension, values)
    for value in values:
        if value not in known:
            raise QuestionError(
                f"unknown {dimension} {value[:100]!r}: one of {', '.join(filter(None, known))}", code="bad_filter"
            )


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def read_time(text: str) -> datetime | None:
    """Return the time that a value is, None where it is none that ClickHouse could compare."""
    try:
        found = parse_time(f"{text}T00:00:00Z" if len(text) == len("2026-01-01") else text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def express(dimension: str, prefix: str) -> Expression:
    """Return the dimension in SQL; what it binds has names that begin with `prefix`.

    Raises QuestionError: there is no such dimension.
    """
    if dimension in EVENT_DIMENSIONS:
        return Expression(dimension, {})
    if dimension in SESSION_DIMENSIONS:
        return Expression(SESSION_DIMENSIONS[dimension], {}, of_session=True)
    kind, _, name = dimension.partition(".")
    if kind in PROPERTY_COLUMNS and 0 < len(name.encode()) <= MAX_NAME_BYTES and "\0" not in name:
        return express_property(PROPERTY_COLUMNS[kind], name, prefix)
    known = ", ".join(sorted([*EVENT_DIMENSIONS, *SESSION_DIMENSIONS]))
    reason = f"unknown dimension {dimension[:100]!r}: one of {known}, property.NAME, user_property.NAME"
    raise QuestionError(reason, code="unknown_dimension")


def express_property(column: str, name: str, prefix: str) -> Expression:
    """Return a property as text: of the paths that the name may mean, the first that an event has."""
    params: dict[str, object] = {
        f"{prefix}_path_{number}": Identifier(path) for number, path in enumerate(paths_of(name))
    }
    paths = [f"{column}.{{{key}:Identifier}}" for key in params]
    if len(paths) == 1:
        return Expression(f"toString({paths[0]})", params)
    *first, last = paths
    found = ", ".join(f"isNotNull({path}), toString({path})" for path in first)
    return Expression(f"multiIf({found}, toString({last}))", params)


def paths_of(name: str) -> list[str]:
    """Return the paths that a property's name may mean, the flattest first.

    A dot stands for itself within a key, where it is stored as %2E (json_type_escape_dots_in_keys), or between a key
    and one within it. Of more than a few dots all are the one or all the other.
    """
    keys = name.split(".")
    dots = len(keys) - 1
    kinds = list(itertools.product(("%2E", "."), repeat=dots)) if dots <= MAX_DOTS else [("%2E",) * dots, (".",) * dots]
    return ["".join(itertools.chain(*zip(keys, (*kind, ""), strict=True))) for kind in kinds]


def compile_filters(filters: Iterable[Filter], prefix: str = "filter") -> Conditions:
    """Return the conditions that hold where all the filters do; what they bind has names that begin with `prefix`."""
    filters = list(filters)
    is_of_types = [(asked.dimension, asked.operator) for asked in filters] == [("type", "is")]
    event: list[str] = []
    session: list[str] = []
    params: dict[str, object] = {}
    for number, asked in enumerate(filters):
        value = express(asked.dimension, f"{prefix}_{number}")
        name = f"{prefix}_{number}_values"
        operator = OPERATORS[asked.operator]
        if asked.operator in TEXT_OPERATORS:
            params[name] = list(asked.values)
        elif asked.operator in NUMBER_OPERATORS and is_number(asked.values[0]):
            params[name] = float(asked.values[0])
        elif asked.operator in NUMBER_OPERATORS and (at := read_time(asked.values[0])):
            operator, params[name] = LATER, at.isoformat()
        sql = "(" + operator.format(value=value.sql, name=name, sign=SIGNS.get(asked.operator)) + ")"
        (session if value.of_session else event).append(sql)
        params |= value.params
    return Conditions(tuple(event), tuple(session), params, filters[0].values if is_of_types else ())
