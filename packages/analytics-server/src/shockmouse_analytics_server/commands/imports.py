"""`import`: raw events in, from our own export in JSON Lines."""

import argparse
import asyncio
import contextlib
import gzip
import io
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..config import ServerConfig
from ..errors import LockedError, ServerError, UsageError
from .options import Commands, add_command

if TYPE_CHECKING:
    from ..importer import Importer, Line
    from ..spool import Spool

MAX_LINE_BYTES = 1 << 20
SHOWN_LINES = 20
SHOW_SECONDS = 0.5
LOADER_SECONDS = 1.0


def add(commands: Commands) -> None:
    """Add the command that imports."""
    about = "store the events of our own export in JSON Lines, each once however often it is imported"
    parser = add_command(commands, "import", run_import, about)
    parser.add_argument("--project", required=True, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("files", nargs="+", metavar="FILE", help="as export wrote it, gzip or not; - is standard input")


def run_import(options: argparse.Namespace, config: ServerConfig) -> int:
    for name in options.files:
        if Path(name).is_dir():
            raise UsageError(f"{name} is a folder: give the files in it")
        if name != "-" and not Path(name).exists():
            raise UsageError(f"there is no file {name}")
    return asyncio.run(import_files(config, options))


async def import_files(config: ServerConfig, options: argparse.Namespace) -> int:
    from .. import registry
    from ..folder import import_lock, spool_path
    from ..importer import Importer
    from ..locks import hold
    from ..spool import Spool
    from .opening import open_projects

    advice = "; wait until the other import has ended"
    async with open_projects(config) as (database, directory), hold(import_lock(config.data_dir), 0, advice):
        await registry.sync(database, directory, time.time())
        project = directory.project(options.project)
        with Spool(spool_path(config.data_dir), max_bytes=config.spool_max_bytes) as spool:
            importer = Importer(
                spool,
                database,
                project,
                is_erased=lambda row: directory.is_erased(row.project, row.user_id, (row.device_id,), row.at),
            )
            try:
                async with asyncio.TaskGroup() as group:
                    stopping = asyncio.Event()
                    group.create_task(keep_loading(config, spool, stopping))
                    await importer.begin()
                    for name in options.files:
                        await import_file(importer, name)
                    await importer.end()
                    stopping.set()
            except ExceptionGroup as failed:
                if isinstance(failed.exceptions[0], ServerError):
                    tell(importer, project.name, project.retention_days, as_json=options.json)
                raise failed.exceptions[0] from failed
    return tell(importer, project.name, project.retention_days, as_json=options.json)


async def import_file(importer: "Importer", name: str) -> None:
    """Import one file; its malformed lines are told on standard error."""
    with Source(name) as source:
        shown_at = 0.0
        for group in source.groups():
            for line in await importer.take(group):
                if importer.tally.malformed <= SHOWN_LINES:
                    sys.stderr.write(f"{name}:{line.number}: {line.reason}\n")
            if time.monotonic() - shown_at > SHOW_SECONDS:
                show(importer, source)
                shown_at = time.monotonic()
        show(importer, source, end="\n")


class Source:
    """A file of lines, opened: gzip is known by its first bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Source":
        if self._name == "-":
            self._file, self._size = cast("io.BufferedReader", sys.stdin.buffer), 0
        else:
            self._file = self._stack.enter_context(Path(self._name).open("rb"))
            self._size = os.fstat(self._file.fileno()).st_size
        is_packed = self._file.peek(2)[:2] == b"\x1f\x8b"
        self._lines: BinaryIO = self._file
        if is_packed:
            self._lines = cast("BinaryIO", self._stack.enter_context(gzip.GzipFile(fileobj=self._file)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def share(self) -> float | None:
        """How much of the file is read, 0 to 1; None where nobody knows its end."""
        return self._file.tell() / self._size if self._size else None

    def groups(self) -> "Iterator[list[Line]]":
        """Yield the lines in groups; empty ones are none.

        Raises ServerError: a gzip file is damaged or has no end.
        """
        from ..importer import GROUP_BYTES, GROUP_LINES

        group, size = [], 0
        try:
            for line in self._numbered():
                group.append(line)
                size += len(line.body)
                if len(group) == GROUP_LINES or size >= GROUP_BYTES:
                    yield group
                    group, size = [], 0
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            yield group
            raise ServerError(f"{self._name} is damaged after these events: {exc}") from exc
        yield group

    def _numbered(self) -> "Iterator[Line]":
        from ..importer import Line

        number = 0
        while raw := self._lines.readline(MAX_LINE_BYTES):
            number += 1
            is_whole = True
            while len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):  # too long: its rest is read away
                is_whole, raw = False, self._lines.readline(MAX_LINE_BYTES)
            if not is_whole or raw.strip():
                yield Line(number, raw if is_whole else b"")


async def keep_loading(config: ServerConfig, spool: "Spool", stopping: asyncio.Event) -> None:
    """Load whenever nobody else does."""
    from .. import loader
    from ..counters import Counters
    from ..folder import counters_path, database_of, loader_lock, loading_lock
    from ..locks import hold

    with Counters(counters_path(config.data_dir)) as counters:
        while not stopping.is_set():
            try:
                async with hold(loader_lock(config.data_dir), 0), database_of(config, "loader") as database:
                    lock = loading_lock(config.data_dir)
                    await loader.run(spool, database, loading_lock=lock, stopping=stopping, counters=counters)
            except LockedError:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), LOADER_SECONDS)


def show(importer: "Importer", source: Source, end: str = "") -> None:
    """Tell how far it is, where somebody looks."""
    if sys.stderr.isatty():
        share = "" if source.share is None else f"{source.share:4.0%} "
        tally = importer.tally
        done = tally.imported + tally.duplicates + tally.erased + tally.expired
        sys.stderr.write(f"\r{share}{done} events{end}")
        sys.stderr.flush()


def tell(importer: "Importer", project: str, retention_days: int, *, as_json: bool) -> int:
    """Print what became of the lines; return 1 when some were malformed."""
    tally = importer.tally
    if as_json:
        counts = {name: getattr(tally, name) for name in tally.__struct_fields__}
        print(json.dumps({"project": project, **counts}))
    else:
        print(f"{tally.imported} events imported, {tally.duplicates} were there already")
        if tally.erased:
            print(f"{tally.erased} are of erased users or devices: left out")
        if tally.expired:
            print(f"{tally.expired} are older than the {retention_days} days that {project} keeps events: left out")
        if tally.malformed:
            print(f"{tally.malformed} lines are no events of an export: left out")
    if tally.malformed > SHOWN_LINES:
        sys.stderr.write(f"{tally.malformed - SHOWN_LINES} more lines are no events of an export\n")
    return 1 if tally.malformed else 0
