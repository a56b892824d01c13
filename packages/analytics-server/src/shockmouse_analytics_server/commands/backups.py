"""`backup` and `restore`: everything a node needs to go on elsewhere."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ServerConfig
from .options import Commands, add_command, tell

if TYPE_CHECKING:
    from ..backup import Manifest


def add(commands: Commands) -> None:
    """Add the commands that copy a node."""
    about = "copy projects, events and what waits on disk into a new folder, while serving or not"
    add_command(commands, "backup", run_backup, about).add_argument("folder", metavar="DIR", type=Path)
    about = "put a backup into an empty data folder and database; stop serve first"
    add_command(commands, "restore", run_restore, about).add_argument("folder", metavar="DIR", type=Path)


def run_backup(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(backup(config, options.folder.absolute()))


async def backup(config: ServerConfig, folder: Path) -> int:
    from .. import backup
    from .opening import open_database

    async with open_database(config) as database:
        manifest = await backup.backup(database, config.data_dir, folder, progress=tell)
    print(f"{folder} holds {summary(manifest)}")
    return 0


def run_restore(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(restore(config, options.folder.absolute()))


async def restore(config: ServerConfig, folder: Path) -> int:
    from .. import backup
    from .opening import open_database

    manifest = await asyncio.to_thread(backup.read_manifest, folder)
    async with open_database(config, begins=True) as database:
        cluster = config.clickhouse_cluster
        await backup.restore(database, config.data_dir, folder, cluster=cluster, manifest=manifest, progress=tell)
    print(f"{config.data_dir} has {summary(manifest)} of {manifest.made_at}")
    return 0


def summary(manifest: "Manifest") -> str:
    rows = {table.name: table.rows for table in manifest.tables}
    files = [file for table in manifest.tables for file in table.files] + list(manifest.files)
    return f"{rows.get('events', 0)} events in {sum(file.bytes for file in files) >> 20} MiB"
