"""The schema: every table is there, and what the loader does fills all of them once."""

from shockmouse_analytics_server.clickhouse import Database

TABLES = [
    "audit_log", "counts_by_name", "counts_by_name_view", "devices", "devices_view", "events", "keys",
    "migration_journal", "projects", "secrets", "sessions", "sessions_view", "tombstones",
]  # fmt: skip


def test_the_schema_has_its_tables(migrated):
    async def scenario(opened: Database) -> list:
        return await opened.fetch("select name from system.tables where database = currentDatabase() order by name")

    assert [row["name"] for row in migrated.run(scenario)] == TABLES
