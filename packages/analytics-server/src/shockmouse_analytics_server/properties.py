"""/properties: names, types and example values of the properties that events carry, to choose filters from.

Looked at are the latest events of the range: a property that only older events have is not told of, and `exact` is
then false. Types are those of JSON: string, number, boolean, list.
"""

from typing import Any

import msgspec

from .clickhouse import Database
from .question import UNESCAPE, Question
from .totals import round_count

LOOKED_AT = 100_000
TYPES = (("Array", "list"), ("Bool", "boolean"), ("Int", "number"), ("UInt", "number"), ("Float", "number"))


async def properties(
    database: Database, question: Question, limit: int, looked_at: int = LOOKED_AT
) -> tuple[list[dict[str, object]], bool]:
    """Return a row per property, the most frequent first, and whether every event of the range was looked at."""
    params = question.params() | {"looked_at": looked_at + 1}
    found = await database.fetch(question.sql("properties"), params=params, settings=UNESCAPE)
    events = found.pop(0)["stored"] if found else 0
    return [describe(row) for row in found[:limit]], events <= looked_at


def describe(row: dict[str, Any]) -> dict[str, object]:
    return {
        "name": row["name"],
        "types": sorted({type_of(name) for name in row["types"]}),
        "events": round_count(row["events"]),
        "examples": [msgspec.json.decode(text) for text in row["examples"]],
    }


def type_of(name: str) -> str:
    """Return JSON's name of what ClickHouse stores."""
    return next((told for begin, told in TYPES if name.startswith(begin)), "string")
