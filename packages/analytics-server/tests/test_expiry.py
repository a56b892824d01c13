"""Retention of what is there already: a new setting holds for old rows, a dry run tells which go when."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from shockmouse_analytics_server import expiry, registry
from shockmouse_analytics_server.erasure_work import Place as ErasingPlace
from shockmouse_analytics_server.projects import Project
from shockmouse_analytics_server.registry import ProjectChange

from .conftest import Place
from .erasing import Node
from .spooled import make_row

pytestmark = pytest.mark.engine
DAY = 24 * 3600.0


@pytest.fixture
def node(migrated: Place, tmp_path: Path) -> Iterator[Node]:
    with Node(migrated, tmp_path) as opened:
        now = time.time()
        rows = [
            make_row(project=project, at=round(now - age * DAY, 3), device_id=f"of {age} days", session_id="s")
            for project in ("shop", "rival")
            for age in (1, 20, 40)
        ]
        opened.load(*rows)
        yield opened


def set_to(node: Node, **days: int) -> None:
    async def change(place: ErasingPlace) -> None:
        before = place.directory.project("shop")
        after = await registry.set_project(place.database, place.directory, before, ProjectChange(**days))
        await expiry.keep_as_set(place.database, None, after)

    node.run(change)


def devices(node: Node, table: str, project: str = "shop") -> list[str]:
    rows = node.fetch(f"select distinct device_id as id from {table} where project = '{project}' order by id")
    return [row["id"] for row in rows]


def counted(node: Node, project: str = "shop") -> Any:
    return node.fetch(f"select sum(events) as n from counts_by_quarter where project = '{project}'")[0]["n"]


def test_a_shorter_retention_removes_old_rows_of_events_and_of_what_is_told_by_device(node: Node) -> None:
    set_to(node, retention_days=30)
    for table in ("events", "sessions", "devices"):
        assert devices(node, table) == ["of 1 days", "of 20 days"]
        assert devices(node, table, "rival") == ["of 1 days", "of 20 days", "of 40 days"]
    assert counted(node) == 3  # counts have a retention of their own
    assert node.fetch("select distinct retention from events where project = 'shop'") == [{"retention": 30}]


def test_a_shorter_rollup_retention_removes_old_counts(node: Node) -> None:
    set_to(node, retention_days=15, rollup_retention_days=30)
    assert (counted(node), counted(node, "rival")) == (2, 3)
    assert devices(node, "events") == ["of 1 days"]


@pytest.mark.parametrize("retention_days", [0, 395])
def test_counts_never_end_before_the_events_they_count(node: Node, retention_days: int) -> None:
    set_to(node, retention_days=retention_days, rollup_retention_days=10)
    assert (counted(node), devices(node, "events")) == (3, ["of 1 days", "of 20 days", "of 40 days"])
    receipt = node.erase(device_id="of 20 days")
    assert {table.name: table.rows_left for table in receipt.tables if table.rows_left} == {}
    assert counted(node) == 2


@pytest.mark.parametrize(
    ("retention_days", "rollup_retention_days", "counts_days"),
    [(395, 0, 0), (0, 10, 0), (395, 10, 396), (395, 395, 396), (30, 60, 60), (65_535, 1, 65_535)],
)
def test_counts_are_kept_for_longer_than_events(
    retention_days: int, rollup_retention_days: int, counts_days: int
) -> None:
    days = {"retention_days": retention_days, "rollup_retention_days": rollup_retention_days}
    made = Project(name="shop", created_at=0, ip="drop", timezone="UTC", version=1, **days)
    assert made.counts_days == counts_days


def test_a_longer_retention_keeps_rows_that_would_have_ended(node: Node) -> None:
    set_to(node, retention_days=100)
    set_to(node, retention_days=0)
    for table in ("events", "sessions", "devices"):
        assert node.fetch(f"select distinct retention from {table}") == [{"retention": 0}]
        assert devices(node, table) == ["of 1 days", "of 20 days", "of 40 days"]


def test_a_dry_run_tells_which_rows_go_on_which_day(node: Node) -> None:
    async def going(place: ErasingPlace) -> list[expiry.Going]:
        project = structs.replace(place.directory.project("shop"), retention_days=30, rollup_retention_days=60)
        return await expiry.going(place.database, project)

    today = datetime.now(UTC).date()
    days = {1: 29, 20: 10}
    found = {(each.table, each.day): each.rows for each in node.run(going)}
    assert {day: rows for (table, day), rows in found.items() if table == "events"} == {
        today: 1,
        **{today + timedelta(days=left): 1 for left in days.values()},
    }
    assert {day: rows for (table, day), rows in found.items() if table == "counts_by_quarter"} == {
        today + timedelta(days=left): 1 for left in (59, 40, 20)
    }
    assert devices(node, "events") == ["of 1 days", "of 20 days", "of 40 days"]


def test_what_is_late_by_a_day_goes_by_itself(node: Node) -> None:
    """Counts carry their retention in their key; the loader's process looks after what a shorter one means for them."""

    async def expire(place: ErasingPlace, days: int) -> None:
        kept = {"retention_days": 30, "rollup_retention_days": days}
        project = structs.replace(place.directory.project("shop"), **kept)
        await expiry.expire_late(place.database, None, [project])

    node.run(lambda place: expire(place, 40))
    assert counted(node) == 3
    node.run(lambda place: expire(place, 38))
    assert (counted(node), counted(node, "rival")) == (2, 3)


def test_counts_are_repaired_in_the_rows_that_they_stand_in_after_a_change(node: Node) -> None:
    """Counts keep the retention of their time in their key; what is taken away must carry the same."""
    set_to(node, retention_days=50, rollup_retention_days=100)
    node.erase(device_id="of 20 days")
    rows = node.fetch("select retention, sum(events) as n from counts_by_quarter where project = 'shop' group by all")
    assert rows == [{"retention": 0, "n": 2}]
    assert node.fetch("select count() as n from counts_by_quarter where events < 0") == [{"n": 0}]
