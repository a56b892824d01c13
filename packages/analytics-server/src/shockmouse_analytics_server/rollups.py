"""The tables that views fill, and how each is put right when events are erased: the one closed list of them.

by device   its rows name a device: those of the devices at hand are deleted and made anew from the events that are left
by sums     it names nobody: what the erased events have added is added once more with the opposite sign, under a token
            that lets it count once; a row whose sums are nothing then goes with the next merge
by day      it has sketches, from which nothing can be taken: the rows of a day at hand are deleted and made anew from
            the events that are left, some days at a time
by week     the same of a week at a time, from the rows of its days, which are right by then: it stands behind them
No row of a table by sums or by day is of more than one day in UTC, and none by week of more than one from Monday.
The select of each table's own view tells what events add to it, so that the two cannot disagree. A view `NAME_view`
fills the table `NAME`; a test compares this list with the schema.
"""

import re
import uuid
from datetime import date, timedelta
from typing import Literal

from msgspec import Struct

from .clickhouse import Database
from .errors import SchemaError

# One block a partition in one order, as a retry under the same token must be.
SETTINGS = {
    "deduplicate_insert": "enable",
    "deduplicate_insert_select": "force_enable",
    "distributed_foreground_insert": 1,
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_partitions_per_insert_block": 0,
    "log_queries": 0,
}
NOTHING = 1e-6  # a weight is at least 1, so that less is what adding and taking away has left
STAGED = "(select batch_id, event_id from erasure_rows where erasure = {erasure:String})"
TIMES = "(select at from erasure_rows where erasure = {erasure:String})"
STAGED_DAYS = """
select toString(toDate(at)) as day, count() as events from events where project = {project:String} and toDate(at) in
(select toDate(at) from erasure_rows where erasure = {erasure:String}) group by day order by day
"""
EVERY = "select *, device_hash, session_hash from events"  # those two are made of others, so `*` leaves them out
DEVICES = "(select device_id from erasure_rows where erasure = {erasure:String})"
VIEW = "select as_select from system.tables where database = {database:String} and name = {view:String}"
COLUMNS = (
    "select name from system.columns where database = {database:String} and table = {table:String} order by position"
)
WRONG = """
with touched as (select {keys} from ({erased}) group by {keys})
select count() as n from
(
    select {keys}, {kept}, {left}
    from
    (
        select {keys}, {sums}, 1 as is_kept from {table} where project = {{project:String}} and ({keys}) in touched
        union all select {keys}, {sums}, 0 as is_kept from ({rest}) where ({keys}) in touched
    )
    group by {keys}
)
where {differ}
"""
PARTITIONS = """
select distinct _partition_id as id from {table} where project = {{project:String}} and ({keys}) in
(select {keys} from ({added})) order by id
"""
OF_DAYS = """
select * except (day), toMonday(day) as week from {days}
where project = {{project:String}} and day in {{days:Array(Date)}}
"""


class Rollup(Struct, frozen=True):
    """One table that a view fills; `sums` are the columns that add up, none where rows are made anew by device.

    age: the time that a row's retention counts from, in SQL; rows by device are kept as long as events.
    is_by_day: whether its rows are made anew by day.
    days: of a rollup by week, the one by day that it adds up, and of whose rows its own are made anew.
    """

    table: str
    key: tuple[str, ...]
    age: str
    sums: tuple[str, ...] = ()
    is_by_day: bool = False
    days: str = ""

    @property
    def span(self) -> Literal["", "day", "week"]:
        """Return the column of the days or weeks whose rows are made anew; empty where sums are taken back."""
        return "week" if self.days else "day" if self.is_by_day else ""

    @property
    def is_by_device(self) -> bool:
        return not self.sums


ROLLUPS = (
    Rollup("sessions", ("device_id", "session_id"), "toDateTime(start_day + 2, 'UTC')"),
    Rollup("devices", ("device_id",), "toDateTime(last_seen)"),
    Rollup("counts_by_quarter", ("bucket", "is_bot", "retention"), "bucket", sums=("events", "page_views")),
    Rollup(
        "measures_by_value",
        ("dimension", "day", "name", "value", "step", "is_bot", "retention"),
        "toDateTime(day, 'UTC')",
        sums=("events",),
    ),
    Rollup(
        "counts_by_value",
        ("dimension", "day", "value", "is_bot", "retention"),
        "toDateTime(day, 'UTC')",
        sums=("events", "page_views"),
        is_by_day=True,
    ),
    Rollup(
        "counts_by_week",
        ("dimension", "week", "value", "is_bot", "retention"),
        "toDateTime(week + 6, 'UTC')",
        sums=("events", "page_views"),
        days="counts_by_value",
    ),
    Rollup(
        "counts_by_name",
        ("type", "day", "name", "is_bot", "retention"),
        "toDateTime(day, 'UTC')",
        sums=("events",),
        is_by_day=True,
    ),
)


class Scope(Struct, frozen=True):
    """What an erasure works on: the project, and the rows staged under the erasure's id."""

    erasure: str
    project: str
    cluster: str | None

    @property
    def params(self) -> dict[str, object]:
        return {"erasure": self.erasure, "project": self.project}

    @property
    def erased(self) -> str:
        """Return the select of the staged events."""
        return f"({EVERY} where project = {{project:String}} and at in {TIMES} and (batch_id, event_id) in {STAGED})"

    @property
    def erased_of_days(self) -> str:
        """Return the select of the staged events of some days."""
        return (
            f"({EVERY} where project = {{project:String}} and at in {TIMES} "
            f"and toDate(at) in {{days:Array(Date)}} and (batch_id, event_id) in {STAGED})"
        )

    @property
    def rest_of_days(self) -> str:
        """Return the select of all other events of some days."""
        return (
            f"({EVERY} where project = {{project:String}} "
            f"and toDate(at) in {{days:Array(Date)}} and (batch_id, event_id) not in {STAGED})"
        )

    @property
    def left(self) -> str:
        """Return the select of the events of the same devices that are left."""
        return f"({EVERY} where project = {{project:String}} and device_id in {DEVICES})"


async def added_by(database: Database, rollup: Rollup, events: str) -> str:
    """Return the select of what these events, a select in brackets, add to the rollup."""
    found = await database.fetch(VIEW, params={"database": database.name, "view": f"{rollup.table}_view"})
    text = found[0]["as_select"] if found else ""
    replaced, times = re.subn(
        rf" FROM {database.name}\.events(_local)?(?=[ )])", lambda _: f" FROM {events} AS events", text
    )
    if times == 1:
        return replaced
    raise SchemaError(f"{rollup.table}_view does not read events as the migrations make it: run `migrate verify`")


async def take_away(database: Database, rollup: Rollup, scope: Scope) -> None:
    """The rollup counts without the staged events, however often this is called."""
    columns = await columns_of(database, rollup)
    taken = ", ".join(f"-{name} as {name}" if name in rollup.sums else name for name in columns)
    added = await added_by(database, rollup, scope.erased)
    settings = {**SETTINGS, "insert_deduplication_token": f"{scope.erasure}:{rollup.table}"}
    if scope.cluster:
        settings["insert_shard_id"] = 1  # a retry meets its token on the same shard
    sql = f"insert into {rollup.table} ({', '.join(columns)}) select {taken} from ({added}) as added order by all"  # noqa: S608
    await database.execute(sql, params=scope.params, settings=settings)


async def make_anew(database: Database, rollup: Rollup, scope: Scope) -> None:
    """The rollup has what the events that are left add to the staged events' devices, which it has no rows of now."""
    columns = ", ".join(await columns_of(database, rollup))
    added = await added_by(database, rollup, scope.left)
    settings = {**SETTINGS, "insert_deduplication_token": str(uuid.uuid4())}  # the rows before are gone: never the same
    sql = f"insert into {rollup.table} ({columns}) select {columns} from ({added}) as added"  # noqa: S608
    await database.execute(sql, params=scope.params, settings=settings)


async def days_of(database: Database, scope: Scope, events_at_once: int) -> list[list[str]]:
    """Return the days of the staged events, in UTC, in portions of at most so many events, or of one day."""
    portions: list[list[str]] = []
    filled = 0
    for row in await database.fetch(STAGED_DAYS, params=scope.params):
        filled += int(row["events"])
        if filled > events_at_once or not portions:
            portions.append([])
            filled = int(row["events"])
        portions[-1].append(row["day"])
    return portions


def weeks_of(portions: list[list[str]]) -> list[list[str]]:
    """Return the days of each week, Monday first, that has one of the days."""
    days = {date.fromisoformat(day) for portion in portions for day in portion}
    mondays = sorted({day - timedelta(days=day.weekday()) for day in days})
    return [[str(monday + timedelta(days=number)) for number in range(7)] for monday in mondays]


async def make_days_anew(database: Database, rollup: Rollup, scope: Scope, days: list[str]) -> None:
    """The rollup has what the other events of the days add, of which it has no rows now."""
    columns = ", ".join(await columns_of(database, rollup))
    left = await left_of_days(database, rollup, scope)
    sql = f"insert into {rollup.table} ({columns}) select {columns} from ({left}) as added"  # noqa: S608
    settings = {**SETTINGS, "insert_deduplication_token": str(uuid.uuid4())}  # as above
    await database.execute(sql, params=scope.params | {"days": days}, settings=settings)


async def left_of_days(database: Database, rollup: Rollup, scope: Scope) -> str:
    """Return the select of what the rollup has of some days without the staged events."""
    if rollup.days:
        return OF_DAYS.format(days=rollup.days)
    return await added_by(database, rollup, scope.rest_of_days)


async def columns_of(database: Database, rollup: Rollup) -> list[str]:
    rows = await database.fetch(COLUMNS, params={"database": database.name, "table": rollup.table})
    return [row["name"] for row in rows]


async def count_rows(database: Database, rollup: Rollup, scope: Scope) -> int:
    """Return how many of the rollup's rows hold something of the staged events, before those are deleted."""
    key = ", ".join(rollup.key)
    if rollup.is_by_device:
        staged = f"(select {key} from erasure_rows where erasure = {{erasure:String}})"  # noqa: S608
        sql = (
            f"select count() as n from {rollup.table} final where project = {{project:String}} and ({key}) in {staged}"  # noqa: S608
        )
    else:
        sql = f"select count() as n from ({await added_by(database, rollup, scope.erased)})"  # noqa: S608
    (row,) = await database.fetch(sql, params=scope.params)
    return int(row["n"])


async def count_left(database: Database, rollup: Rollup, scope: Scope) -> int:
    """Return how many rows of the staged events' devices no event is behind, after all was deleted and made anew."""
    key = ", ".join(rollup.key)
    behind = f"(select {key} from {scope.left})"  # noqa: S608
    sql = (
        f"select count() as n from {rollup.table} final where project = {{project:String}} "  # noqa: S608
        f"and device_id in {DEVICES} and ({key}) not in {behind}"
    )
    (row,) = await database.fetch(sql, params=scope.params)
    return int(row["n"])


async def count_wrong(database: Database, rollup: Rollup, scope: Scope, days: list[str]) -> int:
    """Return how many rows of the days' staged events do not count what their other events add up to.

    The staged events are still in events. A row whose events have begun to end with their retention may count more than
    they do; less it never may.
    """
    sql = WRONG.format(
        keys=", ".join(rollup.key),
        table=rollup.table,
        sums=", ".join(rollup.sums),
        kept=", ".join(f"sumIf({name}, is_kept = 1) as kept_{name}" for name in rollup.sums),
        left=", ".join(f"sumIf({name}, is_kept = 0) as left_{name}" for name in rollup.sums),
        differ=" or ".join(f"kept_{name} < left_{name} - {NOTHING} * (1 + left_{name})" for name in rollup.sums),
        erased=await added_by(database, rollup, scope.erased_of_days),
        rest=await left_of_days(database, rollup, scope),
    )
    (row,) = await database.fetch(sql, params=scope.params | {"days": days})
    return int(row["n"])


async def partitions_of(database: Database, rollup: Rollup, scope: Scope) -> list[str]:
    """Return the partitions of the rollup's rows that the staged events have added to."""
    added = await added_by(database, rollup, scope.erased)
    sql = PARTITIONS.format(table=rollup.table, keys=", ".join(rollup.key), added=added)
    return [row["id"] for row in await database.fetch(sql, params=scope.params)]


async def is_nothing_left(database: Database, rollup: Rollup, project: str) -> bool:
    """Tell whether no row of the project has sums that are nothing."""
    sql = f"select 1 as one from {rollup.table} where project = {{project:String}} and {nothing(rollup)} limit 1"  # noqa: S608
    return not await database.fetch(sql, params={"project": project})


def nothing(rollup: Rollup) -> str:
    """Return the condition of a row that counts nothing."""
    return " and ".join(f"abs({name}) < {NOTHING}" for name in rollup.sums)
