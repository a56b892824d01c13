"""Rows that ClickHouse refuses: found by dividing, kept with the reason, tried again; their neighbours are stored."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shockmouse_analytics_server import quarantine
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.loader import Loader
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import Spool, SpoolStatus

from .conftest import Place
from .spooled import MONTH, NOON, Totals, entry_of, make_entry, make_row, open_spool, totals

pytestmark = pytest.mark.engine


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


def poison(**overrides: object) -> Row:
    """Return a row that validation would never let through."""
    return make_row(**{"batch_id": "no uuid", **overrides})


def load_until_done(place: Place, spool: Spool, folder: Path) -> Totals:
    """Load until nothing waits but what is in quarantine, within a minute."""

    async def scenario(database: Database) -> Totals:
        with Counters(folder / "counters.sqlite") as counters:
            loader = Loader(spool, database, folder / "loading.lock", counters)
            async with asyncio.timeout(60):
                while await loader.load_round(asyncio.Event()):
                    pass
            return await totals(database)

    return place.run(scenario)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event_id", "x"),
        ("seq", "many"),
        ("at", "noon"),
        ("properties", msgspec.Raw(b"[1]")),
        ("properties", msgspec.Raw(b'"text"')),
        ("fingerprint", ["os"]),
        ("retention", 1.5),
    ],
)
def test_one_bad_row_stands_alone_and_its_neighbours_are_stored(
    migrated: Place, spool: Spool, tmp_path: Path, column: str, value: object
) -> None:
    rows = [make_row() for _ in range(99)]
    bad = poison(batch_id=str(uuid.uuid4()))
    encoded_before = msgspec.json.encode(bad)
    entry = entry_of([*rows[:40], bad, *rows[40:]], batch_id=uuid.uuid4())
    spool.append([entry])
    change_stored_row(spool, encoded_before, changed(bad, column, value))
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(99)
    (found,) = quarantine.listed(spool.file, 10)
    assert (found.project, found.body) == ("default", changed(bad, column, value) + b"\n")
    assert found.reason.startswith("Code: ")
    assert "\n" not in found.reason


def changed(row: Row, column: str, value: object) -> bytes:
    """Return the row's line with a value of a kind that a Row never has."""
    fields = [value if name == column else getattr(row, name) for name in row.__struct_fields__]
    return msgspec.json.encode(fields)


def change_stored_row(spool: Spool, before: bytes, after: bytes) -> None:
    with spool.file.transaction() as connection:
        ((number, body),) = connection.execute("select number, body from pieces").fetchall()
        assert before in body
        connection.execute("update pieces set body = ? where number = ?", (body.replace(before, after), number))


def test_many_bad_rows_among_good_ones(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    rows = [poison() if number % 10 == 3 else make_row() for number in range(200)]
    spool.append([entry_of(rows[:100], batch_id=uuid.uuid4()), entry_of(rows[100:], batch_id=uuid.uuid4())])
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(180)
    found = quarantine.listed(spool.file, 1_000)
    assert sorted(each.event_id for each in found) == sorted(row.event_id for row in rows if row.batch_id == "no uuid")
    assert spool.status().rows == 0


def test_a_batch_of_bad_rows_only(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    spool.append([entry_of([poison() for _ in range(5)], batch_id=uuid.uuid4())])
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(0)
    status = spool.status()
    assert (status.rows, status.segments, status.quarantined) == (0, 0, 5)


def test_fresh_segments_are_stored_while_a_refused_one_is_divided(
    migrated: Place, spool: Spool, tmp_path: Path
) -> None:
    """Two months: the later one is cut, refused and divided first, the other is stored in the same round."""
    rows = [poison() if number % 2 else make_row() for number in range(60)]
    spool.append([entry_of(rows, batch_id=uuid.uuid4())])
    spool.append([make_entry(7, at=NOON - MONTH)])

    async def one_round(database: Database) -> int:
        with Counters(tmp_path / "counters.sqlite") as counters:
            await Loader(spool, database, tmp_path / "loading.lock", counters).load_round(asyncio.Event())
        found = await database.fetch("select count() as rows from events where toYYYYMM(at) = 202610")
        return int(found[0]["rows"])

    assert migrated.run(one_round) == 7
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(37)


def test_replayed_rows_that_are_still_bad_come_back(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    spool.append([entry_of([poison(), make_row(), poison()], batch_id=uuid.uuid4())])
    load_until_done(migrated, spool, tmp_path)
    before = {each.event_id: each.body for each in quarantine.listed(spool.file, 10)}
    assert quarantine.replay(spool.file, NOON) == 2
    assert spool.status().quarantined == 0
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(1)
    assert {each.event_id: each.body for each in quarantine.listed(spool.file, 10)} == before
    assert quarantine.replay(spool.file, NOON) == 2


def test_replayed_rows_that_are_good_now_count_once(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """The reason was the table, and it has been mended."""
    spool.append([entry_of([make_row(title="long"), make_row(), make_row(title="long")], batch_id=uuid.uuid4())])
    migrated.run(lambda database: database.execute("alter table events modify column title FixedString(3)"))
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(1)
    assert [each.reason[:9] for each in quarantine.listed(spool.file, 10)] == ["Code: 131"] * 2
    migrated.run(lambda database: database.execute("alter table events modify column title String"))
    assert quarantine.replay(spool.file, NOON) == 2
    assert quarantine.replay(spool.file, NOON) == 0
    assert load_until_done(migrated, spool, tmp_path) == Totals.of(3)
    status = spool.status()
    assert status == SpoolStatus(1, 0, 0, None, 0, 0)


def test_a_reason_holds_no_other_row(migrated: Place, spool: Spool, tmp_path: Path) -> None:
    """ClickHouse quotes the rows around the one it cannot read."""
    neighbour = make_row(user_id="somebody else")
    spool.append([entry_of([neighbour, poison(), neighbour], batch_id=uuid.uuid4())])
    load_until_done(migrated, spool, tmp_path)
    (found,) = quarantine.listed(spool.file, 10)
    assert "somebody else" not in found.reason
    assert len(found.reason) <= 500
