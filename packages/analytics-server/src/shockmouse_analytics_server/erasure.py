"""Erasure: one user or device leaves every table, the spool and the disk, and the counts are as if they had never come.

begin      tombstones, so that no late event comes any more; what waits in the spool is loaded; again, as long as that
           brings further ids of the same person to light
collect    the person's events are staged: what is taken from the counts and what is deleted are the same rows
counts     what they have added is taken away, once (rollups.py)
events     they are deleted, and the parts that held them are gone (deletion.py)
devices    sessions and devices are made anew from the events that are left, while the loader waits
spool      quarantine, visits, unused pages
finish     everything is counted again; receipt, audit log; nothing here names the person any more
Crash      the journal knows the finished steps; each may run again. `serve`, and every command about a project, goes on
           with what it finds
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from . import audit, erasure_journal, registry, rollups, segments, spool_search
from .clickhouse import Database
from .counters import Counters
from .deletion import Deletion
from .erasure_journal import Erasure, Subject, TableCount
from .errors import LockedError
from .folder import counters_path, directory_path, erasing_lock, loader_lock, loading_lock, serve_lock
from .loader import Loader
from .locks import hold
from .projects import FRESH_SECONDS, SUBJECTS_SECRET, Directory
from .rollups import ROLLUPS, STAGED, TIMES, Scope
from .spool import Spool
from .spool_search import Ids
from .subjects import EVENTS_OF, find_ids, params_of
from .tombstones import Kind, make_tombstone, subject_hash

ERASING_SECONDS = 3600.0
LOADING_SECONDS = 120.0
LOOK_SECONDS = 0.005  # the loader lets go for some milliseconds between two segments
DRAIN_SECONDS = 600.0
POLL_SECONDS = 0.2
# Workers look into the mirror once a second; what they had in hand by then is committed soon after.
KNOWN_SECONDS = FRESH_SECONDS + 0.5
OTHER_NODES_SECONDS = 15.0
TABLES = ("events", *(rollup.table for rollup in ROLLUPS))

STAGE = f"""
insert into erasure_rows (erasure, at, batch_id, event_id, device_id, session_id, staged_at)
select {{erasure:String}}, at, batch_id, event_id, device_id, session_id, now64(3, 'UTC') from events where {EVENTS_OF}
"""  # noqa: S608
COUNT_STAGED = "select count() as n from erasure_rows where erasure = {erasure:String}"
COUNT_EVENTS = f"""
select count() as n from events where project = {{project:String}} and at in {TIMES}
and (batch_id, event_id) in {STAGED}
"""  # noqa: S608

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]


class Receipt(Struct, frozen=True):
    """What was erased; every table counted before and after."""

    subject: Subject
    tables: list[TableCount]
    started_at: str
    finished_at: str


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


def silent(_: str) -> None:
    """Show no progress."""


async def erase(place: Place, subject: Subject, who: str, *, progress: Progress = silent) -> Receipt:
    """Return the receipt when nothing of the subject is left; one that is under way already is gone on with.

    Raises UsageError: there is no such project. LockedError, DatabaseError: it goes on at the next chance.
    """
    place.directory.project(subject.project)
    erasure = erasure_journal.begin(place.journal, subject, who, time.time())
    async with hold(erasing_lock(place.data_dir), ERASING_SECONDS):
        return await carry_on(place, erasure, progress)


async def resume(place: Place, *, progress: Progress = silent) -> list[Receipt]:
    """Bring erasures that were cut off to their end, unless another process is at it; return their receipts."""
    receipts = []
    if erasure_journal.unfinished(place.journal):
        with contextlib.suppress(LockedError):
            async with hold(erasing_lock(place.data_dir), 0):
                for erasure in erasure_journal.unfinished(place.journal):
                    logger.warning("an erasure that was cut off goes on")
                    receipts.append(await carry_on(place, erasure, progress))
    return receipts


async def carry_on(place: Place, erasure: Erasure, progress: Progress) -> Receipt:
    """Run the steps that are not done; the caller holds the lock."""
    work = Work(place, erasure)
    for name, step in STEPS:
        if name not in erasure.done:
            progress(name)
            await step(work)
            erasure.done.append(name)
            await work.save()
    return await finish(work)


class Work:
    """One erasure at work, with what its steps share."""

    def __init__(self, place: Place, erasure: Erasure) -> None:
        self.place = place
        self.erasure = erasure
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

    async def unstage(self) -> None:
        await self.deletion.drop_partition("erasure_rows", self.erasure.id)


async def begin(work: Work) -> None:
    """Nothing of the subject is on its way any more: it is in ClickHouse or in quarantine."""
    erasure = work.erasure
    await work.deletion.prepare(TABLES)
    erasure.table("spool").rows_before = await count_waiting(work)
    buried: set[str] = set()
    while new := {*erasure.users, *erasure.devices} - buried:
        await bury(work)
        await be_known(work.place)
        await drain(work.place)
        buried |= new
        ids = await find_ids(work.database, erasure.subject)
        erasure.users, erasure.devices = sorted(ids.users), sorted(ids.devices)
        await work.save()


async def count_waiting(work: Work) -> int:
    """Return how many events of the subject wait that had happened when the erasure began."""
    lines = spool_search.waiting_lines(work.place.spool.file, work.ids, until=work.erasure.started_at)
    return await asyncio.to_thread(lambda: sum(1 for _ in lines))


async def bury(work: Work) -> None:
    """Late events of all the ids are dropped."""
    secret = work.place.directory.secret(SUBJECTS_SECRET) or b""
    now, ids = time.time(), work.ids
    rows = [make_tombstone(secret, ids.project, "user", user, now) for user in ids.users]
    rows += [make_tombstone(secret, ids.project, "device", device, now) for device in ids.devices]
    await registry.add_tombstones(work.database, work.place.directory, rows)


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
        loader = Loader(place.spool, place.database, loading_lock(place.data_dir), counters)
        await loader.load_round(asyncio.Event())


async def collect(work: Work) -> None:
    """The subject's events are staged and counted."""
    await work.unstage()
    params = {**work.scope.params, **params_of(work.erasure.subject, work.erasure.users)}
    await work.database.execute(STAGE, params=params, settings={"log_queries": 0})
    await work.deletion.sync("erasure_rows")
    work.erasure.table("events").rows_before = await work.count(COUNT_STAGED)
    for rollup in ROLLUPS:
        work.erasure.table(rollup.table).rows_before = await rollups.count_rows(work.database, rollup, work.scope)


async def take_from_counts(work: Work) -> None:
    """The counts are those of the other events; what counts nothing is merged away."""
    for rollup in ROLLUPS:
        if rollup.is_by_day:
            async with loader_waits(work.place):
                await work.delete(rollup.table, f"day in {rollups.DAYS}")
                await rollups.make_days_anew(work.database, rollup, work.scope)
                table = work.erasure.table(rollup.table)
                table.rows_left = await rollups.count_wrong(work.database, rollup, work.scope)
        elif not rollup.is_by_device:
            async with loader_waits(work.place):
                await rollups.take_away(work.database, rollup, work.scope)
                table = work.erasure.table(rollup.table)
                table.rows_left = await rollups.count_wrong(work.database, rollup, work.scope)
            for partition in await rollups.partitions_of(work.database, rollup, work.scope):
                await work.deletion.merge(rollup.table, partition)
            if not await rollups.is_nothing_left(work.database, rollup, work.scope.project):
                await work.delete(rollup.table, f"{rollups.nothing(rollup)} and {{erasure:String}} != ''")


async def delete_events(work: Work) -> None:
    """The staged events are gone from events."""
    await work.delete("events", f"at in {TIMES} and (batch_id, event_id) in {STAGED}")
    table = work.erasure.table("events")
    table.rows_left = await work.count(COUNT_EVENTS)


async def renew_devices(work: Work) -> None:
    """What is told of the devices is told by the events that are left."""
    for rollup in ROLLUPS:
        if rollup.is_by_device:
            async with loader_waits(work.place):
                await work.delete(rollup.table, f"device_id in {rollups.DEVICES}")
                await rollups.make_anew(work.database, rollup, work.scope)
                table = work.erasure.table(rollup.table)
                table.rows_left = await rollups.count_left(work.database, rollup, work.scope)


@contextlib.asynccontextmanager
async def loader_waits(place: Place) -> AsyncIterator[None]:
    """Inside, nothing goes from this node's spool to ClickHouse. Raises LockedError."""
    async with hold(loading_lock(place.data_dir), LOADING_SECONDS, retry_seconds=LOOK_SECONDS):
        yield


async def clean_spool(work: Work) -> None:
    """Quarantine and visits know nothing of the subject, and the file has no unused page that might."""
    file, erasure, ids = work.place.spool.file, work.erasure, work.ids
    quarantine, visits, spool = (erasure.table(name) for name in ("quarantine", "visits", "spool"))
    quarantine.rows_before += await asyncio.to_thread(spool_search.remove_quarantined, file, ids)
    quarantine.rows_left = len(await asyncio.to_thread(spool_search.quarantined_lines, file, ids))
    visits.rows_before += await asyncio.to_thread(spool_search.forget_visits, file, ids)
    visits.rows_left = await asyncio.to_thread(spool_search.count_visits, file, ids)
    spool.rows_left = await count_waiting(work)
    await asyncio.to_thread(spool_search.give_back, file)


async def clean_tables(work: Work) -> None:
    """What is left of the deleted rows in parts that are no longer used is gone from the disk."""
    await work.unstage()
    await work.deletion.clean((*TABLES, "erasure_rows"))
    await work.deletion.settle(TABLES)


STEPS: tuple[tuple[str, Callable[[Work], Awaitable[None]]], ...] = (
    ("begin", begin),
    ("collect", collect),
    ("counts", take_from_counts),
    ("events", delete_events),
    ("devices", renew_devices),
    ("spool", clean_spool),
    ("tables", clean_tables),
)


async def finish(work: Work) -> Receipt:
    """Return the receipt; the audit log has it without the subject, and the journal has nothing."""
    erasure, now = work.erasure, time.time()
    for table in erasure.tables.values():
        table.rows_removed = table.rows_before - table.rows_left
    receipt = Receipt(
        erasure.subject, list(erasure.tables.values()), audit.written(erasure.started_at), audit.written(now)
    )
    if not await audit.has(work.database, erasure.id):
        detail = {"subject": hashed(work), "tables": receipt.tables, "started_at": receipt.started_at}
        await audit.note(
            work.database, erasure.subject.project, erasure.who, "erase", {"erasure": erasure.id, **detail}
        )
    await asyncio.to_thread(erasure_journal.forget, work.place.journal, erasure)
    await asyncio.to_thread(work.place.directory.checkpoint)
    return receipt


def hashed(work: Work) -> str:
    """Return what stands for the subject in the audit log."""
    subject = work.erasure.subject
    secret = work.place.directory.secret(SUBJECTS_SECRET) or b""
    kind: Kind = "user" if subject.user_id else "device"
    return f"{kind} {subject_hash(secret, subject.project, kind, subject.user_id or subject.device_id)}"
