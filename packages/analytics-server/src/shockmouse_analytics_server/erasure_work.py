"""What erasures of persons and of projects share: where they happen, and how what is on its way comes in first."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from . import erasure_journal, segments
from .clickhouse import Database
from .counters import Counters
from .deletion import Deletion
from .erasure_journal import Erasure, Subject
from .errors import LockedError
from .folder import counters_path, directory_path, loader_lock, loading_lock, serve_lock
from .loader import Loader
from .locks import hold
from .projects import FRESH_SECONDS, SUBJECTS_SECRET, Directory
from .rollups import ROLLUPS, Scope
from .spool import Spool
from .spool_search import Ids
from .tombstones import Kind, subject_hash

DRAIN_SECONDS = 600.0
EVENTS_AT_ONCE = 100_000  # whose days are counted anew while the loader waits: a second or two
TURN_SECONDS = 0.2  # the loader looks for its lock every 0.05 s, nothing else gives it the next turn
POLL_SECONDS = 0.2
# Workers look into the mirror once a second; what they had in hand by then is committed soon after.
KNOWN_SECONDS = FRESH_SECONDS + 0.5
OTHER_NODES_SECONDS = 15.0
TABLES = ("events", *(rollup.table for rollup in ROLLUPS))


class Place(Struct, frozen=True):
    """Where erasures happen: one node's data folder and its database, in the role "admin"."""

    database: Database
    directory: Directory
    spool: Spool
    data_dir: Path
    cluster: str | None
    has_other_nodes: bool

    @property
    def journal(self) -> Path:
        return directory_path(self.data_dir)


class Work:
    """One erasure at work, with what its steps share."""

    def __init__(self, place: Place, erasure: Erasure, *, events_at_once: int = EVENTS_AT_ONCE) -> None:
        self.place = place
        self.erasure = erasure
        self.events_at_once = events_at_once
        self.database = place.database
        self.deletion = Deletion(place.database, place.cluster)
        self.scope = Scope(erasure.id, erasure.subject.project, place.cluster)

    @property
    def ids(self) -> Ids:
        """Return the subject's ids, as far as they are known."""
        return Ids(self.scope.project, frozenset(self.erasure.users), frozenset(self.erasure.devices))

    async def save(self) -> None:
        await asyncio.to_thread(erasure_journal.save, self.place.journal, self.erasure)

    async def count(self, sql: str) -> int:
        (row,) = await self.database.fetch(sql, params=self.scope.params)
        return int(row["n"])

    async def delete(self, table: str, where: str) -> None:
        """The rows are gone; the condition's text names the erasure only."""
        mark = self.erasure.id
        text = f"project = '{self.scope.project}' and {where}".replace("{erasure:String}", f"'{mark}'")
        await self.deletion.delete(table, text, mark)

    async def count_rows(self, table: str) -> int:
        """Return how many rows a table has of the project; what is not merged yet counts once."""
        final = "" if table == "events" else " final"
        return await self.count(f"select count() as n from {table}{final} where project = {{project:String}}")  # noqa: S608

    async def unstage(self) -> None:
        await self.deletion.drop_partition("erasure_rows", self.erasure.id)


Steps = tuple[tuple[str, Callable[[Work], Awaitable[None]]], ...]


async def be_known(place: Place) -> None:
    """Every process that accepts events knows the tombstones, and has committed what it had in hand."""
    if place.has_other_nodes:
        await asyncio.sleep(OTHER_NODES_SECONDS)
        return
    with contextlib.suppress(LockedError):
        async with hold(serve_lock(place.data_dir), 0):
            return
    await asyncio.sleep(KNOWN_SECONDS)


async def drain(place: Place) -> None:
    """What waits in the spool now has gone to ClickHouse or to quarantine, by the loader that runs or by one of ours.

    Raises LockedError: it stays where it is.
    """
    file = place.spool.file
    newest = await asyncio.to_thread(segments.newest_waiting, file)
    deadline = time.monotonic() + DRAIN_SECONDS
    while newest is not None and await asyncio.to_thread(segments.are_waiting, file, newest):
        if time.monotonic() > deadline:
            raise LockedError("events wait that ClickHouse does not take: see `spool status` and the loader's log")
        with contextlib.suppress(LockedError):
            async with hold(loader_lock(place.data_dir), 0):
                await load_all(place)
        await asyncio.sleep(POLL_SECONDS)


async def load_all(place: Place) -> None:
    with Counters(counters_path(place.data_dir)) as counters:
        await loader_of(place, counters).load_round(asyncio.Event())


@contextlib.asynccontextmanager
async def loader_waits(place: Place) -> AsyncIterator[None]:
    """Inside, nothing goes from this node's spool to ClickHouse, and nothing is half there.

    Then it is the loader's turn. Raises LockedError, DatabaseError.
    """
    with Counters(counters_path(place.data_dir)) as counters:
        async with loader_of(place, counters).at_rest():
            yield
    if await asyncio.to_thread(segments.newest_waiting, place.spool.file) is not None:
        await asyncio.sleep(TURN_SECONDS)


def loader_of(place: Place, counters: Counters) -> Loader:
    return Loader(place.spool, place.database, loading_lock(place.data_dir), counters)


async def clean_tables(work: Work) -> None:
    """What is left of the deleted rows in parts that are no longer used is gone from the disk."""
    await work.unstage()
    await work.deletion.clean((*TABLES, "erasure_rows"))
    await work.deletion.settle(TABLES)


def hashed(directory: Directory, subject: Subject) -> str:
    """Return what stands for the subject in the audit log."""
    if not subject.is_person:
        return "project"
    kind: Kind = "user" if subject.user_id else "device"
    secret = directory.secret(SUBJECTS_SECRET) or b""
    return f"{kind} {subject_hash(secret, subject.project, kind, subject.user_id or subject.device_id)}"
