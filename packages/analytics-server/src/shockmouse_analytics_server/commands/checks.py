"""`doctor` and `openapi`: what is wrong and what to do; what can be asked."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config import ServerConfig, check_data, prepare_data_dir
from ..errors import ConfigError, ServerError
from .options import Commands, add_command

if TYPE_CHECKING:
    from ..doctor import Finding

DATABASE_SECONDS = 5.0
MARKS = {"ok": "ok      ", "warning": "warning ", "failure": "FAILURE "}


def add(commands: Commands) -> None:
    """Add the commands that look."""
    about = (
        "check configuration, disk, spool, database with its settings, schema and clock; exit 1 when something fails"
    )
    doctor = add_command(commands, "doctor", run_doctor, about, shows=("spool_max_bytes", "geoip_database"))
    doctor.add_argument("--json", action="store_true", help="print a JSON list")
    add_command(commands, "openapi", run_openapi, "print the OpenAPI document")


def run_doctor(options: argparse.Namespace, config: ServerConfig) -> int:
    findings = look(config)
    if options.json:
        print(json.dumps([{"level": one.level, "about": one.about, "advice": one.advice} for one in findings]))
    else:
        for one in findings:
            print(f"{MARKS[one.level]}{one.about}{f' → {one.advice}' if one.advice else ''}")
    return 1 if any(one.level == "failure" for one in findings) else 0


def look(config: ServerConfig) -> list["Finding"]:
    """Return what was found; without a data folder there is nothing more to look at."""
    from ..doctor import Finding

    read = Finding("ok", "the settings can be read")
    try:
        if config.clickhouse_url is None:
            check_data(config.data_dir)
        prepare_data_dir(config.data_dir)
    except ConfigError as exc:
        return [read, failure_of(exc)]
    return [read, *look_at_machine(config), *asyncio.run(look_at_database(config))]


def failure_of(error: ConfigError) -> "Finding":
    """Return the error with what it says to do."""
    from ..doctor import Finding

    about, _, advice = str(error).partition(": ")
    return Finding("failure", about, advice)


def look_at_machine(config: ServerConfig) -> Iterable["Finding"]:
    """Yield what needs no database."""
    from .. import doctor
    from ..folder import counters_path, directory_path, spool_path
    from ..spool import Spool

    yield from doctor.look_at_places(config.geoip_database)
    yield from doctor.look_at_folder(config.data_dir)
    yield from doctor.look_at_disk(config.data_dir, config.spool_max_bytes)
    remade = dict.fromkeys((directory_path(config.data_dir), counters_path(config.data_dir)), doctor.BEGIN_ANEW)
    for path, advice in ({spool_path(config.data_dir): doctor.RESTORE} | remade).items():
        if path.exists():
            yield from doctor.look_at_file(path, advice)
    if spool_path(config.data_dir).exists():
        try:
            with Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes) as spool:
                yield from doctor.look_at_spool(spool.status(), time.time())
        except ServerError as exc:
            yield doctor.Finding("failure", str(exc), "check the disk; stop serve and restore from a backup")


async def look_at_database(config: ServerConfig) -> list["Finding"]:
    """Return what the database tells, or that it does not answer."""
    from .. import doctor, migrate
    from .opening import open_database

    try:
        async with open_database(config, DATABASE_SECONDS) as database:
            differences = await migrate.verify(database, cluster=config.clickhouse_cluster)
            found = [*doctor.judge_schema(differences)]
            return [*await doctor.look_at_database(database), *found] if not differences else found
    except ConfigError as exc:  # no engine and no server: the error says what to do
        return [failure_of(exc)]
    except ServerError as exc:
        advice = "see the log of serve; with CLICKHOUSE_URL see that the server runs and the password is right"
        return [doctor.Finding("failure", str(exc).splitlines()[0], advice)]


def run_openapi(_: argparse.Namespace, __: ServerConfig) -> int:
    from ..openapi import document

    print(json.dumps(document(), indent=2))
    return 0
