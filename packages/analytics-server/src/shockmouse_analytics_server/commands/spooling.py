"""`spool …`: what waits on disk for ClickHouse, and what ClickHouse refused."""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import structs

from ..config import ServerConfig, check_data, prepare_data_dir
from ..errors import UsageError
from .options import Commands, add_command, add_group

if TYPE_CHECKING:
    from ..spool import Spool

SHOWN_ROWS = 1000


def add(commands: Commands) -> None:
    """Add the commands about the spool."""
    group = add_group(commands, "spool", "events that wait on disk")
    status = add_command(group, "status", run_status, "show what waits")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    quarantine = add_command(group, "quarantine", run_quarantine, "list the rows that ClickHouse refused, and why")
    quarantine.add_argument("--json", action="store_true", help="print one JSON object a line, with the row itself")
    quarantine.add_argument("--limit", type=int, default=SHOWN_ROWS, metavar="N", help="show at most N, oldest first")
    add_command(group, "replay", run_replay, "try the rows in quarantine again")


def open_spool(config: ServerConfig) -> "Spool":
    from ..folder import spool_path
    from ..spool import Spool

    check_data(config.data_dir)
    prepare_data_dir(config.data_dir)
    return Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes)


def run_status(options: argparse.Namespace, config: ServerConfig) -> int:
    with open_spool(config) as spool:
        status = structs.asdict(spool.status())
    oldest = status["oldest_at"]
    status["oldest_at"] = None if oldest is None else written(oldest)
    if options.json:
        print(json.dumps(status))
    else:
        for name, value in status.items():
            label = "batch ids remembered" if name == "batches" else name.replace("_", " ")
            print(f"{label:20} {'-' if value is None else value}")
    return 0


def run_quarantine(options: argparse.Namespace, config: ServerConfig) -> int:
    from .. import quarantine

    if options.limit < 1:
        raise UsageError(f"--limit {options.limit}: expected 1 or more")
    with open_spool(config) as spool:
        rows = quarantine.listed(spool.file, options.limit)
    if not rows and not options.json:
        print("nothing is in quarantine")
    for row in rows:
        if options.json:
            body = row.body.decode("utf-8", "replace").rstrip()
            shown = {**structs.asdict(row), "at": written(row.at), "body": body}
            print(json.dumps(shown))
        else:
            print(f"{written(row.at)}  {row.project}  {row.event_id}  {' '.join(row.reason.split())}")
    return 0


def run_replay(_: argparse.Namespace, config: ServerConfig) -> int:
    from .. import quarantine

    with open_spool(config) as spool:
        count = quarantine.replay(spool.file, time.time())
    print(f"{count} rows will be tried again")
    return 0


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
