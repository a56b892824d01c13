"""From spool to views, each event once: the loader's rules, each tried with the real engine and the real schema."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.errors import DatabaseError, SpoolBrokenError
from shockmouse_analytics_server.loader import Loader
from shockmouse_analytics_server.pieces import encode_rows
from shockmouse_analytics_server.segments import Segment
from shockmouse_analytics_server.spool import Spool

from .conftest import Place
from .spooled import MONTH, NOON, Totals, entry_of, make_deed, make_entry, make_measure, make_row, open_spool, totals

T = TypeVar("T")
pytestmark = pytest.mark.engine

FILLED = (
    "events",
    "sessions",
    "devices",
    "counts_by_quarter",
    "counts_by_value",
    "counts_by_week",
    "measures_by_value",
    "counts_by_name",
)
COUNT_PARTS = """
select table, count() as parts from system.parts where database = currentDatabase() and active
and table in {tables:Array(String)} group by table order by table
"""
BROKEN_VIEW = "create materialized view broken to sink as select throwIf(name = 'boom') as failed from events"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


def with_loader(place: Place, spool: Spool, folder: Path, scenario: Callable[[Loader, Database], Awaitable[T]]) -> T:
    """Run a scenario with a loader of its own, as after a restart."""

    async def inside(database: Database) -> T:
        with Counters(folder / "counters.sqlite") as counters:
            return await scenario(Loader(spool, database, folder / "loading.lock", counters), database)

    return place.run(inside)


def load_all(place: Place, spool: Spool, folder: Path) -> Totals:
    """Load what waits and return what is counted then."""

    async def scenario(loader: Loader, database: Database) -> Totals:
        await loader.load_round(asyncio.Event())
        return await totals(database)

    return with_loader(place, spool, folder, scenario)


def cut(spool: Spool, block: int = 0) -> Segment:
    segment = segments.cut(spool.file, 1 << 40, block)
    assert segment is not None
    return segment


def insert_only(place: Place, spool: Spool, folder: Path, segment: Segment) -> None:
    """Give a segment to ClickHouse and forget that it answered."""
    with_loader(place, spool, folder, lambda loader, _: loader.insert(segment))


def test_every_table_counts_every_event(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    spool.append([make_entry(100, device_id=f"device {number}") for number in range(7)])
    assert load_all(migrated, spool, tmp_path) == Totals.of(700)
    assert spool.status().rows == 0


def test_a_retried_segment_counts_once_in_events_and_in_every_view(
    migrated: Place, spool: Spool, tmp_path: Path
) -> None:
    rows = [*(make_measure() for _ in range(10)), *(make_deed() for _ in range(10))]
    spool.append([make_entry(980), entry_of(rows)])
    segment = cut(spool)
    for _ in range(3):
        insert_only(migrated, spool, tmp_path, segment)
    assert load_all(migrated, spool, tmp_path) == Totals.of(1_000)


def test_a_segment_is_never_cut_again(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """What arrives after an unclear attempt goes into a segment of its own."""
    spool.append([make_entry(40)])
    first = cut(spool)
    insert_only(migrated, spool, tmp_path, first)
    spool.append([make_entry(60)])
    with open_spool(tmp_path) as restarted:
        again = segments.find_fresh(restarted.file)
        assert again == first
        assert load_all(migrated, restarted, tmp_path) == Totals.of(100)


def test_equal_rows_in_two_segments_count_twice(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """Only the token makes a block the same: rows that happen to be equal are not taken for a retry."""
    row = make_row()
    for _ in range(2):
        spool.append([entry_of([row], batch_id=make_entry().batch_id)])
        load_all(migrated, spool, tmp_path)
    counted = migrated.run(totals)
    assert counted == Totals(2, 1, 2, 2, 2, 2, 2, 2, 2)


def test_the_token_holds_the_hash_of_the_bytes(spool: Spool) -> None:
    """ClickHouse discards a token that it knows, whatever the rows; so other rows must have another token."""
    spool.append([make_entry(2)])
    segment = cut(spool)
    assert segment.token == f"{segment.id}:{segments.sha256(segment.body)}"


def test_a_segment_that_changed_on_disk_is_not_sent(spool: Spool) -> None:
    spool.append([make_entry(2)])
    cut(spool)
    with spool.file.transaction() as connection:
        connection.execute("update pieces set body = cast(replace(body, '/pricing', '/changed') as blob)")
    with pytest.raises(SpoolBrokenError, match="has changed on disk"):
        segments.find_fresh(spool.file)


def test_the_largest_segment_is_one_block(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """100,000 rows that would be several blocks by default settings of parallel reading are one part of each table."""
    rows = [make_row(device_id=f"device {number % 100}") for number in range(segments.MAX_ROWS - 2)]
    spool.append([entry_of([*rows, make_measure(), make_deed()])])
    segment = cut(spool)
    assert segment.range.rows == segments.MAX_ROWS

    async def scenario(loader: Loader, database: Database) -> list[int]:
        await database.execute("system stop merges")
        await loader.insert(segment)
        await loader.insert(segment)
        found = [row["parts"] for row in await database.fetch(COUNT_PARTS, params={"tables": FILLED})]
        await database.execute("system start merges")
        return found

    assert with_loader(migrated, spool, tmp_path, scenario) == [1] * len(FILLED)
    assert migrated.run(totals) == Totals.of(segments.MAX_ROWS)


def test_months_are_segments_of_their_own(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """A block over more than 100 partitions would be refused."""
    spool.append([entry_of([make_row(at=NOON - number * MONTH) for number in range(6)])])
    assert load_all(migrated, spool, tmp_path) == Totals.of(6)
    with Counters(tmp_path / "counters.sqlite") as counters:
        assert {count.name: count.value for count in counters.totals()}["loaded_segments"] == 6


def test_a_failed_view_is_healed_by_the_same_token(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    spool.append([make_entry(9, name="boom")])

    async def fails(loader: Loader, database: Database) -> int:
        await database.execute("create table sink (failed UInt8) engine = MergeTree order by tuple()")
        await database.execute(BROKEN_VIEW)
        with pytest.raises(DatabaseError, match="throwIf"):
            await loader.load_round(asyncio.Event())
        await database.execute("drop view broken")
        return (await totals(database)).events

    stored = with_loader(migrated, spool, tmp_path, fails)
    waiting = spool.status()
    assert (stored, waiting.rows, waiting.segments, waiting.quarantined) == (9, 9, 1, 0)
    assert load_all(migrated, spool, tmp_path) == Totals.of(9)
    assert spool.status().rows == 0


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_forgotten_token_is_looked_up_by_batch_id(
    migrated: Place, spool: Spool, tmp_path: Path, is_stored: bool
) -> None:
    """The window is made small, and other inserts push the token out of it."""
    spool.append([make_entry(500)])
    segment = cut(spool)
    if is_stored:
        insert_only(migrated, spool, tmp_path, segment)

    async def others(loader: Loader, database: Database) -> bool:
        for table in FILLED:
            await database.execute(f"alter table {table} modify setting non_replicated_deduplication_window = 5")
        for number in range(20):
            await loader.insert(Segment(0, f"other {number}", 0, segment.range, 0, spare_row(number)))
        # As the loader sees it when thousands of blocks have come in between.
        await loader.load(segment, segment.block + 5_000)
        return await loader.is_stored(segment)

    assert with_loader(migrated, spool, tmp_path, others)
    assert migrated.run(totals) == Totals.of(520)
    assert spool.status().rows == 0


def spare_row(number: int) -> bytes:
    return encode_rows([make_row(device_id=f"other {number}")])[0].body


def test_tokens_count_as_forgotten_when_blocks_count_from_anew(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """A restored database has the rows, but none of the tokens and lower block numbers."""
    spool.append([make_entry(5)])
    segment = cut(spool, block=900)

    async def restored(loader: Loader, database: Database) -> Totals:
        await loader.insert(Segment(0, "not the token", 0, segment.range, 0, segment.body))
        await loader.load_round(asyncio.Event())
        return await totals(database)

    assert with_loader(migrated, spool, tmp_path, restored) == Totals.of(5)


def test_what_the_loader_fills_is_fsynced(migrated: Place) -> None:
    wanted = (
        "fsync_after_insert = 1",
        "fsync_part_directory = 1",
        "min_rows_to_fsync_after_merge = 1",  # the embedded engine removes what was merged at once
        "non_replicated_deduplication_window = 10000",
    )

    async def scenario(database: Database) -> dict[str, bool]:
        tables = await database.fetch(
            "select name, create_table_query as sql from system.tables where database = currentDatabase()"
            " and name in {tables:Array(String)}",
            params={"tables": FILLED},
        )
        return {table["name"]: all(each in table["sql"] for each in wanted) for table in tables}

    assert migrated.run(scenario) == dict.fromkeys(FILLED, True)


def test_loaded_rows_are_counted(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    spool.append([make_entry(30), make_entry(12)])
    load_all(migrated, spool, tmp_path)
    with Counters(tmp_path / "counters.sqlite") as counters:
        found = {count.name: count.value for count in counters.totals()}
    assert found == {"loaded_rows": 42, "loaded_segments": 1}
