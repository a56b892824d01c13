"""The loader as a task and as a process: kills at named points, an engine that is away, seconds until rows are seen."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from shockmouse_analytics_server import loader, locks, segments
from shockmouse_analytics_server.appender import Appender
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.migrate import up
from shockmouse_analytics_server.spool import BATCH_MEMORY_SECONDS, Spool

from .conftest import Place
from .spooled import Totals, entry_of, make_entry, make_row, open_spool, totals

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def loading(spool: Spool, database: Database, folder: Path) -> AsyncIterator[None]:
    """The loader runs for as long as the block lasts."""
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


async def until(is_so: Callable[[], bool], seconds: float = 30) -> float:
    """Return how long it took."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() < started + seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def until_empty(spool: Spool) -> float:
    return await until(lambda: spool.status().rows == 0)


def load_rest(place: Place, spool: Spool, folder: Path) -> Totals:
    async def scenario(database: Database) -> Totals:
        async with loading(spool, database, folder):
            await until_empty(spool)
        return await totals(database)

    return place.run(scenario)


def kill_at(what: str, place: Place, folder: Path) -> None:
    """Run a loader process that kills itself at the point."""
    script = "spool_child.py" if what == "cut" else "loader_child.py"
    where = [] if what == "cut" else [str(place.engine.socket_path), place.name]
    ended = subprocess.run([sys.executable, HERE / script, what, folder, *where], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("what", ["cut", "insert"])
def test_killed_around_the_insert(migrated: Place, spool: Spool, tmp_path: Path, what: str) -> None:
    spool.append([make_entry(300)])
    kill_at(what, migrated, tmp_path)
    spool.append([make_entry(200)])
    assert spool.status().segments == 1
    assert load_rest(migrated, spool, tmp_path) == Totals.of(500)


def test_killed_again_and_again_after_the_insert(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    for number in range(3):
        spool.append([make_entry(100)])
        kill_at("insert", migrated, tmp_path)
        assert load_rest(migrated, spool, tmp_path) == Totals.of(100 * (number + 1))


def test_killed_between_dividing_and_the_parts_and_between_the_parts(
    migrated: Place, spool: Spool, tmp_path: Path
) -> None:
    rows = [make_row() for _ in range(90)]
    rows[20].batch_id = "no uuid"
    spool.append([entry_of(rows, batch_id=uuid.uuid4())])
    kill_at("divide", migrated, tmp_path)
    assert spool.status().segments == 3
    kill_at("part", migrated, tmp_path)
    assert load_rest(migrated, spool, tmp_path) == Totals.of(89)
    status = spool.status()
    assert (status.rows, status.segments, status.quarantined) == (0, 0, 1)


@pytest.mark.alone
def test_an_event_is_seen_within_two_seconds(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    async def scenario(database: Database) -> list[float]:
        waits = []
        async with Appender(spool) as appender, loading(spool, database, tmp_path):
            for _ in range(8):
                await appender.append(make_entry(1))
                waits.append(await until_empty(spool))
        return waits

    waits = migrated.run(scenario)
    assert sorted(waits)[-2] < 2  # one of them may meet a busy machine
    assert migrated.run(totals) == Totals.of(8)


def test_few_inserts_are_made_when_little_arrives(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    async def scenario(database: Database) -> float:
        started = time.monotonic()
        async with Appender(spool) as appender, loading(spool, database, tmp_path):
            for _ in range(60):
                await appender.append(make_entry(1))
                await asyncio.sleep(0.03)
            await until_empty(spool)
        return time.monotonic() - started

    seconds = migrated.run(scenario)
    with Counters(tmp_path / "counters.sqlite") as counters:
        inserts = {count.name: count.value for count in counters.totals()}["loaded_segments"]
    assert inserts <= seconds / loader.ROUND_SECONDS + 2


def test_while_a_backup_holds_the_lock_nothing_is_loaded(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    async def scenario(database: Database) -> tuple[int, int]:
        async with locks.hold(tmp_path / "loading.lock", 1):
            spool.append([make_entry(5)])
            async with loading(spool, database, tmp_path):
                await asyncio.sleep(1)
        held = (await totals(database)).events
        async with loading(spool, database, tmp_path):
            await until_empty(spool)
        return held, (await totals(database)).events

    assert migrated.run(scenario) == (0, 5)


def test_two_loaders_by_mistake_count_nothing_twice(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    async def scenario(database: Database) -> Totals:
        with open_spool(tmp_path) as other:
            async with (
                Appender(spool) as appender,
                loading(spool, database, tmp_path),
                loading(other, database, tmp_path),
            ):
                for _ in range(40):
                    await asyncio.gather(*(appender.append(make_entry(5)) for _ in range(4)))
                    await asyncio.sleep(0.02)
                await until_empty(spool)
        return await totals(database)

    assert migrated.run(scenario) == Totals.of(800)


@contextlib.contextmanager
def engine_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "shockmouse_analytics_server.embedded", "--data-dir", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        try:
            yield child
        finally:
            child.kill()


def own_engine(folder: Path) -> Database:
    return Database(url="http://engine/", socket_path=folder / "engine.sock", database="own", timeout_seconds=2)


def test_an_engine_that_is_killed_and_away_loses_and_doubles_nothing(spool: Spool, tmp_path: Path) -> None:
    """Batches go on being accepted while the engine is away; then all is loaded, oldest first."""

    async def scenario() -> Totals:
        async with own_engine(tmp_path) as database, Appender(spool) as appender:
            with engine_process(tmp_path):
                await database.create()
                await up(database)
            async with loading(spool, database, tmp_path):
                for number in range(3):
                    with engine_process(tmp_path) as engine:
                        sending = asyncio.create_task(send(appender, 40))
                        await asyncio.sleep(0.3 + 0.2 * number)
                        engine.kill()
                        await sending
                    await send(appender, 10)
                with engine_process(tmp_path):
                    await until_empty(spool)
                    return await totals(database)

    assert asyncio.run(scenario()) == Totals.of(3 * 50 * 20)


async def send(appender: Appender, batches: int) -> None:
    for _ in range(batches):
        assert (await appender.append(make_entry(20))).accepted == 20
        await asyncio.sleep(0.02)


def test_a_frozen_engine_is_asked_the_same_again(spool: Spool, tmp_path: Path) -> None:
    """The insert times out here and is carried out there: the retry counts once."""

    async def scenario() -> tuple[Totals, bool]:
        async with own_engine(tmp_path) as database:
            with engine_process(tmp_path) as engine:
                await database.create()
                await up(database)
                spool.append([make_entry(1_000)])
                engine.send_signal(signal.SIGSTOP)
                async with loading(spool, database, tmp_path):
                    await asyncio.sleep(3)
                    waiting = spool.status().rows == 1_000
                    engine.send_signal(signal.SIGCONT)
                    await until_empty(spool)
                return await totals(database), waiting

    assert asyncio.run(scenario()) == (Totals.of(1_000), True)


def test_old_batch_ids_are_forgotten_while_it_runs(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    entries = [make_entry(1) for _ in range(5_000)]
    for entry in entries:
        entry.received_at = time.time() - BATCH_MEMORY_SECONDS
    spool.append(entries)

    async def scenario(database: Database) -> int:
        async with loading(spool, database, tmp_path):
            await until(lambda: spool.status().batches == 0, 20)
        return spool.status().batches

    assert migrated.run(scenario) == 0


def test_stopping_ends_after_the_segment_under_way(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    rows = [make_row() for _ in range(1_000)]
    for _ in range(400):
        spool.append([entry_of(rows, batch_id=uuid.uuid4())])

    async def scenario(database: Database) -> None:
        async with loading(spool, database, tmp_path):
            await until(lambda: spool.status().segments > 0)

    migrated.run(scenario)
    left = spool.status()
    assert left.rows > 0
    counted = migrated.run(totals)
    assert (counted.events, counted.sessions) == (400_000 - left.rows, 400_000 - left.rows)
    assert segments.find_fresh(spool.file) is None
