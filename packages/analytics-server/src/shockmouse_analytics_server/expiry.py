"""How long rows are kept: what a project's retention means for rows that are there already.

Each row carries the retention of its time, by which ClickHouse lets it end (TTL). When a project's setting changes, the
rows of events, sessions and devices take over the new one, longer or shorter; what is older than it allows is deleted
at once. Counts carry theirs in their key, so that they only become shorter: a longer one holds for counts from now on.
"""

import uuid
from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from .clickhouse import Database
from .deletion import Deletion
from .projects import Project
from .rollups import ROLLUPS

# What TTL should have ended long ago: it looks every few hours.
LATE_DAYS = 1


class Kept(Struct, frozen=True):
    """One table: rows are kept for so many days (0 is for ever) after the time that `age` tells."""

    table: str
    age: str
    days: int
    key: str = ""

    @property
    def source(self) -> str:
        """Return what to count in: rows of one key that are not merged yet count once."""
        return f"{self.table} final" if self.key else self.table

    def expired(self, days: int) -> str:
        """Return the condition of rows older than so many days."""
        old = f"{self.age} < now('UTC') - toIntervalDay({days})"
        if not self.key:
            return old
        # The newest of the rows that are not merged yet counts for all.
        return f"{self.key} in (select {self.key} from {self.table} final where {old})"  # noqa: S608


class Going(Struct, frozen=True):
    """So many rows of a table go on this day."""

    table: str
    day: date
    rows: int


def kept(project: Project) -> Iterator[Kept]:
    """Yield how long each table keeps the project's rows."""
    yield Kept("events", "toDateTime(at)", project.retention_days)
    for rollup in ROLLUPS:
        days = project.retention_days if rollup.is_by_device else project.counts_days
        key = f"({', '.join(('project', *rollup.key))})" if rollup.is_by_device else ""
        yield Kept(rollup.table, rollup.age, days, key)


async def going(database: Database, project: Project) -> list[Going]:
    """Return how many of today's rows go on which day under the project's settings; what goes at once goes today."""
    found = []
    for each in kept(project):
        if each.days:
            end = f"greatest(toDate({each.age}) + {each.days}, today())"
            sql = (
                f"select {end} as day, count() as rows from {each.source} where project = {{project:String}} "  # noqa: S608
                "group by day order by day"
            )
            rows = await database.fetch(sql, params={"project": project.name})
            found += [Going(each.table, date.fromisoformat(row["day"]), int(row["rows"])) for row in rows]
    return found


async def keep_as_set(database: Database, cluster: str | None, project: Project) -> None:
    """Rows that are there are kept as the project's settings say; what is older is deleted."""
    deletion = Deletion(database, cluster)
    mine = f"project = '{project.name}'"
    days = project.retention_days
    # Not rollup_retention: an event tells by it in which row of the counts it stands, should it be erased.
    for table in ("events", *(rollup.table for rollup in ROLLUPS if rollup.is_by_device)):
        await deletion.update(table, f"retention = {days}", f"{mine} and retention != {days}")
    await expire(database, cluster, project)


async def expire(database: Database, cluster: str | None, project: Project, *, late_days: int = 0) -> None:
    """Rows that are older by so many days than the project keeps them are deleted."""
    deletion = Deletion(database, cluster)
    for each in kept(project):
        if not each.days:
            continue
        expired = f"project = '{project.name}' and {each.expired(each.days + late_days)}"
        if await database.fetch(f"select 1 as one from {each.table} where {expired} limit 1"):  # noqa: S608
            mark = uuid.uuid4().hex
            await deletion.delete(each.table, f"{expired} and '{mark}' != ''", mark)


async def expire_late(database: Database, cluster: str | None, projects: list[Project]) -> None:
    """Rows are gone that ClickHouse's own TTL leaves, as they were counted when the retention was longer."""
    for project in projects:
        await expire(database, cluster, project, late_days=LATE_DAYS)
