"""The steps by which a user or a device leaves everything; each may run again."""

import asyncio
import time

from . import registry, rollups, spool_search
from .erasure_work import TABLES, Steps, Work, be_known, clean_tables, drain, loader_waits
from .projects import SUBJECTS_SECRET
from .rollups import ROLLUPS, STAGED, TIMES, Rollup
from .subjects import EVENTS_OF, find_ids, params_of
from .tombstones import make_tombstone

STAGE = f"""
insert into erasure_rows (erasure, at, batch_id, event_id, device_id, session_id, staged_at)
select {{erasure:String}}, at, batch_id, event_id, device_id, session_id, now64(3, 'UTC') from events where {EVENTS_OF}
"""  # noqa: S608
COUNT_STAGED = "select count() as n from erasure_rows where erasure = {erasure:String}"
COUNT_EVENTS = f"""
select count() as n from events where project = {{project:String}} and at in {TIMES}
and (batch_id, event_id) in {STAGED}
"""  # noqa: S608


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


async def collect(work: Work) -> None:
    """The subject's events are staged and counted."""
    await work.unstage()
    params = {**work.scope.params, **params_of(work.erasure.subject, work.erasure.users)}
    await work.database.execute(STAGE, params=params, settings={"log_queries": 0})
    await work.deletion.sync("erasure_rows")
    work.erasure.table("events").rows_before = await work.count(COUNT_STAGED)
    for rollup in ROLLUPS:
        work.erasure.table(rollup.table).rows_before = await rollups.count_rows(work.database, rollup, work.scope)
    file, ids = work.place.spool.file, work.ids
    lines = await asyncio.to_thread(spool_search.quarantined_lines, file, ids)
    work.erasure.table("quarantine").rows_before = len(lines)
    visits = await asyncio.to_thread(spool_search.visits_of, file, ids)
    work.erasure.table("visits").rows_before = len(visits)


async def take_from_counts(work: Work) -> None:
    """The counts are those of the other events; what counts nothing is merged away."""
    portions = await rollups.days_of(work.database, work.scope, work.events_at_once)
    for rollup in ROLLUPS:
        table = work.erasure.table(rollup.table)
        if rollup.is_by_device or not table.rows_before:
            continue
        if not rollup.span:
            await rollups.take_away(work.database, rollup, work.scope)
        table.rows_left = 0
        # The loader waits for one of them only.
        for days in rollups.weeks_of(portions) if rollup.span == "week" else portions:
            async with loader_waits(work.place):
                if rollup.span:
                    named = ", ".join(f"'{day}'" for day in days)  # a week is called by its Monday
                    await work.delete(rollup.table, f"{rollup.span} in ({named}) and {{erasure:String}} != ''")
                    await rollups.make_days_anew(work.database, rollup, work.scope, days)
                table.rows_left += await rollups.count_wrong(work.database, rollup, work.scope, days)
        if not rollup.span:
            await merge_away(work, rollup)


async def merge_away(work: Work, rollup: Rollup) -> None:
    """The rollup has no row that counts nothing."""
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


async def clean_spool(work: Work) -> None:
    """Quarantine and visits know nothing of the subject, and the file has no unused page that might."""
    file, erasure, ids = work.place.spool.file, work.erasure, work.ids
    quarantine, visits, spool = (erasure.table(name) for name in ("quarantine", "visits", "spool"))
    await asyncio.to_thread(spool_search.remove_quarantined, file, ids)
    quarantine.rows_left = len(await asyncio.to_thread(spool_search.quarantined_lines, file, ids))
    await asyncio.to_thread(spool_search.forget_visits, file, ids)
    visits.rows_left = len(await asyncio.to_thread(spool_search.visits_of, file, ids))
    spool.rows_left = await count_waiting(work)
    await asyncio.to_thread(spool_search.give_back, file)


STEPS: Steps = (
    ("begin", begin),
    ("collect", collect),
    ("counts", take_from_counts),
    ("events", delete_events),
    ("devices", renew_devices),
    ("spool", clean_spool),
    ("tables", clean_tables),
)
