"""`erase` and `export-subject`: what a data protection officer asks for."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from ..config import ServerConfig
from ..errors import QuestionError, UsageError
from .options import Commands, Parser, add_command, tell

if TYPE_CHECKING:
    from ..erasure_journal import Subject


def add(commands: Commands) -> None:
    """Add the commands about persons."""
    about = "delete everything about one user or device, wait until it is gone, print a receipt as JSON"
    erase = add_command(commands, "erase", run_erase, about)
    add_subject(erase)
    erase.add_argument(
        "--receipts", action="store_true", help="erase nothing: print the receipts there are, one a line"
    )
    about = "write everything held about one user or device to standard output as JSON Lines, a manifest first"
    add_subject(add_command(commands, "export-subject", run_export, about))


def add_subject(parser: Parser) -> None:
    parser.add_argument("--project", required=True, metavar="NAME")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user-id", metavar="ID", help="a user, with aliases and the devices that are only theirs")
    whom.add_argument("--device-id", metavar="ID", help="one device")


def run_erase(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(erase(config, options))


async def erase(config: ServerConfig, options: argparse.Namespace) -> int:
    from .. import erasure
    from .opening import open_place

    subject = subject_of(options)
    async with open_place(config, resumes=options.receipts) as place:
        place.directory.project(subject.project)
        if options.receipts:
            receipts = await erasure.receipts(place, subject)
        else:
            receipts = [await erasure.erase(place, subject, "command", progress=tell)]
            await erasure.resume(place, progress=tell)
            told = [receipts[0], *receipts[0].earlier]
            if not any(table.rows_before for receipt in told for table in receipt.tables):
                sys.stderr.write(f"nothing was kept of this subject in {subject.project}: is the id right?\n")
    for receipt in receipts:
        print(msgspec.json.encode(receipt).decode())
    return 0


def run_export(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(export(config, options))


async def export(config: ServerConfig, options: argparse.Namespace) -> int:
    from ..subject_export import export_subject
    from .opening import open_place

    subject = subject_of(options)
    async with open_place(config) as place:
        place.directory.project(subject.project)
        async for part in export_subject(place, subject, "command"):
            sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()
    return 0


def subject_of(options: argparse.Namespace) -> "Subject":
    from ..privacy import subject_of as named

    if not (options.user_id or options.device_id):
        raise UsageError("the id is empty: give --user-id or --device-id")
    try:
        return named(options.project, {"user_id": options.user_id or "", "device_id": options.device_id or ""})
    except QuestionError as exc:
        raise UsageError(str(exc)) from exc
