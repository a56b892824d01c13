"""Erasure: one user, one device or a whole project leaves every table, the spool and the disk, with a receipt.

begin      tombstones, so that no late event comes any more; what waits in the spool is loaded; again, as long as that
           brings further ids of the same person to light
collect    the person's events are staged: what is taken from the counts and what is deleted are the same rows
counts     what they have added is taken away, once (rollups.py)
events     they are deleted, and the parts that held them are gone (deletion.py)
devices    sessions and devices are made anew from the events that are left, while the loader waits
spool      quarantine, visits, unused pages
tables     parts that are no longer used
Counts     every table is counted before and after
Crash      the journal knows the finished steps; each may run again. `serve`, and every command about a project, goes on
           with what it finds
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from . import audit, erasure_journal, person_erasure, project_erasure
from .erasure_journal import Erasure, Subject, TableCount
from .erasure_work import Place, Work, hashed
from .errors import LockedError
from .folder import erasing_lock
from .locks import hold

ERASING_SECONDS = 3600.0

logger = logging.getLogger(__name__)
Progress = Callable[[str], None]


class Receipt(Struct, frozen=True, omit_defaults=True):
    """What was erased; every table counted before and after. `erasure` is its id, as in the audit log.

    earlier: the receipts of the same subject before this one, the oldest first. An erasure that was killed may have
    been finished by another process, which had nobody to give its receipt to: it stands here.
    """

    subject: Subject
    erasure: str
    tables: list[TableCount]
    started_at: str
    finished_at: str
    earlier: list["Receipt"] = []


def silent(_: str) -> None:
    """Show no progress."""


def begin(place: Place, subject: Subject, who: str) -> Erasure:
    """Return the erasure of this subject that is under way, else a new one; it will be done, whoever dies."""
    return erasure_journal.begin(place.journal, subject, who, time.time())


def is_under_way(place: Place, subject: Subject) -> bool:
    return any(each.subject == subject for each in erasure_journal.unfinished(place.journal))


async def erase(place: Place, subject: Subject, who: str, *, progress: Progress = silent) -> Receipt:
    """Return the receipt when nothing of the subject is left; one that is under way already is gone on with.

    Raises LockedError, DatabaseError: it goes on at the next chance.
    """
    begun = await asyncio.to_thread(begin, place, subject, who)
    async with hold(erasing_lock(place.data_dir), ERASING_SECONDS):
        # Another process may have been at it while we waited.
        erasure = await asyncio.to_thread(erasure_journal.find, place.journal, begun.id)
        if erasure is not None:
            await carry_on(place, erasure, progress)
    finished = {each.erasure: each for each in await receipts(place, subject)}
    receipt = finished.pop(begun.id)
    return msgspec.structs.replace(receipt, earlier=[*finished.values()])


async def receipts(place: Place, subject: Subject) -> list[Receipt]:
    """Return the receipts of all erasures of this subject that are finished, the oldest first."""
    found = await audit.receipts_of(place.database, subject.project, hashed(place.directory, subject))
    return [msgspec.convert({**told, "subject": subject}, Receipt) for told in found]


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
    for name, step in person_erasure.STEPS if erasure.subject.is_person else project_erasure.STEPS:
        if name not in erasure.done:
            progress(name)
            await step(work)
            erasure.done.append(name)
            await work.save()
    return await finish(work)


async def finish(work: Work) -> Receipt:
    """Return the receipt; the audit log has it without the subject, and the journal has nothing."""
    erasure, now = work.erasure, time.time()
    for table in erasure.tables.values():
        table.rows_removed = table.rows_before - table.rows_left
    tables, times = list(erasure.tables.values()), (audit.written(erasure.started_at), audit.written(now))
    receipt = Receipt(erasure.subject, erasure.id, tables, *times)
    if not await audit.has(work.database, erasure.id):
        told = msgspec.structs.asdict(receipt) | {"subject": hashed(work.place.directory, erasure.subject)}
        del told["earlier"]
        await audit.note(work.database, erasure.subject.project, erasure.who, "erase", told)
    await asyncio.to_thread(erasure_journal.forget, work.place.journal, erasure)
    await asyncio.to_thread(work.place.directory.checkpoint)
    return receipt
