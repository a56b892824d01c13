"""How a new view comes to know what was there before it: exactly once, while events go on arriving.

{{cut(events)}} create materialized view …     the loader waits for the moment in which events_cut takes the rows that
                                               are there (hard links, no copy) and the view is made for all that follow
{{backfill(events_cut)}} insert into … select  run once for each partition of the cut, `_partition_id =
                                               {partition:String}` in it; ordered by all or by what groups, so that a
                                               step that is run again has the same blocks: its token counts them once
Cluster   each shard cuts its own part, events_cut_local, and events_cut reads all of them, as the tables themselves do
Crash     the view's being there means that the cut is made; the journal knows the partitions that are done
"""

from .clickhouse import Database
from .statements import fill, split

SETTINGS = {
    "deduplicate_insert": "enable",
    "deduplicate_insert_select": "force_enable",
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "distributed_foreground_insert": 1,
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_block_size": 65_536,
    "min_insert_block_size_rows": 200_000,
    "min_insert_block_size_bytes": 0,
}


CUT = """
drop table if exists {table}_cut{{{{local}}}} {{{{on_cluster}}}} sync;
create table {table}_cut{{{{local}}}} {{{{on_cluster}}}} as {table}{{{{local}}}};
alter table {table}_cut{{{{local}}}} {{{{on_cluster}}}} attach partition all from {table}{{{{local}}}};
{{{{distributed({table}_cut, rand())}}}};
"""


def cutting(table: str, cluster: str | None) -> list[str]:
    """Return the statements that make the table's cut."""
    return [sql for sql in (fill(one, cluster) for one in split(CUT.format(table=table))) if sql]


async def make_cut(database: Database, table: str, view: str, cluster: str | None) -> None:
    """The table's cut has its rows of this moment, unless the view is there already; nothing may load meanwhile."""
    names = {"database": database.name, "view": view}
    found = "select name from system.tables where database = {database:String} and name = {view:String}"
    if not await database.fetch(found, params=names):
        for sql in cutting(table, cluster):
            await database.execute(sql)


async def partitions(database: Database, table: str) -> list[str]:
    """Return the ids of the table's partitions, oldest first."""
    rows = await database.fetch(f"select distinct _partition_id as id from {table} order by id")  # noqa: S608
    return [row["id"] for row in rows]


async def fill_partition(database: Database, sql: str, partition: str, token: str) -> None:
    """The target has the partition's rows, once."""
    settings = {**SETTINGS, "insert_deduplication_token": f"{token}:{partition}"}
    await database.execute(sql, params={"partition": partition}, settings=settings)
