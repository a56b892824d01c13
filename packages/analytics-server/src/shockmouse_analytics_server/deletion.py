"""Rows deleted so that their bytes are gone: not hidden, not in the parts that a merge or deletion has left behind.

ALTER … DELETE rewrites the parts that hold such a row; ClickHouse keeps the old ones for minutes, as after a merge.
prepare()   the tables let go of old parts at once; what takes their place is synced, as after every merge
delete()    returns when the rewriting is done; the statement names an erasure, never a person, as its text is kept
clean()     waits until the parts that are no longer used now are gone from the disk
settle()    the tables are again as the migrations made them
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from .clickhouse import Database
from .errors import DatabaseError, LockedError
from .statements import fill

POLL_SECONDS = 0.1
LOOK_SECONDS = 0.3
CLEAN_SECONDS = 600.0
FAILING_SECONDS = 60.0
# A partition that no table has: dropping it does nothing but look after parts that are no longer used.
NO_PARTITION = "190001"
AT_ONCE = {"old_parts_lifetime": "0"}
UNDER_WAY = """
select countIf(not is_done) as undone, anyIf(latest_fail_reason, latest_fail_reason != '' and not is_done) as failure
from {mutations}
where database = {{database:String}} and table = {{table:String}} and position(command, {{mark:String}}) > 0
"""
OLD_PARTS = """
select table || ' ' || name || ' ' || hostName() as part from {parts}
where database = {{database:String}} and table in {{tables:Array(String)}} and not active
"""


class Deletion:
    """Deletes from tables of one database, on one node or on a cluster."""

    def __init__(self, database: Database, cluster: str | None) -> None:
        self._database = database
        self._cluster = cluster
        self._on_cluster = fill("{{on_cluster}}", cluster)

    async def prepare(self, tables: Sequence[str]) -> None:
        settings = ", ".join(f"{name} = {value}" for name, value in AT_ONCE.items())
        for table in tables:
            await self._alter(table, f"modify setting {settings}")

    async def settle(self, tables: Sequence[str]) -> None:
        for table in tables:
            await self._alter(table, f"reset setting {', '.join(AT_ONCE)}")

    async def delete(self, table: str, where: str, mark: str) -> None:
        """The rows are deleted; `mark` is a text of the condition that no other deletion has.

        Raises DatabaseError: ClickHouse has failed at it for a minute.
        """
        settings = {"mutations_sync": 0, "allow_nondeterministic_mutations": 1, "log_queries": 0}
        await self._alter(table, f"delete where {where}", settings)
        await self.wait(table, mark)

    async def update(self, table: str, assignment: str, where: str) -> None:
        """The rows are changed, before anything else is done to the table."""
        await self._alter(table, f"update {assignment} where {where}", {"mutations_sync": 2})

    async def sync(self, table: str) -> None:
        """Every replica has the table's rows."""
        if self._cluster:
            await self._database.execute(f"system sync replica {self._on_cluster} {self.stored(table)}")

    async def drop_partition(self, table: str, partition: str) -> None:
        """The partition, named by its value, is gone."""
        await self._alter(table, f"drop partition '{partition}'")

    async def wait(self, table: str, mark: str) -> None:
        """Nothing is left to do of the deletions with this mark."""
        sql = UNDER_WAY.format(mutations=self._system("mutations"))
        params = {"database": self._database.name, "table": self.stored(table), "mark": mark}
        failing_since = 0.0
        while True:
            (row,) = await self._database.fetch(sql, params=params)
            if not row["undone"]:
                return
            failing_since = (failing_since or time.monotonic()) if row["failure"] else 0.0
            if failing_since and time.monotonic() - failing_since > FAILING_SECONDS:
                raise DatabaseError(f"{table}: rows cannot be deleted: {row['failure']}")
            await asyncio.sleep(POLL_SECONDS)

    async def merge(self, table: str, partition: str) -> None:
        """The partition's rows are merged into one part."""
        await self._database.execute(
            f"optimize table {self.stored(table)} {self._on_cluster} partition id '{partition}' final",
            settings={"alter_sync": 2, "optimize_throw_if_noop": 0},
        )

    async def clean(self, tables: Sequence[str]) -> None:
        """Parts that are not used at this moment are gone.

        Raises LockedError: a question has read one of them for minutes.
        """
        deadline = time.monotonic() + CLEAN_SECONDS
        old = await self._old_parts(tables)
        while old:
            if time.monotonic() > deadline:
                raise LockedError(f"parts that are no longer used stay on disk: {', '.join(sorted(old)[:3])}")
            await asyncio.sleep(LOOK_SECONDS)  # ClickHouse reckons their age in whole seconds
            for table in tables:
                await self._alter(table, f"drop partition id '{NO_PARTITION}'")
            old &= await self._old_parts(tables)

    async def _old_parts(self, tables: Sequence[str]) -> set[str]:
        sql = OLD_PARTS.format(parts=self._system("parts"))
        params = {"database": self._database.name, "tables": [self.stored(table) for table in tables]}
        return {row["part"] for row in await self._database.fetch(sql, params=params)}

    def stored(self, table: str) -> str:
        """Return the name of the table that holds the rows of each shard."""
        return table if table == "erasure_rows" else f"{table}{fill('{{local}}', self._cluster)}"

    def _system(self, table: str) -> str:
        return f"clusterAllReplicas(`{self._cluster}`, system.{table})" if self._cluster else f"system.{table}"

    async def _alter(self, table: str, what: str, settings: Mapping[str, object] = {}) -> None:
        await self._database.execute(f"alter table {self.stored(table)} {self._on_cluster} {what}", settings=settings)
