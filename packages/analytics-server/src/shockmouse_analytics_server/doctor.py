"""`doctor`: looks at folder, disk, spool, database and clock, and says what to do about what is wrong."""

import contextlib
import itertools
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .clickhouse import Database
from .errors import ConfigError
from .places import open_database
from .spool import SpoolStatus

Level = Literal["ok", "warning", "failure"]

NEWER = "a newer release has migrated the database: install that one or a later; `migrate up` of this one cannot help"
OLDER = "`migrate up` applies what is missing; serve does when it starts"
OTHER = "`migrate verify` shows both sides; nothing is mended by itself"
RESTORE = "check the disk; stop serve and restore from a backup"
BEGIN_ANEW = "check the disk; restart serve, which sets the file aside and begins it anew"
RESERVE_BYTES = 64 << 20
COMFORT_BYTES = 2 << 30
LAG_SECONDS = 300.0
CLOCK_SECONDS = 5.0
OLDEST_VERSION = (25, 8)
CLOCK_FLOOR = 1_763_000_000.0  # November 2025: this release is younger
LOST, MISCOUNTED, WRONG = "what is acknowledged may be lost", "events may be counted wrongly", "answers may be wrong"
OVERFLOWS = ("read", "result", "timeout", "group_by", "distinct", "set", "join", "sort")
# What a user's profile must leave as ClickHouse has it, and what happens else. All other that matters we set ourselves,
# and the settings of the tables are part of the schema.
PROFILE = {
    "wait_for_async_insert": ("1", LOST),
    "fsync_metadata": ("1", LOST),
    "insert_deduplicate": ("1", MISCOUNTED),
    "materialized_views_ignore_errors": ("0", MISCOUNTED),
    **{f"{what}_overflow_mode": ("throw", WRONG) for what in OVERFLOWS},
    **dict.fromkeys(("skip_unavailable_shards", "use_query_cache", "limit", "offset"), ("0", WRONG)),
    **dict.fromkeys(("join_use_nulls", "group_by_use_nulls", "transform_null_in"), ("0", WRONG)),
    "aggregate_functions_null_for_empty": ("0", WRONG),
    "additional_table_filters": ("{}", WRONG),
    "additional_result_filter": ("", WRONG),
}
SETTINGS = "select name, value from system.settings where name in {names:Array(String)} order by name"
DATABASE_STATE = """
select version() as version, toUnixTimestamp64Milli(now64(3)) / 1000 as now, getSetting('readonly') as readonly,
(select count() from system.mutations where database = currentDatabase() and not is_done and latest_fail_reason != '')
as stuck
"""


class Finding(Struct, frozen=True):
    """One thing looked at: how it is, and what to do where it is not well."""

    level: Level
    about: str
    advice: str = ""


def look_at_places(path: Path | None) -> Iterator[Finding]:
    """Yield whether the GeoIP database, if one is named, can be read."""
    if path is None:
        return
    try:
        open_database(path).close()
    except ConfigError as exc:
        yield Finding("failure", str(exc), "name a file in MMDB format with GEOIP_DATABASE, or none")
    else:
        yield Finding("ok", f"{path.name} is a GeoIP database")


def look_at_folder(data_dir: Path) -> Iterator[Finding]:
    """Yield what is to be said of the data folder's rights and owner."""
    state = data_dir.stat()
    if stat.S_IMODE(state.st_mode) & 0o077:
        yield Finding("warning", f"others may look into {data_dir}", f"chmod 700 {data_dir}")
    if state.st_uid != os.geteuid():
        yield Finding("warning", f"{data_dir} belongs to another user", "run commands as the user that serves")
    open_files = [path.name for path in data_dir.glob("*.sqlite*") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_files:
        yield Finding("warning", f"others may read {', '.join(sorted(open_files))}", f"chmod 600 {data_dir}/*.sqlite*")
    yield Finding("ok", f"data folder {data_dir}")


def look_at_disk(data_dir: Path, spool_max_bytes: int) -> Iterator[Finding]:
    """Yield what is to be said of the free space."""
    free = shutil.disk_usage(data_dir).free
    if free < RESERVE_BYTES:
        yield Finding("failure", f"{free >> 20} MiB free: ingestion answers 503", "free space on the disk now")
    elif free < COMFORT_BYTES:
        yield Finding("warning", f"{free >> 20} MiB free", "free space, or move the data folder to a larger disk")
    else:
        yield Finding("ok", f"{free >> 30} GiB free")
    if free < spool_max_bytes:
        advice = "while the database is away the disk fills first; lower SPOOL_MAX_BYTES to keep room for it"
        yield Finding("warning", f"the spool may grow to {spool_max_bytes >> 20} MiB, more than is free", advice)


def look_at_file(path: Path, advice: str) -> Iterator[Finding]:
    """Yield whether a SQLite file is sound; the advice is for when it is not."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            found = connection.execute("pragma quick_check(1)").fetchone()[0]
    except sqlite3.Error as exc:
        found = str(exc)
    if found == "ok":
        yield Finding("ok", f"{path.name} is sound")
    else:
        yield Finding("failure", f"{path.name}: {found}", advice)


def look_at_spool(status: SpoolStatus, now: float) -> Iterator[Finding]:
    """Yield what waits, what waits too long, and what was refused."""
    lag = 0.0 if status.oldest_at is None else now - status.oldest_at
    about = f"{status.rows} rows wait for the database, the oldest for {lag:.0f} s"
    if lag > LAG_SECONDS:
        yield Finding("warning", about, "see that serve runs and the database answers; nothing is lost meanwhile")
    else:
        yield Finding("ok", about)
    if status.quarantined:
        advice = "`spool quarantine` tells why; after the cause is mended, `spool replay`"
        yield Finding("warning", f"{status.quarantined} rows are in quarantine", advice)


async def look_at_database(database: Database) -> Iterator[Finding]:
    """Return what is to be said of the database's version, rights, state, clock and settings."""
    state = (await database.fetch(DATABASE_STATE))[0]
    settings = await database.fetch(SETTINGS, params={"names": sorted(PROFILE)})
    values = {row["name"]: row["value"] for row in settings}
    return itertools.chain(judge_database(state, time.time()), judge_settings(values))


def judge_database(state: dict[str, object], now: float) -> Iterator[Finding]:
    version = str(state["version"])
    if read_version(version) < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        yield Finding("failure", f"ClickHouse {version} is too old", f"use {wanted} or later")
    else:
        yield Finding("ok", f"ClickHouse {version} answers")
    if str(state["readonly"]) != "0":
        yield Finding("failure", "the database's user may only read", "give it rights to create tables and insert")
    if state["stuck"]:
        advice = "see system.mutations, latest_fail_reason"
        yield Finding("warning", f"{state['stuck']} changes of stored data do not get on", advice)
    skew = abs(float(str(state["now"])) - now)
    if now < CLOCK_FLOOR:
        yield Finding("failure", "this machine's clock is years behind", "set the clock; use NTP")
    elif skew > CLOCK_SECONDS:
        yield Finding("warning", f"our clock and the database's differ by {skew:.1f} s", "use NTP on both machines")
    else:
        yield Finding("ok", "the clocks agree")


def judge_settings(values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which settings that the promises need the user's profile has changed."""
    wrong = {name: wanted for name, (wanted, _) in PROFILE.items() if values.get(name, wanted) != wanted}
    if not wrong:
        yield Finding("ok", "ClickHouse's settings are such as the promises need")
    for name, wanted in wrong.items():
        advice = f"leave it at {wanted or 'nothing'} in the profile of the database's user"
        yield Finding("failure", f"ClickHouse's {name} is {values[name]}: {PROFILE[name][1]}", advice)


def judge_schema(differences: Sequence[str]) -> Iterator[Finding]:
    if not differences:
        yield Finding("ok", "the schema is this release's")
    is_newer = any(line.endswith(" is unknown") for line in differences)
    for line in differences:
        about = line.splitlines()[0]
        is_older = not about.startswith("table ") and about.endswith((" is missing", " is begun"))
        yield Finding("failure", about, NEWER if is_newer else OLDER if is_older else OTHER)


def read_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
