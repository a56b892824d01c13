"""Imports: an export comes back whole, each event once however often, in whatever pieces and after whatever crash."""

import asyncio
import contextlib
import gzip
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, Asker, event
from export_lines import EVER, line_of
from spooled import Totals, open_spool, totals

from shockmouse_analytics_server import importer, loader
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.export import export
from shockmouse_analytics_server.importer import Importer, Line, Tally
from shockmouse_analytics_server.projects import Project
from shockmouse_analytics_server.question import KINDS, Question
from shockmouse_analytics_server.ranges import Range, find_zone
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import Spool

from .serving import PROGRAM, command, command_on_terminal, environment, serving, wait_until

YEAR = Range(NOON - timedelta(days=200), NOON + timedelta(days=200), find_zone("UTC"))
RICH = {
    "properties": {
        "a.b": 1,
        "a": {"b": [1, "x"], "deep": {"er": True}},
        "when": "2026-01-01",
        "big": 2**53 + 1,
        "f": 0.1,
    },
    "user_properties": {"plan": "pro", "größe": 'ü\u0000\t"\\', "list": [1, 2]},
    "fingerprint": {"os": "Linux", "fonts": "a,b"},
    "context": json.dumps({"x": [1, None, {"a.b": 'ü\n"'}], "long": ["y" * 4000] * 5}, separators=(",", ":")),
    "bot": "crawler",
    "time_flag": "corrected",
    "user_id": "ada",
    "ip": "203.0.113.7",
    "sent_at": NOON.timestamp(),
    "received_at": NOON + timedelta(seconds=2.125),
    "sample_rate": 0.25,
}


def some_rows(count: int, **overrides: Any) -> list[Row]:
    dice = random.Random(count)
    return [
        event(
            at=NOON + timedelta(days=dice.randint(-40, 40), milliseconds=dice.randint(0, 86_399_999)),
            device_id=f"device {dice.randint(0, 9)}",
            session_id=f"session {number // 3}",
            name=f"step {number}",
            **{"received_at": NOON + timedelta(days=41), **overrides},
        )
        for number in range(count)
    ]


def exported(asker: Asker, *rows: Row) -> bytes:
    """Return what the export of the rows' project holds, once they are stored."""
    asker.store(*rows)
    question = Question(project=asker.project("shop"), range=YEAR, kinds=KINDS["include"])

    async def read() -> bytes:
        return b"".join([part.body async for part in export(asker.asking, question, "jsonl")])

    return asker.run(read())


def lines_of(text: bytes) -> list[Line]:
    return [Line(number, line) for number, line in enumerate(text.splitlines(), 1)]


def as_known(text: bytes) -> list[dict[str, Any]]:
    return sorted((json.loads(line) for line in text.splitlines()), key=lambda row: str(row["event_id"]))


@contextlib.asynccontextmanager
async def loading(spool: Spool, database: Database, folder: Path) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    with Counters(folder / "counters.sqlite") as counters:
        lock = folder / "loading.lock"
        task = asyncio.create_task(loader.run(spool, database, loading_lock=lock, stopping=stopping, counters=counters))
        try:
            yield
        finally:
            stopping.set()
            await task


def importer_of(spool: Spool, database: Database, project: Project = EVER, erased: str = "") -> Importer:
    return Importer(spool, database, project, is_erased=lambda row: row.user_id == erased != "")


async def imported(spool: Spool, database: Database, folder: Path, *groups: list[Line], erased: str = "") -> Tally:
    async with loading(spool, database, folder):
        importing = importer_of(spool, database, erased=erased)
        await importing.begin()
        for group in groups:
            assert await importing.take(group) == []
        await importing.end()
    return importing.tally


@pytest.mark.engine
def test_a_round_trip_keeps_every_field(shared: Any, migrated: Any, tmp_path: Path) -> None:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        first = exported(asker, event(**RICH), *some_rows(50))

    async def scenario(database: Database) -> bytes:
        with open_spool(tmp_path) as spool:
            assert await imported(spool, database, tmp_path, lines_of(first)) == Tally(imported=51)
        question = Question(project="copy", range=YEAR, kinds=KINDS["include"])
        return b"".join([part.body async for part in export(database, question, "jsonl")])

    assert as_known(migrated.run(scenario)) == as_known(first)
    assert json.loads(str(RICH["context"])) in [line["context"] for line in as_known(first)]


@pytest.mark.engine
def test_nothing_is_doubled_however_it_comes_again(shared: Any, migrated: Any, tmp_path: Path) -> None:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        lines = lines_of(exported(asker, *some_rows(300)))
    shuffled = random.Random(1).sample(lines, len(lines))

    async def scenario(database: Database) -> None:
        with open_spool(tmp_path) as spool:
            both = lines[:200], [*lines[150:], *lines[:10]]
            assert await imported(spool, database, tmp_path, *both) == Tally(imported=300, duplicates=60)
            assert await imported(spool, database, tmp_path, lines) == Tally(duplicates=300)
            with spool.file.transaction() as connection:
                connection.execute("delete from batches")  # as after 72 hours
            assert await imported(spool, database, tmp_path, shuffled[:70], shuffled[70:]) == Tally(duplicates=300)
        assert await totals(database) == Totals.of(300)

    migrated.run(scenario)


@pytest.mark.engine
def test_what_still_waits_in_the_spool_is_known(shared: Any, migrated: Any, tmp_path: Path) -> None:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        lines = lines_of(exported(asker, *some_rows(100)))

    async def scenario(database: Database) -> None:
        with open_spool(tmp_path) as spool:
            crashed = importer_of(spool, database)
            await crashed.take(lines[:60])  # no loader is there, and it never comes to its end
            assert spool.status().rows == 60
            assert await imported(spool, database, tmp_path, lines[30:]) == Tally(imported=40, duplicates=30)
        assert await totals(database) == Totals.of(100)

    migrated.run(scenario)


@pytest.mark.engine
def test_more_than_the_spool_holds_is_imported(shared: Any, migrated: Any, tmp_path: Path) -> None:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        lines = lines_of(exported(asker, *some_rows(1500, title="x" * 1000)))

    async def scenario(database: Database) -> None:
        with open_spool(tmp_path, max_bytes=1 << 20) as spool:
            groups = [lines[start : start + 100] for start in range(0, len(lines), 100)]
            assert (await imported(spool, database, tmp_path, *groups)).imported == 1500
        assert await totals(database) == Totals.of(1500)

    migrated.run(scenario)


@pytest.mark.engine
def test_a_killed_import_goes_on_where_it_ended(tmp_path: Path) -> None:
    folder, file = tmp_path / "data", tmp_path / "events.jsonl"
    count, groups = 10_000, random.randint(1, 3)
    write_export(file, count)
    assert command(folder, "project", "create", "shop", "--json").code == 0
    line = [*PROGRAM, "import", "--project", "shop", str(file)]
    with subprocess.Popen(line, env=environment(data_dir=str(folder)), stdout=subprocess.PIPE) as process:
        wait_until(lambda: spooled_batches(folder) >= groups, 60, "some groups are on disk")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    last = command(folder, "import", "--project", "shop", "--json", str(file)).json()
    assert (last["imported"] + last["duplicates"], last["malformed"]) == (count, 0)
    assert last["duplicates"] >= groups * importer.GROUP_LINES
    ids = [json.loads(line)["event_id"] for line in command(folder, "export", "--project", "shop").out.splitlines()]
    assert (len(ids), len(set(ids))) == (count, count)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a running server."""
    folder = tmp_path_factory.mktemp("import") / "data"
    with serving(folder):
        yield folder


@pytest.mark.engine
def test_an_erased_user_does_not_come_back(served: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    times = {"at": at, "session_started_at": at, "received_at": at}
    users = {"ada": "tablet", "bob": "phone"}
    file.write_bytes(b"\n".join(line_of(user_id=user, device_id=users[user], **times) for user in users))
    assert command(served, "import", "--project", "default", str(file)).code == 0
    assert command(served, "erase", "--project", "default", "--user-id", "ada").code == 0
    again = command(served, "import", "--project", "default", "--json", str(file)).json()
    assert (again["imported"], again["duplicates"], again["erased"]) == (0, 1, 1)


@pytest.mark.engine
def test_the_command_takes_files_gzip_and_standard_input(served: Path, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    write_export(plain, 30)
    packed.write_bytes(gzip.compress(plain.read_bytes().replace(b"01900000", b"01910000")))
    done = command(served, "import", "--project", "default", str(plain), str(packed))
    assert (done.code, done.out, done.err) == (0, "60 events imported, 0 were there already\n", "")
    line = [*PROGRAM, "import", "--project", "default", "--json", "-"]
    read = subprocess.run(line, env=environment(data_dir=str(served)), input=packed.read_bytes(),
                          capture_output=True, timeout=90, check=True)  # fmt: skip
    told = {"project": "default", "imported": 0, "duplicates": 30, "erased": 0, "expired": 0, "malformed": 0}
    assert json.loads(read.stdout) == told
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line[-1] = str(pipe)
    with subprocess.Popen(line, env=environment(data_dir=str(served)), stdout=subprocess.PIPE) as run:
        pipe.write_bytes(packed.read_bytes())  # what a shell hands over for `<(zcat …)`
        assert run.stdout is not None
        assert json.loads(run.stdout.read()) == told


@pytest.mark.engine
def test_malformed_lines_are_counted_and_told_and_the_others_imported(served: Path, tmp_path: Path) -> None:
    file, cut = tmp_path / "events.jsonl", tmp_path / "cut.gz"
    write_export(file, 3, first=0x0192)
    good = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([good[0], b"no json", b"", b'{"event_id": 1}', good[1], b"x" * (3 << 20), good[2]]))
    done = command(served, "import", "--project", "default", "--json", str(file))
    counts = {"project": "default", "imported": 3, "duplicates": 0, "erased": 0, "expired": 0, "malformed": 3}
    assert (done.code, json.loads(done.out)) == (1, counts)
    assert [line.removeprefix(f"{file}:").partition(":")[0] for line in done.err.splitlines()] == ["2", "4", "6"]
    cut.write_bytes(gzip.compress(b"\n".join([*good, b""]))[:-4])
    broken = command(served, "import", "--project", "default", str(cut))
    told = "0 events imported, 3 were there already\n"
    assert (broken.code, broken.out, "is damaged" in broken.err, broken.err.count("\n")) == (1, told, True, 1)
    counts |= {"imported": 0, "duplicates": 3, "malformed": 0}
    assert command(served, "import", "--project", "default", "--json", str(cut)).json() == counts
    again = command(served, "import", "--project", "default", str(file))
    assert again.out == told + "3 lines are no events of an export: left out\n"


@pytest.mark.engine
def test_import_and_export_show_how_far_they_are_on_a_terminal(served: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write_export(file, 40, first=0x0193)
    done = command_on_terminal(served, "import", "--project", "default", str(file))
    assert (done.code, done.err.split("\r")[-1].strip() or done.err.split("\r")[-2].strip()) == (0, "100% 40 events")
    told = command_on_terminal(served, "export", "--project", "default", "--format", "csv")
    total = told.out.count("\n") - 1
    assert (told.code, total >= 40) == (0, True)
    assert re.search(rf"{total} of {total} events, [\d.]+ MiB, [\d,]+ events/s", told.err), told.err


def test_a_file_that_is_not_there_is_a_wrong_use(tmp_path: Path) -> None:
    done = command(tmp_path / "data", "import", "--project", "shop", str(tmp_path / "none"))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    folder = command(tmp_path / "data", "import", "--project", "shop", str(tmp_path))
    assert (folder.code, f"{tmp_path} is a folder" in folder.err) == (2, True)


@pytest.mark.engine
def test_events_older_than_the_project_keeps_them_are_left_out(shared: Any, migrated: Any, tmp_path: Path) -> None:
    project = Project(name="short", created_at=0, retention_days=30, rollup_retention_days=0, ip="drop",
                      timezone="UTC", version=1)  # fmt: skip
    times = [datetime.now(UTC) - timedelta(days=days) for days in range(2, 62, 6)]
    lines = [Line(n, line_of(at=at.isoformat(), received_at=at.isoformat(), ip="203.0.113.0"))
             for n, at in enumerate(times)]  # fmt: skip

    async def scenario(database: Database) -> None:
        with open_spool(tmp_path) as spool:
            async with loading(spool, database, tmp_path):
                importing = importer_of(spool, database, project)
                await importing.take(lines)
                await importing.end()
            assert importing.tally == Tally(imported=5, expired=5)
        found = await database.fetch("select distinct ip, retention from events where project = 'short'")
        assert found == [{"ip": "", "retention": 30}]

    migrated.run(scenario)


def test_groups_stay_small() -> None:
    assert importer.GROUP_LINES * importer.WAITING_GROUPS <= 100_000


def spooled_batches(folder: Path) -> int:
    path = folder / "spool.sqlite"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return int(connection.execute("select count(*) from batches").fetchone()[0])
    return 0


def write_export(path: Path, count: int, first: int = 0x0190) -> None:
    """Write a file as an export of so many recent events would be."""
    start = time.time() - count
    with path.open("wb") as file:
        for number in range(count):
            at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(start + number))
            times = {"at": at, "session_started_at": at, "received_at": at}
            event_id = str(uuid.UUID(int=(first << 112) + number))
            file.write(line_of(event_id=event_id, name=f"step {number}", **times) + b"\n")
