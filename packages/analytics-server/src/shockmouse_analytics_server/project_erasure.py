"""The steps by which a deleted project leaves everything; each may run again."""

import asyncio
import contextlib

from . import registry, spool_search
from .erasure_work import TABLES, Steps, Work, be_known, clean_tables, drain
from .errors import UsageError


async def begin(work: Work) -> None:
    """The keys are revoked and no event comes any more; what waited is in ClickHouse, and every table is counted."""
    directory = work.place.directory
    with contextlib.suppress(UsageError):  # it is deleted already
        await registry.delete_project(work.database, directory, directory.project(work.scope.project))
    await work.deletion.prepare(TABLES)
    await be_known(work.place)
    await drain(work.place)
    for table in TABLES:
        work.erasure.table(table).rows_before = await work.count_rows(table)
    counted = await asyncio.to_thread(spool_search.count_project, work.place.spool.file, work.scope.project)
    for name, rows in counted.items():
        work.erasure.table(name).rows_before = rows


async def delete_rows(work: Work) -> None:
    """No table has a row of the project."""
    for table in TABLES:
        await work.delete(table, "{erasure:String} != ''")
        work.erasure.table(table).rows_left = await work.count_rows(table)


async def clean_spool(work: Work) -> None:
    """The spool knows nothing of the project: no quarantine, no visit, no unused page."""
    file, project = work.place.spool.file, work.scope.project
    await asyncio.to_thread(spool_search.forget_project, file, project)
    left = await asyncio.to_thread(spool_search.count_project, file, project)
    for name, rows in left.items():
        work.erasure.table(name).rows_left = rows
    await asyncio.to_thread(spool_search.give_back, file)


STEPS: Steps = (("begin", begin), ("rows", delete_rows), ("spool", clean_spool), ("tables", clean_tables))
