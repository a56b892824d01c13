"""`serve`: the server itself."""

import argparse
import asyncio
from pathlib import Path

from .. import logs
from ..config import FIELDS, ServerConfig, prepare_data_dir
from ..errors import ConfigError, UsageError
from .options import Commands, add_command


def add(commands: Commands) -> None:
    """Add the command that serves."""
    parser = add_command(commands, "serve", run_serve, "start the server; migrates first", shows=FIELDS)
    parser.add_argument("--no-migrate", action="store_true", help="leave the schema as it is")


def run_serve(options: argparse.Namespace, config: ServerConfig) -> int:
    from .. import serve

    logs.set_up("serve", level=config.log_level, form=config.log_format)
    check_places(config.geoip_database)
    prepare_data_dir(config.data_dir)
    asyncio.run(serve.run(config, migrates=not options.no_migrate))
    return 0


def check_places(path: Path | None) -> None:
    """Open once what the workers will open: they could only fail again and again.

    Raises UsageError: it is no GeoIP database.
    """
    from ..places import open_database

    try:
        if path is not None:
            open_database(path).close()
    except ConfigError as exc:
        raise UsageError(str(exc)) from exc
