"""`backup` and `restore`."""

import argparse
import asyncio
from pathlib import Path

from ..config import ServerConfig
from .migrations import tell
from .options import Commands, add_command


def add(commands: Commands) -> None:
    """Add the commands that keep everything in a folder, and bring it back from one."""
    about = "write everything needed to go on elsewhere into a new folder"
    add_command(commands, "backup", run_backup, about).add_argument("folder", type=Path, metavar="DIR")
    about = "bring a backup into an empty data folder and database"
    add_command(commands, "restore", run_restore, about).add_argument("folder", type=Path, metavar="DIR")


def run_backup(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(backup(config, options.folder))


async def backup(config: ServerConfig, folder: Path) -> int:
    from .. import backup
    from .opening import open_database

    async with open_database(config) as database:
        manifest = await backup.backup(database, config.data_dir, folder, progress=tell)
    print(f"{folder} has {sum(table.rows for table in manifest.tables)} rows of {len(manifest.tables)} tables")
    return 0


def run_restore(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(restore(config, options.folder))


async def restore(config: ServerConfig, folder: Path) -> int:
    from .. import backup
    from .opening import open_database

    async with open_database(config) as database:
        manifest = await backup.restore(
            database, config.data_dir, folder, cluster=config.clickhouse_cluster, progress=tell
        )
    print(f"{sum(table.rows for table in manifest.tables)} rows of {len(manifest.tables)} tables are restored")
    return 0
