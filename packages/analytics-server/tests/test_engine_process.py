"""The engine's process: it keeps what it acknowledged, ends with its parent, and serves one folder at a time."""

import asyncio
import contextlib
import fcntl
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from tests.tries import least

from shockmouse_analytics_server.clickhouse import Database, open_database
from shockmouse_analytics_server.embedded import ensure_engine, start_engine
from shockmouse_analytics_server.engine_socket import socket_of
from shockmouse_analytics_server.errors import DatabaseAwayError, LockedError

from .serving import is_alive, wait_until

pytestmark = pytest.mark.engine

COMMAND = """
import asyncio, sys
from pathlib import Path
from shockmouse_analytics_server.embedded import ensure_engine
async def main():
    async with ensure_engine(Path(sys.argv[1])):
        print("inside", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


def command(folder: Path) -> subprocess.Popen:
    """A process that needs the engine until a line is written to it."""
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", COMMAND, str(folder)], stdin=pipe, stdout=pipe, text=True)
    assert child.stdout.readline() == "inside\n"
    return child


def engines(parent: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if "embedded" in " ".join(child.cmdline())]


async def one(folder: Path) -> list:
    async with open_database(data_dir=folder, clickhouse_url=None, database="default") as database:
        return await database.fetch("select 1 as one")


def test_a_command_starts_the_engine_and_ends_it(tmp_path):
    async def scenario() -> list:
        async with ensure_engine(tmp_path):
            inside = await one(tmp_path)
        with pytest.raises(DatabaseAwayError):
            await one(tmp_path)
        return inside

    assert asyncio.run(scenario()) == [{"one": 1}]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "engine",
        "engine.address",
        "engine.lock",
        "engine.sock",
    ]


def test_nobody_else_reaches_the_engine(tmp_path):
    async def scenario() -> list:
        async with ensure_engine(tmp_path):
            return [(path.name, stat.S_IMODE(path.stat().st_mode) & 0o077) for path in tmp_path.iterdir()]

    assert {mode for _, mode in asyncio.run(scenario())} == {0}


def test_a_long_folder_has_its_socket_elsewhere(tmp_path, monkeypatch):
    short = Path(tempfile.mkdtemp(prefix="run-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    folder = tmp_path / ("long" * 30)
    folder.mkdir()

    async def scenario() -> list:
        async with ensure_engine(folder):
            return await one(folder)

    try:
        assert asyncio.run(scenario()) == [{"one": 1}]
        assert socket_of(folder).parent.parent == short
    finally:
        shutil.rmtree(short)


def test_a_command_that_fails_leaves_the_engine_to_who_uses_it(tmp_path):
    async def failing(begun: asyncio.Event, goes_on: asyncio.Event) -> None:
        async with ensure_engine(tmp_path):
            begun.set()
            await goes_on.wait()
            raise ValueError("failed")

    async def scenario() -> list:
        begun, goes_on = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(failing(begun, goes_on))
        await begun.wait()
        async with ensure_engine(tmp_path):
            goes_on.set()
            await asyncio.wait({first}, timeout=0.5)
            found = await one(tmp_path)
        with pytest.raises(ValueError, match="failed"):
            await first
        return found

    assert asyncio.run(scenario()) == [{"one": 1}]


def test_commands_share_the_engine_until_the_last_has_ended(tmp_path):
    with command(tmp_path) as first, command(tmp_path) as second:
        assert [len(engines(first.pid)), len(engines(second.pid))] == [1, 0]
        first.stdin.write("\n")
        first.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.5)
        assert asyncio.run(one(tmp_path)) == [{"one": 1}]
        second.communicate("\n", timeout=10)
        assert [first.wait(10), second.returncode] == [0, 0]


def test_many_commands_at_once_find_an_engine(tmp_path):
    pipe = subprocess.PIPE
    options = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(subprocess.Popen(options, stdin=pipe, stdout=pipe, text=True)) for _ in range(4)
        ]
        for child in children:
            child.stdin.write("\n")
            child.stdin.close()
        outputs = [child.stdout.read() for child in children]
        assert (outputs, [child.wait(30) for child in children]) == (["inside\n"] * 4, [0] * 4)


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_engine_ends_with_its_parent(tmp_path, number):
    """What has ended stays a zombie until init collects it, which may take seconds and hinders nobody."""

    def seconds() -> float:
        with command(tmp_path) as parent:
            (engine,) = engines(parent.pid)
            started = time.monotonic()
            parent.send_signal(number)
            wait_until(lambda: not is_alive(engine), 10, "the engine has ended")
            with (tmp_path / "engine.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # the folder is free
            return time.monotonic() - started

    assert least(seconds, 2) < 2


@pytest.mark.alone
def test_a_running_question_does_not_keep_the_engine_alive(tmp_path):
    async def scenario() -> float:
        child = await start_engine(tmp_path)
        async with open_database(data_dir=tmp_path, clickhouse_url=None, database="default") as database:
            endless = "select max(sipHash64(number)) as n from numbers(1000000000000)"
            asking = asyncio.create_task(database.fetch(endless))
            await asyncio.sleep(0.3)
            started = time.monotonic()
            child.stdin.close()
            await child.wait()
            with pytest.raises(DatabaseAwayError):
                await asking
        return time.monotonic() - started

    assert least(lambda: asyncio.run(scenario()), 2) < 2


def test_one_folder_has_one_engine(tmp_path):
    async def scenario() -> str:
        async with ensure_engine(tmp_path):
            with pytest.raises(LockedError) as caught:
                await start_engine(tmp_path, lock_seconds=0)
            return str(caught.value)

    assert str(tmp_path / "engine.lock") in asyncio.run(scenario())


def test_a_killed_engine_keeps_what_it_acknowledged(tmp_path):
    async def insert_until_killed(database: Database) -> int:
        child = await start_engine(tmp_path)
        await database.execute(
            "create table if not exists t (n UInt64) engine = MergeTree order by n "
            "settings fsync_after_insert = 1, fsync_part_directory = 1"
        )
        asyncio.get_running_loop().call_later(0.4, child.kill)
        start = len(acknowledged)
        while True:
            try:
                await database.insert("t", ("n",), f"[{start + len(acknowledged)}]".encode())
            except DatabaseAwayError:
                break
            acknowledged.append(start + len(acknowledged))
        return await child.wait()

    async def scenario() -> list:
        async with open_database(data_dir=tmp_path, clickhouse_url=None, database="default") as database:
            for _ in range(3):
                await insert_until_killed(database)
            async with ensure_engine(tmp_path):
                return [row["n"] for row in await database.fetch("select n from t order by n")]

    acknowledged: list[int] = []
    kept = asyncio.run(scenario())
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
    assert len(acknowledged) > 3


def test_answers_that_nobody_reads_on_hold_up_nobody(tmp_path):
    endless = "select number, repeat('x', 1000) as x from numbers(100000000)"

    async def begin(database: Database) -> None:
        stream = database.stream(endless, format="Native")
        await anext(stream)
        await stream.aclose()

    async def scenario() -> list:
        async with (
            ensure_engine(tmp_path),
            open_database(data_dir=tmp_path, clickhouse_url=None, database="default") as database,
            asyncio.timeout(30),
        ):
            await asyncio.gather(*(begin(database) for _ in range(8)))
            running = "select query from system.processes where query like 'select number, repeat(%'"
            while await database.fetch(running):  # noqa: ASYNC110 # the engine tells nobody
                await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_long_questions_hold_up_no_insert(tmp_path):
    endless = "select max(sipHash64(number)) as n from numbers(1000000000000)"

    async def scenario() -> list:
        async with (
            ensure_engine(tmp_path),
            open_database(data_dir=tmp_path, clickhouse_url=None, database="default") as database,
        ):
            await database.execute("create table t (n UInt64) engine = MergeTree order by n")
            asking = [asyncio.create_task(database.fetch(endless, settings={"max_threads": 1})) for _ in range(6)]
            await asyncio.sleep(0.2)
            await database.insert("t", ("n",), b"[1]")
            running = [not task.done() for task in asking]
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return running

    assert asyncio.run(scenario()) == [True] * 6


def test_a_stopped_engine_is_away_after_the_time_out(tmp_path):
    async def scenario() -> list:
        child = await start_engine(tmp_path)
        url, socket_path = "http://engine/", socket_of(tmp_path)
        async with Database(url=url, socket_path=socket_path, database="default", timeout_seconds=1) as database:
            await database.fetch("select 1 as one")
            child.send_signal(signal.SIGSTOP)
            with pytest.raises(DatabaseAwayError):
                await database.fetch("select 1 as one")
            child.send_signal(signal.SIGCONT)
            answer = await database.fetch("select 1 as one")
        child.stdin.close()
        await child.wait()
        return answer

    assert asyncio.run(scenario()) == [{"one": 1}]
