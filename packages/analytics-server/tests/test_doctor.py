"""What doctor says of a database whose settings or schema are not such as this release needs."""

from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics_server import doctor
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.doctor import Finding
from shockmouse_analytics_server.migrate import FOLDER, find, up, verify

pytestmark = pytest.mark.engine


def test_the_settings_of_a_profile_that_break_a_promise_are_told(shared: Any) -> None:
    changed = {"join_use_nulls": 1, "read_overflow_mode": "break", "wait_for_async_insert": 0}

    async def look(**settings: object) -> list[Finding]:
        engine = shared.engine
        async with Database(
            url=engine.url, socket_path=engine.socket_path, user=engine.user, password=engine.password,
            database=shared.name, settings=settings,
        ) as database:  # fmt: skip
            return [one for one in await doctor.look_at_database(database) if "ClickHouse's" in one.about]

    async def both() -> tuple[list[Finding], list[Finding]]:
        return await look(), await look(**changed)

    usual, profiled = shared.run(lambda _: both())
    assert usual == [Finding("ok", "ClickHouse's settings are such as the promises need")]
    assert profiled == [
        Finding(
            "failure", f"ClickHouse's {name}: {then}", f"leave it at {wanted} in the profile of the database's user"
        )
        for name, then, wanted in (
            ("wait_for_async_insert is 0", "what is acknowledged may be lost", "1"),
            ("read_overflow_mode is break", "answers may be wrong", "throw"),
            ("join_use_nulls is 1", "answers may be wrong", "0"),
        )
    ]


def test_every_setting_that_is_looked_at_is_one(shared: Any) -> None:
    async def known(database: Database) -> set[str]:
        rows = await database.fetch(doctor.SETTINGS, params={"names": sorted(doctor.PROFILE)})
        return {row["name"] for row in rows}

    assert shared.run(known) == set(doctor.PROFILE)


def test_a_schema_that_a_newer_release_made_is_told_with_what_helps(database: Any, tmp_path: Path) -> None:
    count = len(find())
    for migration in find():
        (tmp_path / migration.file).write_text((FOLDER / migration.file).read_text())
    newer = f"{count + 1:04d}_later.sql"
    (tmp_path / newer).write_text("create table if not exists later (n UInt8) engine = MergeTree order by n;\n")

    async def scenario(opened: Database) -> list[list[Finding]]:
        missing = [*doctor.judge_schema(await verify(opened))]
        await up(opened, folder=tmp_path)
        return [missing, [*doctor.judge_schema(await verify(opened))]]

    missing, unknown = database.run(scenario)
    assert {one.advice for one in missing} == {doctor.OLDER}
    assert [(one.about, one.advice) for one in unknown] == [
        (f"{count + 1:04d} later is unknown", doctor.NEWER),
        ("table later is in no applied file", doctor.NEWER),
    ]


def test_a_table_without_a_setting_of_its_file_is_told(migrated: Any) -> None:
    async def scenario(opened: Database) -> list[Finding]:
        await opened.execute("alter table sessions modify setting fsync_after_insert = 0")
        return [*doctor.judge_schema(await verify(opened))]

    assert migrated.run(scenario) == [Finding("failure", "table sessions differs", doctor.OTHER)]
