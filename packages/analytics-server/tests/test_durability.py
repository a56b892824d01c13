"""What was acknowledged is on disk, whatever happens to the process or the disk; with real processes and faults."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.appender import Appender
from shockmouse_analytics_server.errors import SpoolBrokenError, SpoolFullError
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import Appended

from .spooled import make_entry, open_spool

pytestmark = pytest.mark.crashes

CHILD = Path(__file__).with_name("spool_child.py")
KILLS = 6

needs_linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("strace") is None,
    reason="needs Linux, root and strace to break a disk",
)


class Child:
    """A process at work on the spool, and what it has said."""

    def __init__(self, folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self.log = folder / f"{time.monotonic_ns()}.log"
        with self.log.open("wb") as output:
            command = [*prefix, sys.executable, str(CHILD), arguments[0], str(folder), *arguments[1:]]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)

    def kill(self) -> list[str]:
        """End it with kill -9 and return its whole lines."""
        for each in psutil.Process(self.process.pid).children(recursive=True):
            each.kill()
        self.process.kill()
        self.process.wait()
        return self.lines()

    def lines(self) -> list[str]:
        text = self.log.read_text()
        return text[: text.rfind("\n") + 1].splitlines()

    def wait_for_lines(self, number: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.lines()) < number:
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.01)


def event_ids(folder: Path) -> Counter[str]:
    """Return how often each event is in the spool, read through a connection of its own."""
    with open_spool(folder) as spool, spool.file.reading() as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        bodies = [body for (body,) in connection.execute("select body from pieces")]
    lines = segments.split_lines(b"".join(bodies))
    return Counter(msgspec.json.decode(line, type=Row).event_id for line in lines)


def acknowledged(lines: list[str]) -> set[str]:
    return {event_id for line in lines for event_id in line.split() if not line.endswith("Error")}


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    dice = random.Random(1)
    expected: set[str] = set()
    for number in range(KILLS):
        children = [Child(tmp_path, "append", f"{number} {worker}") for worker in range(2)]
        for child in children:
            child.wait_for_lines(1)
        time.sleep(dice.uniform(0, 0.2))
        for child in children:
            expected |= acknowledged(child.kill())
        stored = event_ids(tmp_path)
        assert stored.keys() >= expected
        assert set(stored.values()) == {1}


def test_processes_that_send_the_same_batches_store_each_once(tmp_path: Path) -> None:
    children = [Child(tmp_path, "same", "200") for _ in range(3)]
    assert [child.process.wait(60) for child in children] == [0, 0, 0]
    answers = [tuple(map(int, child.lines()[0].split())) for child in children]
    assert (sum(new for new, _ in answers), sum(old for _, old in answers)) == (600, 1_200)
    stored = event_ids(tmp_path)
    assert (len(stored), set(stored.values())) == (600, {1})


def test_processes_that_open_a_new_spool_together_lay_it_out_once(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        children = [Child(folder, "same", "1") for _ in range(4)]
        assert [child.process.wait(60) for child in children] == [0, 0, 0, 0]
        assert len(event_ids(folder)) == 3


def test_a_process_that_dies_holding_the_lock_blocks_nobody(tmp_path: Path) -> None:
    holder = Child(tmp_path, "hold")
    holder.wait_for_lines(1)
    with open_spool(tmp_path) as spool:
        holder.kill()
        assert spool.append([make_entry(2)]) == [Appended(2, 0)]


@needs_linux_root
@pytest.mark.parametrize("when", [4, 9, 30])
def test_after_a_failed_fsync_nothing_more_is_acknowledged(tmp_path: Path, when: int) -> None:
    with open_spool(tmp_path):
        pass
    fault = f"inject=fdatasync,fsync:error=EIO:when={when}"
    child = Child(tmp_path, "append", "1", prefix=("strace", "-f", "-qq", "-o", "/dev/null", "-e", fault))
    deadline = time.monotonic() + 60
    while child.lines().count("SpoolBrokenError") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lines = child.kill()
    broken = lines.index("SpoolBrokenError")
    assert set(lines[broken:]) == {"SpoolBrokenError"}
    stored = event_ids(tmp_path)
    assert stored.keys() >= acknowledged(lines[:broken])
    assert set(stored.values()) <= {1}
    with open_spool(tmp_path) as spool:
        assert spool.append([make_entry(1)]) == [Appended(1, 0)]


@contextlib.contextmanager
def immutable(path: Path) -> Iterator[None]:
    subprocess.run(["chattr", "+i", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


@needs_linux_root
def test_a_file_that_cannot_be_written_breaks_the_spool_and_a_restart_mends_it(tmp_path: Path) -> None:
    kept, lost = make_entry(3), make_entry(4)
    with open_spool(tmp_path) as spool:
        spool.append([kept])
        with immutable(tmp_path / "spool.sqlite-wal"), pytest.raises(SpoolBrokenError):
            spool.append([lost])
        with pytest.raises(SpoolBrokenError):
            spool.append([lost])
        with pytest.raises(SpoolBrokenError):
            spool.probe()
    with open_spool(tmp_path) as spool:
        assert spool.append([kept, lost]) == [Appended(0, 3), Appended(4, 0)]


@needs_linux_root
def test_a_broken_spool_tells_every_caller_and_that_the_process_should_end(tmp_path: Path) -> None:
    async def scenario(appender: Appender) -> list[str]:
        answers = await asyncio.gather(
            *(appender.append(make_entry(1)) for _ in range(3)), appender.probe(), return_exceptions=True
        )
        return [type(answer).__name__ for answer in answers]

    async def inside() -> tuple[list[str], bool]:
        with open_spool(tmp_path) as spool:
            async with Appender(spool) as appender:
                await appender.append(make_entry(1))
                with immutable(tmp_path / "spool.sqlite-wal"):
                    return await scenario(appender), appender.broken.is_set()

    assert asyncio.run(inside()) == (["SpoolBrokenError"] * 4, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@needs_linux_root
def test_a_disk_that_is_really_full_undoes_the_append_and_the_spool_goes_on(small_disk: Path) -> None:
    stored: set[str] = set()
    with open_spool(small_disk) as spool:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(2 << 20))
        with contextlib.suppress(SpoolFullError):
            while True:
                entry = make_entry(20, context="x" * 2_000)
                spool.append([entry])
                stored |= {row.event_id for row in entry.rows}
        refused = make_entry(200, context="x" * 2_000)
        with pytest.raises(SpoolFullError):
            spool.append([refused])
        assert stored
        ballast.unlink()
        assert spool.append([refused]) == [Appended(200, 0)]
    assert event_ids(small_disk) == Counter(stored | {row.event_id for row in refused.rows})


@needs_linux_root
def test_the_reserve_leaves_room_to_finish_what_waits(small_disk: Path) -> None:
    """A spool on a full disk drains: finishing needs room for the log."""
    with open_spool(small_disk, reserve_bytes=1 << 20) as spool:
        with contextlib.suppress(SpoolFullError):
            while True:
                spool.append([make_entry(20, context="x" * 2_000)])
        segment = segments.cut(spool.file, 1 << 40, 0)
        assert segment is not None
        segments.finish(spool.file, segment)
        assert spool.status().rows == 0
        assert spool.append([make_entry(20)]) == [Appended(20, 0)]


def test_a_frozen_process_keeps_nobody_from_reading(tmp_path: Path) -> None:
    holder = Child(tmp_path, "hold")
    holder.wait_for_lines(1)
    holder.process.send_signal(signal.SIGSTOP)
    with open_spool(tmp_path) as spool:
        assert spool.status().rows == 0
        holder.kill()
