"""The schema: a block fills every table once, rows end with their retention, and a cluster has its form."""

import re

import pytest

from shockmouse_analytics_server.backfill import cutting
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.journal import TABLE
from shockmouse_analytics_server.migrate import FOLDER, find, up, verify
from shockmouse_analytics_server.statements import fill

pytestmark = pytest.mark.engine

TABLES = [
    "audit_log", "counts_by_name", "counts_by_name_view", "counts_by_quarter", "counts_by_quarter_view",
    "counts_by_value", "counts_by_value_view", "counts_by_week", "counts_by_week_view", "devices", "devices_view",
    "erasure_rows", "events", "keys", "measures_by_value", "measures_by_value_view", "migration_journal",
    "migration_lock_0000000001", "projects", "secrets", "sessions", "sessions_view", "tombstones",
]  # fmt: skip
# What the loader or a view fills, and what shards it on a cluster.
FILLED = {
    "events": "device_id", "sessions": "device_id", "devices": "device_id", "counts_by_quarter": None,
    "counts_by_value": None, "counts_by_week": None, "measures_by_value": None, "counts_by_name": None,
}  # fmt: skip
WINDOW = (
    "non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000, "
    "replicated_deduplication_window_seconds = 604800"
)
FSYNC = "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"
LOADER = {
    "async_insert": 0,
    "deduplicate_insert": "enable",
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_insert_block_size": 200_000,
    "min_insert_block_size_rows": 0,
    "min_insert_block_size_bytes": 0,
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
}
COLUMNS = (
    "project", "at", "event_id", "type", "name", "device_id", "session_id", "session_started", "sample_rate",
    "path", "retention", "rollup_retention", "properties",
)  # fmt: skip
NOW = 1_795_000_000


def row(number: int, *, at: int = NOW, kind: str = "page", retention: int = 0) -> str:
    event_id = f"00000000-0000-0000-0000-{number:012d}"
    device = f"device-{number % 3}"
    return (
        f'["shop",{at},"{event_id}","{kind}","Home","{device}","s",{at},0.5,"/p{number}",{retention},{retention},'
        f'{{"price":{number}}}]'
    )


def block(*rows: str) -> bytes:
    return "\n".join(rows).encode()


async def counts(opened: Database) -> list:
    return await opened.fetch(
        "select (select count() from events) as events, (select sum(events) from sessions) as in_sessions, "
        "(select count() from sessions final) as sessions, (select sum(events) from devices) as in_devices, "
        "(select count() from devices final) as devices, (select sum(events) from counts_by_quarter) as weighted, "
        "(select sum(events) from counts_by_value where dimension = 'path') as by_path, "
        "(select sum(events) from counts_by_week where dimension = 'path') as by_week"
    )


def creates() -> list[str]:
    return [text for file in find() for text in file.statements]


def test_the_schema_has_its_tables_and_is_what_the_files_say(database):
    async def scenario(opened: Database) -> list:
        await up(opened)
        sql = "select name from system.tables where database = currentDatabase() order by name"
        return [[row["name"] for row in await opened.fetch(sql)], await verify(opened)]

    assert database.run(scenario) == [TABLES, []]


def test_a_block_sent_again_counts_once_in_every_table(migrated):
    body = block(*(row(number, kind="page" if number % 2 else "track") for number in range(9)))

    async def scenario(opened: Database) -> list:
        for _ in range(3):
            await opened.insert("events", COLUMNS, body, settings={**LOADER, "insert_deduplication_token": "a:1"})
        return await counts(opened)

    assert migrated.run(scenario) == [
        {
            "events": 9,
            "in_sessions": 9,
            "sessions": 3,
            "in_devices": 9,
            "devices": 3,
            "weighted": 18,
            "by_path": 18,
            "by_week": 18,
        }
    ]


def test_rows_end_with_their_retention(migrated):
    rows = [row(0, at=NOW - 400 * 86400, retention=30), row(1, at=NOW - 400 * 86400), row(2, retention=3000)]

    async def scenario(opened: Database) -> list:
        await opened.insert("events", COLUMNS, block(*rows), settings=LOADER)
        for table in FILLED:
            await opened.execute(f"optimize table {table} final")
        return await counts(opened)

    assert migrated.run(scenario) == [
        {
            "events": 2,
            "in_sessions": 2,
            "sessions": 2,
            "in_devices": 2,
            "devices": 2,
            "weighted": 4,
            "by_path": 4,
            "by_week": 4,
        }
    ]


def test_what_is_filled_has_its_window_and_everything_is_synced(migrated):
    async def scenario(opened: Database) -> list:
        return await opened.fetch(
            "select name, create_table_query as made from system.tables "
            "where database = currentDatabase() and engine like '%MergeTree' and not startsWith(name, 'migration_lock')"
        )

    made = {row["name"]: row["made"] for row in migrated.run(scenario)}
    assert {name for name, text in made.items() if FSYNC not in text} == set()
    assert {name for name, text in made.items() if WINDOW in text} == set(FILLED)
    # The journal keeps what was done; what else has no TTL says why in its file.
    assert {name for name, text in made.items() if " TTL " not in text} == {"projects", "keys", "migration_journal"}
    assert sum(path.read_text().count("-- no TTL: ") for path in FOLDER.glob("*.sql")) == 2


def test_every_statement_may_run_again():
    wanted = re.compile(
        r"(\{\{cut\(\w+\)\}\} )?create (table|materialized view) if not exists |\{\{distributed\(|\{\{backfill\("
        r"|drop table if exists "
    )
    assert [text for text in creates() if not wanted.match(text)] == []


def test_no_mark_is_left_out():
    tables = [text for text in creates() if text.startswith("create")]
    assert [text for text in tables if "{{on_cluster}}" not in text or re.search(r"engine = [^{]", text)] == []


@pytest.mark.parametrize("table", FILLED)
def test_a_filled_table_has_its_parts_and_its_whole_on_a_cluster(table):
    filled = [fill(text, "main") for text in creates()]
    (local,) = [
        text for text in filled if text.startswith(f"create table if not exists {table}_local on cluster `main`")
    ]
    (whole,) = [text for text in filled if text.startswith(f"create table if not exists {table} on cluster `main`")]
    key = "cityHash64(device_id)" if FILLED[table] else "rand()"
    assert re.search(r"engine = Replicated\w*MergeTree\(", local)
    assert whole.endswith(f"as {table}_local\nengine = Distributed('main', currentDatabase(), '{table}_local', {key})")


def test_a_cut_is_made_on_every_shard():
    assert [" ".join(text.split()) for text in cutting("events", "main")] == [
        "drop table if exists events_cut_local on cluster `main` sync",
        "create table events_cut_local on cluster `main` as events_local",
        "alter table events_cut_local on cluster `main` attach partition all from events_local",
        "create table if not exists events_cut on cluster `main` as events_cut_local"
        " engine = Distributed('main', currentDatabase(), 'events_cut_local', rand())",
    ]


def test_views_stay_on_their_shard():
    views = [fill(text, "main") for text in creates() if text.startswith("create materialized view")]
    source = re.compile(r"\n *from events_local\n")
    pattern = re.compile(r"create materialized view if not exists \w+ on cluster `main` to \w+_local as\n")
    assert [bool(pattern.match(view)) and bool(source.search(view)) for view in views] == [True] * 6


def test_shared_tables_have_every_row_on_every_shard():
    shared = [fill(text, "main") for text in [TABLE.strip(), *find()[4].statements]]
    place = "MergeTree('/clickhouse/tables/everywhere/{database}/{table}', '{shard}-{replica}'"
    assert [text for text in shared if place not in text or "_local" in text] == []


@pytest.mark.parametrize("cluster", [None, "main"])
def test_the_engine_can_read_every_statement(database, cluster):
    filled = [text for text in (fill(one, cluster) for one in [TABLE, *creates()]) if text] + cutting("events", cluster)

    async def scenario(opened: Database) -> list:
        return [await opened.fetch(f"explain ast {text}", params={"partition": "202611"}) for text in filled]

    kinds = re.compile("Create|Insert|Drop|Alter")
    assert all(kinds.search(answer[0]["explain"]) for answer in database.run(scenario))
