"""/export and the command `export`: the events of a range as stored, oldest first, in constant memory.

jsonl      an event a line, objects as objects, context too, which is stored as text: what `import` reads
csv        a line of names, then an event a line; every cell in quotes. A cell that a spreadsheet would take for a
           formula, as it begins with = + - @, a tab or a carriage return, gets a ' before it
parquet    typed columns, objects as JSON text; a row group for each slice
Times      are in UTC. Project and retention are left out: an import has its own
Slices     of time, of some thousand events at most, asked for one after another and each sorted by itself: to read all
           parts of the table at once in one order takes memory for each column of each part. An event that arrives
           while its slice has been told is not in the export; none is told twice
"""

from collections.abc import AsyncGenerator, AsyncIterator

from msgspec import Struct

from .clickhouse import Database
from .parquet import Joined
from .question import UNESCAPE, Question
from .ranges import from_ms, to_ms
from .rows import ROW_COLUMNS

COLUMNS = tuple(name for name in ROW_COLUMNS if name not in ("project", "retention", "rollup_retention"))
# As senders and all other answers name them.
SHOWN = {name: "session_started_at" if name == "session_started" else name for name in COLUMNS}
OBJECTS = frozenset({"fingerprint", "user_properties", "properties"})
TIMES = frozenset({"at", "session_started", "received_at", "sent_at"})
FORMULA = r"'^[=+\\-@\\t\\r]'"
CONTEXT = r"if(events.context = '', '{}', translate(events.context, '\n\r', '  '))"  # JSON, all of it in the line
INTERVALS = 4000  # looked at in one go
SETTINGS = {
    **UNESCAPE,
    "prefer_column_name_to_alias": 1,  # filters mean what is stored, not how it is shown
    "max_block_size": 512,  # with 8192 it was 60 MB more in the engine, and slower
    "max_read_buffer_size": 8192,  # each of some hundred columns and paths has one: 128 KiB of them were 20 MB more
    "max_read_buffer_size_local_fs": 8192,
    "max_threads": 1,  # as fast when rows leave in order, and each thread would hold blocks of its own
    # An export may take as long as it needs; its memory stays bounded.
    "max_execution_time": 0,
    "max_rows_to_read": 0,
    "max_result_rows": 0,
    "max_result_bytes": 0,
}
SORTED = {"optimize_read_in_order": 0}  # parts are read one by one, not all of them at once
IN_ORDER = {"optimize_read_in_order": 1}
PARQUET = {
    "output_format_parquet_parallel_encoding": 0,
    "output_format_parquet_write_page_index": 0,
    "output_format_parquet_write_bloom_filter": 0,
}


class Format(Struct, frozen=True):
    """How an export is written: ClickHouse's name of it, the media type, what stands before the first event.

    slice_events: so many at most are read at once. A smaller slice is slower, a larger one takes more memory.
    """

    name: str
    media_type: str
    head: bytes = b""
    slice_events: int = 4096


FORMATS = {
    # Of one column, the line; each takes the engine 13 KB on its way.
    "jsonl": Format("TSVRaw", "application/x-ndjson", slice_events=2048),
    "csv": Format("CSV", "text/csv; charset=utf-8", (",".join(f'"{name}"' for name in SHOWN.values()) + "\n").encode()),
    "parquet": Format("Parquet", "application/vnd.apache.parquet"),
}


class Slice(Struct, frozen=True):
    """Consecutive events: those of [start, end), milliseconds since 1970; of one moment's many only a part."""

    start: int
    end: int
    events: int
    skipped: int | None = None


class Part(Struct, frozen=True):
    """What comes next of an export, and how many events are complete with it."""

    body: bytes
    events: int = 0


async def export(
    database: Database, question: Question, form: str, *, slice_events: int | None = None
) -> AsyncGenerator[Part, None]:
    """Yield the export; the events come as they are read, so many at most at once, else as many as suit the format."""
    joined = Joined()
    first = Part(FORMATS[form].head)
    async for part in slices(database, question, slice_events or FORMATS[form].slice_events):
        rows = stream(database, question, form, part)
        if form == "parquet":
            yield Part(joined.add(b"".join([chunk async for chunk in rows])), part.events)
            continue
        async for chunk in rows:
            yield Part(first.body + chunk)
            first = Part(b"")
        yield Part(b"", part.events)
    if form == "parquet":
        yield Part(joined.end())
    elif first.body:
        yield first


def stream(database: Database, question: Question, form: str, part: Slice) -> AsyncIterator[bytes]:
    """Return the bytes of a slice."""
    columns = line() if form == "jsonl" else ", ".join(column(name, form) for name in COLUMNS)
    is_whole = part.skipped is None
    sql = question.sql("export", columns=columns, part="" if is_whole else question.sql("export_part"))
    params = question.params() | {"slice_start": from_ms(part.start), "slice_end": from_ms(part.end)}
    params |= {} if is_whole else {"skipped": part.skipped, "rows": part.events}
    settings = SETTINGS | (SORTED if is_whole else IN_ORDER) | (PARQUET if form == "parquet" else {})
    return database.stream(sql, format=FORMATS[form].name, params=params, settings=settings)


async def slices(database: Database, question: Question, most: int) -> AsyncIterator[Slice]:
    """Yield the slices of the question's range, one without events where it has none."""
    is_empty = True
    start, end = to_ms(question.range.start), to_ms(question.range.end)
    async for part in divided(database, question, start, end, most):
        is_empty = False
        yield part
    if is_empty:
        yield Slice(start, start, 0)


async def divided(database: Database, question: Question, start: int, end: int, most: int) -> AsyncIterator[Slice]:
    """Yield slices of [start, end); an interval with too many events is divided again, down to a millisecond."""
    width = max(1, -(-(end - start) // INTERVALS))
    since, events = start, 0
    for place, count in await counted(database, question, start, end, width):
        at = start + place * width
        if events and events + count > most:
            yield Slice(since, at, events)
            since, events = at, 0
        if count <= most:
            events += count
            continue
        following = min(at + width, end)
        if width > 1:
            async for part in divided(database, question, at, following, most):
                yield part
        else:
            for skipped in range(0, count, most):
                yield Slice(at, following, min(most, count - skipped), skipped)
        since = following
    if events:
        yield Slice(since, end, events)


async def counted(database: Database, question: Question, start: int, end: int, width: int) -> list[tuple[int, int]]:
    """Return the intervals of this width that have events, by place, and how many."""
    slice_ = {"slice_start": from_ms(start), "slice_end": from_ms(end), "first_ms": start, "width_ms": width}
    found = await database.fetch(question.sql("export_counted"), params=question.params() | slice_, settings=SETTINGS)
    return [(row["place"], row["events"]) for row in found]


async def count(database: Database, question: Question) -> int:
    """Return how many events an export of the question has."""
    start, end = to_ms(question.range.start), to_ms(question.range.end)
    return sum(events for _, events in await counted(database, question, start, end, max(1, end - start)))


def line() -> str:
    """Return an event as a line of JSON in SQL, its context last."""
    others = ", ".join(f"events.{name} as {SHOWN[name]}" for name in COLUMNS if name != "context")
    told = f"formatRowNoNewline('JSONEachRow', {others})"
    return f"concat(substring({told} as told, 1, length(told) - 1), ',\"context\":', {CONTEXT}, '}}') as line"


def column(name: str, form: str) -> str:
    """Return a column in SQL as the format shows it; the table is named, so that its columns are meant, not these."""
    stored, shown = f"events.{name}", SHOWN[name]
    text = f"toJSONString({stored})" if name == "fingerprint" else f"toString({stored})"
    if form == "parquet":
        return f"{text if name in OBJECTS or name.endswith('_id') else f'{stored}{plain(name)}'} as {shown}"
    if name in TIMES:
        text = f"ifNull(replace(toString({stored}), ' ', 'T') || 'Z', '')"
    return f"if(match({text}, {FORMULA}), '''' || {text}, {text}) as {shown}"


def plain(name: str) -> str:
    """Return the cast that takes a column's dictionary away, which Parquet's readers need not know."""
    return "" if name in TIMES or name in ("seq", "sample_rate") else "::String"
