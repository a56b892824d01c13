"""A backup, made while events arrive and are loaded, has each of them exactly once and goes on elsewhere."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from spooled import Totals, make_entry, open_spool, totals

from shockmouse_analytics_server import erasure, loader
from shockmouse_analytics_server.backup import Manifest, backup, no_erasure, read_manifest, restore, views_away
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.erasure_journal import Subject, begin, unfinished
from shockmouse_analytics_server.erasure_work import Place
from shockmouse_analytics_server.errors import DatabaseError, LockedError, SchemaError, UsageError
from shockmouse_analytics_server.locks import hold
from shockmouse_analytics_server.migrate import up, verify
from shockmouse_analytics_server.projects import Directory
from shockmouse_analytics_server.spool import Spool

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The data folder, the backup and the new data folder."""
    old, kept, new = tmp_path / "old", tmp_path / "kept", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    return old, kept, new


@contextlib.asynccontextmanager
async def loading(spool: Spool, database: Database, folder: Path) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    with Counters(folder / "counters.sqlite") as counters:
        running = asyncio.create_task(
            loader.run(spool, database, loading_lock=folder / "loading.lock", stopping=stopping, counters=counters)
        )
        try:
            yield
        finally:
            stopping.set()
            await running


async def drained(folder: Path, database: Database) -> Totals:
    """Load what the folder's spool has; return what is counted then."""
    with open_spool(folder) as spool:
        async with loading(spool, database, folder), asyncio.timeout(30):
            while spool.status().rows:  # noqa: ASYNC110 # nobody tells when the spool is empty
                await asyncio.sleep(0.01)
    return await totals(database)


async def filled(database: Database, folder: Path, events: int = 30) -> None:
    await up(database)
    with open_spool(folder) as spool:
        spool.append([make_entry(events, device_id=f"device-{number}") for number in range(3)])
    await drained(folder, database)


async def elsewhere(database: Database, kept: Path, new: Path) -> list:
    """Restore into a database beside this one and load the rest; return what is counted there."""
    beside = database.beside("restored")
    try:
        await restore(beside, new, kept)
        return [await drained(new, beside), await verify(beside)]
    finally:
        await beside.drop()


def test_a_restore_that_fails_leaves_the_views(database):
    async def scenario(opened: Database) -> list:
        await up(opened)
        inside = []
        with contextlib.suppress(SchemaError):
            async with views_away(opened):
                inside = await verify(opened)
                raise SchemaError("not as many rows")
        return [bool(inside), await verify(opened)]

    assert database.run(scenario) == [True, []]


def test_a_backup_under_load_has_each_acknowledged_event_once(database, folders):
    old, kept, new = folders

    async def scenario(opened: Database) -> tuple[int, int, list]:
        await up(opened)
        acknowledged: list[int] = []
        done = asyncio.Event()

        async def send() -> None:
            while not done.is_set():
                await asyncio.to_thread(spool.append, [make_entry(20, device_id=f"device-{len(acknowledged) % 5}")])
                acknowledged.append(20)
                await asyncio.sleep(0)

        with open_spool(old) as spool:
            async with loading(spool, opened, old), asyncio.TaskGroup() as group:
                group.create_task(send())
                await asyncio.sleep(0.5)
                before = sum(acknowledged)
                await backup(opened, old, kept)
                after = sum(acknowledged)
                done.set()
        return before, after, await elsewhere(opened, kept, new)

    before, after, (counted, differences) = database.run(scenario)
    assert (counted, differences) == (Totals.of(counted.events), [])
    assert 0 < before <= counted.events <= after + 20


def test_an_event_whose_loader_died_before_it_said_so_counts_once(database, folders):
    old, kept, new = folders

    async def scenario(opened: Database) -> list:
        await up(opened)
        with open_spool(old) as spool:
            spool.append([make_entry(50)])
        arguments = ["insert", old, opened._socket_path, opened.name]
        died = await asyncio.to_thread(
            subprocess.run, [sys.executable, HERE / "loader_child.py", *arguments], check=False
        )
        await backup(opened, old, kept)
        return [died.returncode, await totals(opened), await elsewhere(opened, kept, new)]

    assert database.run(scenario) == [-signal.SIGKILL, Totals.of(50), [Totals.of(50), []]]


def test_an_event_that_is_half_stored_is_counted_elsewhere_too(database, folders):
    """It is in events and not in a view when its insert is cut off there; only its next attempt heals the view."""
    old, kept, new = folders

    async def scenario(opened: Database) -> list:
        await up(opened)
        with open_spool(old) as spool, Counters(old / "counters.sqlite") as counters:
            spool.append([make_entry(50)])
            await opened.execute("alter table counts_by_quarter add constraint broken check 1 = 2")
            with pytest.raises(DatabaseError):
                await loader.Loader(spool, opened, old / "loading.lock", counters).load_round(asyncio.Event())
            await opened.execute("alter table counts_by_quarter drop constraint broken")
        half = await totals(opened)
        await backup(opened, old, kept)
        return [half.events, half.counts, await elsewhere(opened, kept, new)]

    assert database.run(scenario) == [50, 0, [Totals.of(50), []]]


def test_a_backup_waits_for_an_erasure_and_has_nobody_half_erased(database, folders):
    """One process erases; the backup that begins meanwhile has nothing of the person and no erasure under way."""
    old, kept, new = folders

    async def scenario(opened: Database) -> list:
        await up(opened)
        with open_spool(old) as spool, Directory(old / "directory.sqlite") as directory:
            spool.append([make_entry(20, device_id="own", user_id="anna"), make_entry(30, device_id="other")])
            place = Place(opened, directory, spool, old, None, has_other_nodes=False)
            subject = Subject(project="default", user_id="anna")
            erasing = asyncio.create_task(erasure.erase(place, subject, "test"))
            while not unfinished(old / "directory.sqlite"):  # noqa: ASYNC110 # nobody tells when it has begun
                await asyncio.sleep(0.01)
            told: list[str] = []
            manifest = await backup(opened, old, kept, progress=told.append)
            receipt = await asyncio.wait_for(erasing, 0.5)
        rows = {table.name: table.rows for table in manifest.tables}
        left = [len(unfinished(kept / "directory.sqlite")), rows["events"], rows["devices"], rows["erasure_rows"]]
        return [told[0], receipt.tables[0].name, left, await elsewhere(opened, kept, new)]

    waited = "an erasure is under way: its end is waited for"
    assert database.run(scenario) == [waited, "spool", [0, 30, 1, 0], [Totals.of(30), []]]


def test_no_backup_is_made_while_an_erasure_is_cut_off(folders):
    old, _, _ = folders

    async def scenario() -> None:
        with Directory(old / "directory.sqlite"):
            begin(old / "directory.sqlite", Subject(project="default", user_id="anna"), "test", 0.0)
        async with no_erasure(old, patience_seconds=0.2):
            raise AssertionError("the backup would begin")

    with pytest.raises(LockedError, match="an erasure was cut off and does not go on"):
        asyncio.run(scenario())


def test_batch_ids_and_projects_are_known_elsewhere(database, folders):
    old, kept, new = folders
    entry = make_entry(3, batch_id=uuid.uuid4())
    project = {"project": "shop", "retention_days": 30, "rollup_retention_days": 0, "ip": "drop", "timezone": "UTC"}

    async def scenario(opened: Database) -> list:
        await up(opened)
        await opened.execute("insert into projects (project, ip, version) values ('shop', 'drop', 1)")
        with open_spool(old) as spool, Directory(old / "directory.sqlite"):
            spool.append([entry])
        manifest = await backup(opened, old, kept)
        beside = opened.beside("restored")
        await restore(beside, new, kept)
        with open_spool(new) as spool:
            (again,) = spool.append([entry])
        projects = await beside.fetch("select project, ip from projects")
        await beside.drop()
        return [again.accepted, again.duplicates, projects, [file.path for file in manifest.files]]

    wanted = [{"project": project["project"], "ip": project["ip"]}]
    assert database.run(scenario) == [0, 3, wanted, ["spool.sqlite", "directory.sqlite"]]


def test_the_manifest_has_every_table_and_only_this_user_reads_it(database, folders):
    old, kept, _ = folders

    async def scenario(opened: Database) -> Manifest:
        await filled(opened, old)
        return await backup(opened, old, kept)

    manifest = database.run(scenario)
    assert {table.name: table.rows for table in manifest.tables} == {
        "audit_log": 0,
        "counts_by_name": 0,
        "counts_by_quarter": 1,
        "counts_by_value": 7,
        "counts_by_week": 7,
        "devices": 3,
        "erasure_rows": 0,
        "events": 90,
        "keys": 0,
        "measures_by_value": 0,
        "projects": 0,
        "secrets": 0,
        "sessions": 3,
        "tombstones": 0,
    }
    assert {path.stat().st_mode & 0o077 for path in [kept, *kept.rglob("*")]} == {0}


@pytest.mark.parametrize("what", ["events", "spool.sqlite", "manifest.json"])
def test_a_damaged_backup_is_refused_before_anything_is_restored(database, folders, what):
    old, kept, new = folders

    async def scenario(opened: Database) -> list:
        await filled(opened, old)
        await backup(opened, old, kept)
        (path,) = kept.rglob(f"{what}*")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        beside = opened.beside("restored")
        with pytest.raises(UsageError):
            await restore(beside, new, kept)
        return [row["name"] for row in await opened.fetch("show databases") if row["name"] == beside.name]

    assert (database.run(scenario), list(new.iterdir())) == ([], [])


def test_a_used_target_is_refused(database, folders):
    old, kept, new = folders

    async def scenario(opened: Database) -> None:
        await filled(opened, old)
        with open_spool(old) as spool:
            spool.append([make_entry()])  # waits: the batch ids of those that are loaded may be forgotten by now
        await backup(opened, old, kept)
        with pytest.raises(UsageError, match=r"spool\.sqlite has data"):
            await restore(opened.beside("restored"), old, kept)
        with pytest.raises(UsageError, match="has rows"):
            await restore(opened, new, kept)
        with pytest.raises(UsageError, match="is not an empty folder"):
            await backup(opened, old, kept)

    database.run(scenario)


def test_restore_waits_for_no_running_server(database, folders):
    old, kept, new = folders

    async def scenario(opened: Database) -> None:
        await filled(opened, old)
        await backup(opened, old, kept)
        async with hold(new / "serve.lock", 0):
            with pytest.raises(LockedError):
                await restore(opened.beside("restored"), new, kept)

    database.run(scenario)


def test_a_backup_of_a_newer_schema_is_refused(database, folders):
    old, kept, new = folders

    async def scenario(opened: Database) -> None:
        await filled(opened, old)
        await backup(opened, old, kept)
        newer = msgspec.structs.replace(read_manifest(kept), schema=99).sealed()
        (kept / "manifest.json").write_bytes(msgspec.json.encode(newer))
        with pytest.raises(SchemaError, match="the backup has schema 99"):
            await restore(opened.beside("restored"), new, kept)

    database.run(scenario)
