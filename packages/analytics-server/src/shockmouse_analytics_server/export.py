"""/export and the command `export`: the events of a range as stored, oldest first.

jsonl      an event a line, objects as objects: what `import` reads. Streamed in constant memory
csv        a line of names, then an event a line; every cell in quotes. A cell that a spreadsheet would take for a
           formula, as it begins with = + - @, a tab or a carriage return, gets a ' before it. Streamed, too
parquet    typed columns, objects as JSON text. Its foot stands at its end, so that an export is limited in events
Times      are in UTC. Project and retention are left out: an import has its own
"""

from collections.abc import AsyncGenerator

from msgspec import Struct

from .clickhouse import Database
from .errors import QuestionError
from .question import UNESCAPE, Question
from .rows import ROW_COLUMNS

COLUMNS = tuple(name for name in ROW_COLUMNS if name not in ("project", "retention", "rollup_retention"))
OBJECTS = frozenset({"fingerprint", "user_properties", "properties"})
TIMES = frozenset({"at", "session_started", "received_at", "sent_at"})
FORMULA = r"'^[=+\\-@\\t\\r]'"
MAX_PARQUET_EVENTS = 200_000
SETTINGS = {
    **UNESCAPE,
    "prefer_column_name_to_alias": 1,  # filters mean what is stored, not how it is shown
    "max_block_size": 8192,
    "max_threads": 1,  # as fast when rows leave in order, and each thread would hold blocks of its own
    # An export may take as long as it needs; its memory stays bounded.
    "max_execution_time": 0,
    "max_rows_to_read": 0,
    "max_result_rows": 0,
    "max_result_bytes": 0,
}


class Format(Struct, frozen=True):
    """How an export is written: ClickHouse's name of it, the media type, what stands before the first event."""

    name: str
    media_type: str
    head: bytes = b""


FORMATS = {
    "jsonl": Format("JSONEachRow", "application/x-ndjson"),
    "csv": Format("CSV", "text/csv; charset=utf-8", (",".join(f'"{name}"' for name in COLUMNS) + "\n").encode()),
    "parquet": Format("Parquet", "application/vnd.apache.parquet"),
}


async def export(database: Database, question: Question, form: str) -> AsyncGenerator[bytes]:
    """Yield the export's bytes; the events come as they are read.

    Raises QuestionError: parquet of too many events.
    """
    if form == "parquet" and await count(database, question) > MAX_PARQUET_EVENTS:
        reason = f"a parquet export holds at most {MAX_PARQUET_EVENTS} events: narrow the range, or take jsonl or csv"
        raise QuestionError(reason, code="over_limits", status=422)
    sql = question.sql("export", columns=", ".join(column(name, form) for name in COLUMNS))
    rows = database.stream(sql, format=FORMATS[form].name, params=question.params(), settings=SETTINGS)
    is_first = True
    async for part in rows:
        yield FORMATS[form].head + part if is_first else part
        is_first = False
    if is_first:
        yield FORMATS[form].head


async def count(database: Database, question: Question) -> int:
    """Return how many events an export of the question has."""
    found = await database.fetch(question.sql("export_counted"), params=question.params(), settings=SETTINGS)
    return int(found[0]["events"])


def column(name: str, form: str) -> str:
    """Return a column in SQL as the format shows it; the table is named, so that its columns are meant, not these."""
    stored = f"events.{name}"
    if form == "jsonl":
        return f"{stored} as {name}"
    text = f"toJSONString({stored})" if name == "fingerprint" else f"toString({stored})"
    if form == "parquet":
        return f"{text if name in OBJECTS or name.endswith('_id') else f'{stored}{plain(name)}'} as {name}"
    if name in TIMES:
        text = f"ifNull(replace(toString({stored}), ' ', 'T') || 'Z', '')"
    return f"if(match({text}, {FORMULA}), '''' || {text}, {text}) as {name}"


def plain(name: str) -> str:
    """Return the cast that takes a column's dictionary away, which Parquet's readers need not know."""
    return "" if name in TIMES or name in ("seq", "sample_rate") else "::String"
