"""Migrations: applied once and in order, resumed after any crash, refused when something does not agree."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.errors import LockedError, SchemaError
from shockmouse_analytics_server.migrate import find, plan, status, up, verify
from shockmouse_analytics_server.migration_lock import migration_lock

pytestmark = pytest.mark.engine

# Each statement is safe to run again; the copies are equal only when every one ran, in order.
FIRST = """-- 0001 letters: a table; with it; its rows.
create table if not exists letters {{on_cluster}} (letter String) engine = {{Replacing}} order by letter;
insert into letters select 'a;b''--' as letter /* ; */ where 1;
insert into letters values ('c');
"""
SECOND = """
create table if not exists copies {{on_cluster}} (letter String) engine = {{Replacing}} order by letter;
insert into copies select letter from letters final;
"""
MIGRATOR = """
import asyncio, sys
from pathlib import Path
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.migrate import up

url, socket_path, user, password, name, folder, stop = sys.argv[1:]
seen = []
def progress(line):
    seen.append(line)
    if len(seen) == int(stop):
        print(line, flush=True)
        sys.stdin.read()
async def main():
    path = Path(socket_path) if socket_path else None
    async with Database(url=url, socket_path=path, user=user, password=password, database=name) as database:
        print("applied", await up(database, folder=Path(folder), progress=progress), flush=True)
asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path, letters=FIRST, copies=SECOND)


def written(folder: Path, **texts: str) -> Path:
    for number, (name, text) in enumerate(texts.items(), 1):
        (folder / f"{number:04d}_{name}.sql").write_text(text)
    return folder


def migrator(place, folder: Path, *, stop: int) -> subprocess.Popen:
    """A real process that stops (and keeps the lock) at the given line of its progress."""
    engine = place.engine
    names = [
        engine.url,
        str(engine.socket_path or ""),
        engine.user,
        engine.password,
        place.name,
        str(folder),
        str(stop),
    ]
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATOR, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def rows_of(database: Database) -> dict:
    return {
        table: [row["letter"] for row in await database.fetch(f"select letter from {table} final order by letter")]
        for table in ("letters", "copies")
    }


COMPLETE = {"letters": ["a;b'--", "c"], "copies": ["a;b'--", "c"]}


def test_up_applies_everything_once(database, folder):
    async def scenario(opened: Database) -> list:
        first, second = await up(opened, folder=folder), await up(opened, folder=folder)
        return [first, second, await rows_of(opened), await verify(opened, folder=folder)]

    assert database.run(scenario) == [[1, 2], [], COMPLETE, []]


@pytest.mark.parametrize("point", range(1, 11))
def test_a_killed_migrator_is_resumed_from_every_point(database, folder, point):
    with migrator(database, folder, stop=point) as child:
        assert child.stdout.readline().startswith("000")
        child.kill()

    async def scenario(opened: Database) -> list:
        await up(opened, folder=folder)
        states = [row.state for row in await status(opened, folder=folder)]
        return [states, await rows_of(opened), await verify(opened, folder=folder)]

    assert database.run(scenario) == [["applied", "applied"], COMPLETE, []]


def test_what_has_finished_does_not_run_again(database, folder):
    with migrator(database, folder, stop=8) as child:
        assert child.stdout.readline()
        child.kill()
    ran: list[str] = []
    database.run(lambda opened: up(opened, folder=folder, progress=ran.append))
    assert ran == [
        "0002_copies.sql, statement 1 of 2 runs",
        "0002_copies.sql, statement 1 of 2 has run",
        "0002_copies.sql, statement 2 of 2 runs",
        "0002_copies.sql, statement 2 of 2 has run",
    ]


def test_of_many_migrators_at_once_each_statement_is_run_by_one(database, folder):
    children = [migrator(database, folder, stop=-1) for _ in range(4)]
    lines = sorted(child.communicate(timeout=60)[0] for child in children)

    async def scenario(opened: Database) -> list:
        counted = await opened.fetch(
            "select number, statement, state, count() as times from migration_journal group by all having times > 1"
        )
        return [counted, await rows_of(opened)]

    assert lines == ["applied [1, 2]\n", *["applied []\n"] * 3]
    assert database.run(scenario) == [[], COMPLETE]


def test_who_waits_too_long_hears_who_holds_the_lock(database, folder):
    async def scenario(opened: Database) -> str:
        with pytest.raises(LockedError) as caught:
            await up(opened, folder=folder, wait_seconds=0.5)
        return str(caught.value)

    with migrator(database, folder, stop=1) as child:
        assert child.stdout.readline()
        message = database.run(scenario)
        child.kill()
    assert f" {child.pid} (last heard of " in message


def test_a_lock_without_a_heartbeat_expires_and_its_owner_notices(database):
    async def scenario(opened: Database) -> list:
        options = {"cluster": None, "wait_seconds": 20.0}
        async with migration_lock(opened, expiry_seconds=1000, **options) as first:
            async with migration_lock(opened, expiry_seconds=1, **options) as second:
                inside = [await first.held(), await second.held()]
            return [*inside, await first.held()]

    assert database.run(scenario) == [False, True, False]


def test_a_heartbeat_keeps_the_lock(database):
    async def scenario(opened: Database) -> bool:
        async with migration_lock(opened, cluster=None, wait_seconds=1, expiry_seconds=3) as first:
            with pytest.raises(LockedError):
                async with migration_lock(opened, cluster=None, wait_seconds=6, expiry_seconds=3):
                    pass
            return await first.held()

    assert database.run(scenario)


def test_a_changed_applied_file_is_refused(database, folder):
    async def scenario(opened: Database) -> list:
        await up(opened, folder=folder)
        written(folder, letters=FIRST + "-- one more line\n")
        with pytest.raises(SchemaError) as caught:
            await up(opened, folder=folder)
        return [str(caught.value), [row.state for row in await status(opened, folder=folder)],
                await verify(opened, folder=folder)]  # fmt: skip

    assert database.run(scenario) == [
        "0001_letters.sql was changed after release 0.1.0 had applied it",
        ["changed", "applied"],
        ["0001 letters is changed"],
    ]


def test_other_line_ends_are_no_change(database, folder):
    async def scenario(opened: Database) -> list:
        await up(opened, folder=folder)
        (folder / "0001_letters.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
        return await up(opened, folder=folder)

    assert database.run(scenario) == []


def test_a_file_that_failed_may_be_mended(database, folder):
    async def scenario(opened: Database) -> list:
        written(folder, letters=FIRST, copies=SECOND.replace("from letters", "from nowhere"))
        with pytest.raises(SchemaError, match=r"0002_copies\.sql, statement 2 of 2: Code: 60"):
            await up(opened, folder=folder)
        before = [row.state for row in await status(opened, folder=folder)]
        written(folder, letters=FIRST, copies=SECOND)
        return [before, await up(opened, folder=folder), await rows_of(opened)]

    assert database.run(scenario) == [["applied", "begun"], [2], COMPLETE]


def test_a_newer_schema_is_refused_unless_it_knows_this_release(database, folder, tmp_path_factory):
    old = written(tmp_path_factory.mktemp("old"), letters=FIRST)

    async def scenario(opened: Database) -> str:
        await up(opened, folder=folder)
        with pytest.raises(SchemaError) as caught:
            await up(opened, folder=old)
        return str(caught.value)

    assert database.run(scenario) == (
        "the database has schema 2, made by release 0.1.0, which needs servers that know schema 2; "
        "this is release 0.1.0 with schema 1: install 0.1.0 or later"
    )


def test_a_server_runs_on_a_newer_schema_that_allows_it(database, tmp_path, tmp_path_factory):
    new = written(tmp_path, letters=FIRST, copies="-- 0002 copies\n-- oldest: 0001\n" + SECOND)
    old = written(tmp_path_factory.mktemp("old"), letters=FIRST)

    async def scenario(opened: Database) -> list:
        await up(opened, folder=new)
        return [await up(opened, folder=old), [row.state for row in await status(opened, folder=old)]]

    assert database.run(scenario) == [[], ["applied", "unknown"]]


def test_plan_prints_what_would_run(database, folder):
    async def scenario(opened: Database) -> list:
        one_node = await plan(opened, folder=folder)
        cluster = await plan(opened, folder=folder, cluster="main")
        return [[step.sql for step in one_node][0:2], cluster[0].sql, len(await plan(opened))]

    everywhere = len([line for file in find() for line in file.statements if not line.startswith("{{distributed")])
    assert database.run(scenario) == [
        [
            "create table if not exists letters  (letter String) engine = ReplacingMergeTree order by letter",
            "insert into letters select 'a;b''--' as letter /* ; */ where 1",
        ],
        "create table if not exists letters on cluster `main` (letter String) engine = ReplicatedReplacingMergeTree() "
        "order by letter",
        everywhere,
    ]


def test_verify_finds_what_was_changed_by_hand(database, folder):
    async def scenario(opened: Database) -> list:
        await up(opened, folder=folder)
        await opened.execute("alter table letters add column more String")
        await opened.execute("create table mine (x UInt8) engine = MergeTree order by x")
        await opened.execute("drop table copies sync")
        return [line.splitlines()[0] for line in await verify(opened, folder=folder)]

    assert database.run(scenario) == [
        "table copies is missing",
        "table mine is in no applied file",
        "table letters differs",
    ]


def test_a_database_that_is_not_there_has_everything_missing(database):
    async def scenario(opened: Database) -> set:
        return {row.state for row in await status(opened.beside("nowhere"))}

    assert database.run(scenario) == {"missing"}


RAW = """
create table if not exists raw {{on_cluster}} (day Date, n UInt64) engine = {{MergeTree}}
partition by toYYYYMM(day) order by n;
"""
LATER = """
create table if not exists totals {{on_cluster}} (tens UInt64, total UInt64, rows UInt64)
engine = {{Summing}} order by tens
settings non_replicated_deduplication_window = 1000;
{{cut(raw)}} create materialized view if not exists totals_view {{on_cluster}} to totals as
select intDiv(n, 10) as tens, sum(n) as total, count() as rows from raw group by tens;
{{backfill(raw_cut)}} insert into totals
select intDiv(n, 10) as tens, sum(n) as total, count() as rows from raw_cut where _partition_id = {partition:String}
group by tens order by all;
select throwIf((select sum(rows) from totals) < (select count() from raw_cut), 'the backfill is not whole');
drop table if exists raw_cut {{on_cluster}} sync;
"""
EVENTS = "insert into raw select toDate('2026-01-01') + number % 90, number from numbers({first:UInt64}, 1000)"
COUNTED = "select sum(total) as n, sum(totals.rows) as rows from totals"
WHOLE = "select sum(n) as n, count() as rows from raw"


def test_a_late_view_knows_what_was_there_before(database, tmp_path):
    written(tmp_path, raw=RAW)
    waited: list[str] = []

    @contextlib.asynccontextmanager
    async def loader_waits():
        waited.append("begun")
        yield
        waited.append("ended")

    async def scenario(opened: Database) -> list:
        await up(opened, folder=tmp_path)
        await opened.execute(EVENTS, params={"first": 0})
        written(tmp_path, raw=RAW, totals=LATER)
        await up(opened, folder=tmp_path, loader_waits=loader_waits)
        await opened.execute(EVENTS, params={"first": 1000})
        whole = await opened.fetch(WHOLE)
        return [await opened.fetch(COUNTED) == whole, whole, waited, await verify(opened, folder=tmp_path)]

    assert database.run(scenario) == [True, [{"n": 1_999_000, "rows": 2000}], ["begun", "ended"], []]


@pytest.mark.parametrize("point", range(1, 15))
def test_a_backfill_goes_on_where_it_was_killed_while_events_arrive(database, tmp_path, point):
    written(tmp_path, raw=RAW)

    async def fill(opened: Database) -> None:
        await up(opened, folder=tmp_path)
        await opened.execute(EVENTS, params={"first": 0})

    async def scenario(opened: Database) -> list:
        await opened.execute(EVENTS, params={"first": 1000})
        await up(opened, folder=tmp_path)
        await opened.execute(EVENTS, params={"first": 2000})
        return [await opened.fetch(COUNTED), await verify(opened, folder=tmp_path)]

    database.run(fill)
    written(tmp_path, raw=RAW, totals=LATER)
    with migrator(database, tmp_path, stop=point) as child:
        assert child.stdout.readline().startswith("0002")
        child.kill()
    assert database.run(scenario) == [[{"n": 4_498_500, "rows": 3000}], []]
