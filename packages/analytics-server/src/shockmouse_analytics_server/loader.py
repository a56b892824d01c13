"""The way from the spool to ClickHouse: segment → INSERT with its token → finished, each row exactly once.

round      all that waits at its start, oldest first; at most one round a second, as an insert of one row costs
           the engine as much as one of hundreds
unclear    no answer, or an error that says nothing about the rows: the same token, bytes and settings again, for ever
refused    rows that ClickHouse cannot read: the segment is divided until the row at fault stands alone, which goes to
           quarantine; parts take turns with fresh segments, so the neighbours of a bad row wait for seconds only
forgotten  ClickHouse remembers the tokens of its last 10,000 inserts; when more than half as many came between a
           segment and its attempt, it is first looked up by its batch ids
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import backoff

from . import locks, quarantine, segments
from .clickhouse import Database
from .counters import Counters
from .errors import BadRowsError, DatabaseAwayError, DatabaseError, LockedError, SpoolFullError
from .pieces import name_of
from .rows import ROW_COLUMNS
from .segments import Segment
from .spool import FORGOTTEN_AT_ONCE, Spool
from .spool_file import SpoolFile

ROUND_SECONDS = 1.0
LOOK_SECONDS = 0.1
PARTS_SECONDS = 0.5
FORGET_SECONDS = 60.0
BACKOFF_SECONDS = 5.0
LOCK_SECONDS = 2.0
REST_SECONDS = 120.0
REST_LOOK_SECONDS = 0.005  # the loader lets go for some milliseconds between two segments
TOKEN_BLOCKS = 5_000  # half of the tables' non_replicated_deduplication_window
LOOKED_UP_ROWS = 100
REASON_CHARACTERS = 500

# One INSERT is one block, read by one thread in one order: a block cut differently would count anew.
INSERT_SETTINGS = {
    "async_insert": 0,
    "deduplicate_insert": "enable",
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_insert_block_size": 1_048_576,
    "max_insert_block_size_bytes": 0,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 1 << 30,
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
    "json_type_escape_dots_in_keys": 1,
    "type_json_skip_duplicated_paths": 1,
    "input_format_try_infer_dates": 0,  # a property's text stays text
    "input_format_try_infer_datetimes": 0,
}
NEWEST_BLOCK = """
select max(max_block_number) as block from system.parts where database = currentDatabase() and table = 'events'
"""
LOOK_UP = """
select count() as rows from events where toYYYYMM(at) = {partition:UInt32} and project in {projects:Array(String)}
and toString(batch_id) in {batches:Array(String)} and toString(event_id) in {events:Array(String)}
"""
BAD_ROW = re.compile(r"\(at row (\d+)\)")

logger = logging.getLogger(__name__)


async def run(
    spool: Spool, database: Database, *, loading_lock: Path, stopping: asyncio.Event, counters: Counters
) -> None:
    """Load until `stopping` is set; the segment under way is finished first.

    Raises SpoolBrokenError: the disk failed under the spool.
    """
    loader = Loader(spool, database, loading_lock, counters)
    waits = new_waits()
    while not stopping.is_set():
        started = time.monotonic()
        try:
            loaded = await loader.load_round(stopping)
            await loader.forget()
        except LockedError as exc:  # a backup is made
            logger.info("loading waits: %s", exc)
            await pause(stopping, LOOK_SECONDS)
            continue
        except (DatabaseError, SpoolFullError) as exc:
            counters.add("load_failures", "away" if isinstance(exc, DatabaseAwayError) else "other")
            logger.warning("loading waits, then tries the same again", exc_info=exc)
            await pause(stopping, backoff.full_jitter(next(waits)))
            continue
        waits = new_waits()
        await pause(stopping, started + ROUND_SECONDS - time.monotonic() if loaded else LOOK_SECONDS)


def new_waits() -> Iterator[float]:
    """Return how long to wait after each further failure in a row, before jitter."""
    waits = backoff.expo(base=2, factor=0.1, max_value=BACKOFF_SECONDS)
    waits.send(None)
    return waits


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), max(seconds, 0))


class Loader:
    """One per data folder: it alone cuts and finishes segments."""

    def __init__(self, spool: Spool, database: Database, loading_lock: Path, counters: Counters) -> None:
        self._spool = spool
        self._file = spool.file
        self._database = database
        self._loading_lock = loading_lock
        self._counters = counters
        self._forget_at = 0.0

    async def load_round(self, stopping: asyncio.Event) -> bool:
        """Load what waits now, unless stopped before its end; return whether anything did.

        Raises DatabaseError: the outcome of an insert is unclear; the next round begins with the same one.
        """
        newest = await asyncio.to_thread(segments.newest_waiting, self._file)
        if newest is None:
            return False
        block = await self.newest_block()
        while not stopping.is_set() and (segment := await asyncio.to_thread(next_fresh, self._file, newest, block)):
            await self.load(segment, block)
            await self.load_parts(stopping, block)
        await self.load_parts(stopping, block)
        return True

    async def load_parts(self, stopping: asyncio.Event, block: int) -> None:
        """Load parts of refused segments for a short while."""
        end = time.monotonic() + PARTS_SECONDS
        while not stopping.is_set() and time.monotonic() < end:
            part = await asyncio.to_thread(segments.find_part, self._file)
            if part is None:
                return
            await self.load(part, block)

    async def load(self, segment: Segment, block: int) -> None:
        """Insert a segment and finish it, or divide it; `block` is the table's newest before this attempt.

        Raises DatabaseError: the outcome is unclear.
        """
        async with locks.hold(self._loading_lock, LOCK_SECONDS):
            await self.load_alone(segment, block)

    async def load_alone(self, segment: Segment, block: int) -> None:
        """The same, by who holds the lock."""
        if not self.is_token_known(segment, block) and await self.is_stored(segment):
            logger.warning("segment %s was stored at an earlier attempt, and its token is forgotten", segment.id)
        else:
            try:
                await self.insert(segment)
            except BadRowsError as exc:
                await self.refuse(segment, exc, block)
                return
        await asyncio.to_thread(segments.finish, self._file, segment)
        self._counters.add("loaded_segments")
        self._counters.add("loaded_rows", amount=segment.range.rows)

    @contextlib.asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Inside, no loader works, and what is in events is in every view, too.

        A segment whose attempt was cut off may be in events and not in a view. Whoever makes a table anew from events
        then, or copies it, would have it counted twice or never when it is tried again: so it is first tried again.

        Raises LockedError: the loader is busy for minutes. DatabaseError: the outcome is unclear again.
        """
        async with locks.hold(self._loading_lock, REST_SECONDS, retry_seconds=REST_LOOK_SECONDS):
            block = await self.newest_block()
            for find in (segments.find_fresh, segments.find_part):  # of each kind the first alone is ever tried
                segment = await asyncio.to_thread(find, self._file)
                if segment is not None:
                    await self.load_alone(segment, block)
            yield

    async def insert(self, segment: Segment) -> None:
        """Give the segment to ClickHouse; once or several times, its rows count once.

        Raises BadRowsError: its rows cannot be read; DatabaseError: the outcome is unclear.
        """
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": segment.token}
        await self._database.insert("events", ROW_COLUMNS, segment.body, settings=settings)

    async def refuse(self, segment: Segment, error: BadRowsError, block: int) -> None:
        """Divide a segment whose rows cannot be read; a single row goes to quarantine.

        Raises BadRowsError again when its rows are stored nevertheless: then it is not for us to divide them.
        """
        if await self.is_stored(segment):
            raise error
        if segment.range.rows > 1:
            await asyncio.to_thread(segments.divide, self._file, segment, bad_row(error, segment), block)
            return
        reason = str(error).partition("\n")[0][:REASON_CHARACTERS]
        await asyncio.to_thread(quarantine.set_aside, self._file, segment, reason, time.time())
        self._counters.add("quarantined_rows")
        logger.error("a row is in quarantine: ClickHouse refuses it with code %d; see `spool quarantine`", error.code)

    async def newest_block(self) -> int:
        (row,) = await self._database.fetch(NEWEST_BLOCK)
        return int(row["block"])

    def is_token_known(self, segment: Segment, block: int) -> bool:
        """Tell whether ClickHouse, if it has seen the segment's token, still remembers it.

        A table whose blocks count from anew, as after a restore, remembers nothing.
        """
        return 0 <= block - segment.block < TOKEN_BLOCKS

    async def is_stored(self, segment: Segment) -> bool:
        """Tell whether events has the segment's rows; it has all or none, so some of them tell."""
        lines = segments.split_lines(segment.body)
        rows = [name_of(line) for line in lines[:: len(lines) // LOOKED_UP_ROWS + 1]]
        params = {
            "partition": segment.range.partition,
            "projects": sorted({row.project for row in rows}),
            "batches": sorted({row.batch_id for row in rows}),
            "events": [row.event_id for row in rows],
        }
        (found,) = await self._database.fetch(LOOK_UP, params=params)
        return int(found["rows"]) > 0

    async def forget(self) -> None:
        """Let the spool forget what is old: often as long as there is much of it, else once a minute."""
        if time.monotonic() >= self._forget_at:
            forgotten = await asyncio.to_thread(self._spool.forget, time.time())
            self._forget_at = time.monotonic() + (0 if forgotten >= FORGOTTEN_AT_ONCE else FORGET_SECONDS)


def next_fresh(file: SpoolFile, newest: int, block: int) -> Segment | None:
    """Return the fresh segment that is not finished, else cut one."""
    return segments.find_fresh(file) or segments.cut(file, newest, block)


def bad_row(error: BadRowsError, segment: Segment) -> int | None:
    """Return the index of the row that ClickHouse could not read, when it says which."""
    match = BAD_ROW.search(str(error))
    index = int(match[1]) - 1 if match else -1
    return index if 0 <= index < segment.range.rows else None
