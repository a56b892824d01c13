"""Erasure: nothing of the subject is left anywhere, and every count is as if it had never come."""

import fcntl
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from shockmouse_analytics_server import erasure, person_erasure
from shockmouse_analytics_server.erasure_journal import Subject
from shockmouse_analytics_server.erasure_work import Work
from shockmouse_analytics_server.errors import DatabaseError
from shockmouse_analytics_server.folder import loading_lock
from shockmouse_analytics_server.rollups import ROLLUPS
from shockmouse_analytics_server.rows import Row

from .conftest import Place
from .erasing import Node
from .spooled import NOON, entry_of, make_row

pytestmark = pytest.mark.engine

TARGETS = """
select name, replaceRegexpOne(create_table_query, '(?s).* TO [\\w`]+\\.(\\w+) .*', '\\1') as target from system.tables
where database = currentDatabase() and engine = 'MaterializedView' order by name
"""
SUMMED = """
select name, extract(engine_full, 'SummingMergeTree\\(\\(?([^)]*)\\)') as sums from system.tables
where database = currentDatabase() and engine like '%SummingMergeTree' order by name
"""


@pytest.fixture
def node(migrated: Place, tmp_path: Path) -> Iterator[Node]:
    with Node(migrated, tmp_path) as opened:
        yield opened


def event(**columns: Any) -> Row:
    """Return a row of the project shop."""
    device = columns.get("device_id", "device")
    return make_row(**{"project": "shop", "session_id": f"session of {device}", **columns})


def alias(user_id: str, previous_id: str, **columns: Any) -> Row:
    properties = Raw(b'{"previous_id":"%s"}' % previous_id.encode())
    return event(type="alias", user_id=user_id, properties=properties, **columns)


def counted(receipt: Any) -> dict[str, tuple[int, int, int]]:
    """Return the receipt's lines that are not empty."""
    lines = {table.name: (table.rows_before, table.rows_removed, table.rows_left) for table in receipt.tables}
    return {name: line for name, line in lines.items() if any(line)}


def devices_left(node: Node, table: str = "events") -> list[str]:
    return [row["id"] for row in node.fetch(f"select distinct device_id as id from {table} order by id")]


def test_every_table_that_a_view_fills_is_known_to_erasure(migrated: Place) -> None:
    """A new view must say how its table is put right, or persons would stay in it."""
    views = migrated.run(lambda opened: opened.fetch(TARGETS))
    assert [row["target"] for row in views] == sorted(rollup.table for rollup in ROLLUPS)
    assert [row["name"] for row in views] == [f"{row['target']}_view" for row in views]
    summed = migrated.run(lambda opened: opened.fetch(SUMMED))
    assert {row["name"]: tuple(row["sums"].split(", ")) for row in summed} == {
        rollup.table: rollup.sums for rollup in ROLLUPS if rollup.sums and not rollup.span
    }


def test_a_user_leaves_every_table_with_the_devices_that_are_only_theirs(node: Node) -> None:
    node.load(
        *(event(device_id="own") for _ in range(3)),
        *(event(device_id="own", user_id="anna", type="track", name="Bought", sample_rate=0.3) for _ in range(2)),
        event(device_id="second", user_id="anna"),
        event(device_id="other", user_id="ben"),
        event(project="rival", device_id="own", user_id="anna"),
    )
    receipt = node.erase(user_id="anna")
    assert counted(receipt) == {
        "events": (6, 6, 0),
        "sessions": (2, 2, 0),
        "devices": (2, 2, 0),
        "counts_by_quarter": (1, 1, 0),
        "counts_by_value": (7, 7, 0),
        "counts_by_week": (7, 7, 0),
        "counts_by_name": (1, 1, 0),
    }
    assert node.fetch("select name from counts_by_name") == []
    for table in ("events", "sessions", "devices"):
        rows = node.fetch(f"select project, device_id from {table} order by project")
        assert [tuple(row.values()) for row in rows] == [("rival", "own"), ("shop", "other")]
    left = node.fetch("select project, sum(events), sum(page_views) from counts_by_quarter group by all order by all")
    assert [tuple(row.values()) for row in left] == [("rival", 1, 1), ("shop", 1, 1)]
    left = node.fetch(
        "select project, dimension, value, sum(events), sum(page_views), uniqCombinedMerge(12)(visitors),"
        " uniqCombinedMerge(12)(sessions) from counts_by_value where dimension = 'path' group by all order by all"
    )
    assert [tuple(row.values()) for row in left] == [
        ("rival", "path", "/pricing", 1, 1, 1, 1),
        ("shop", "path", "/pricing", 1, 1, 1, 1),
    ]


def test_measures_are_taken_back(node: Node) -> None:
    values = (("anna", 1840.5), ("anna", 12), ("ben", 12))
    node.load(
        *(
            event(device_id=user, user_id=user, type="performance", name="LCP", properties=Raw(b'{"value":%f}' % value))
            for user, value in values
        )
    )
    receipt = node.erase(user_id="anna")
    assert counted(receipt)["measures_by_value"] == (12, 12, 0)
    sql = "select dimension, sum(events) as events from measures_by_value where dimension = '' group by all"
    assert node.fetch(sql) == [{"dimension": "", "events": 1}]


def test_aliases_are_followed_in_both_directions(node: Node) -> None:
    node.load(
        event(device_id="phone", user_id="anna"),
        alias("anna-new", "anna", device_id="laptop"),
        alias("anna-newest", "anna-new", device_id="tablet"),
        event(device_id="tablet", user_id="anna-newest"),
        event(device_id="other", user_id="ben"),
    )
    assert counted(node.erase(user_id="anna-new"))["events"] == (4, 4, 0)
    assert devices_left(node) == devices_left(node, "devices") == ["other"]


def test_of_a_shared_device_only_the_events_of_the_person_go(node: Node) -> None:
    node.load(
        event(device_id="kiosk"),
        event(device_id="kiosk", user_id="anna"),
        event(device_id="kiosk", user_id="ben"),
        event(device_id="kiosk", user_id="ben"),
    )
    receipt = node.erase(user_id="anna")
    assert counted(receipt)["events"] == (1, 1, 0)
    assert counted(receipt)["sessions"] == (1, 1, 0)
    for table, user in (
        ("sessions", "tupleElement(identified, 'user_id')"),
        ("devices", "finalizeAggregation(user_id)"),
    ):
        (row,) = node.fetch(f"select events, {user} as user from {table} final")
        assert row == {"events": 3, "user": "ben"}


def test_a_device_goes_alone(node: Node) -> None:
    node.load(
        event(device_id="phone", user_id="anna"), event(device_id="laptop", user_id="anna"), event(device_id="laptop")
    )
    assert counted(node.erase(device_id="laptop"))["events"] == (2, 2, 0)
    assert devices_left(node) == ["phone"]


def test_what_waits_in_the_spool_is_erased_too(node: Node) -> None:
    node.spool(event(device_id="own", user_id="anna"), event(device_id="other"))
    receipt = node.erase(user_id="anna")
    assert counted(receipt)["spool"] == (1, 1, 0)
    assert counted(receipt)["events"] == (1, 1, 0)
    assert devices_left(node) == ["other"]


def test_the_identifiers_are_nowhere_on_the_disk(node: Node) -> None:
    """Neither in parts, used or not, nor in the spool, its log and its unused pages, the mirror and the journal."""
    user, device = f"user-{uuid.uuid4()}", f"device-{uuid.uuid4()}"
    others = [event(device_id=f"other {number}") for number in range(200)]
    for _ in range(3):
        node.load(event(device_id=device), event(device_id=device, user_id=user), *others)
    node.spool(event(device_id=device, user_id=user))
    engine_dir = node.database.engine.data_dir
    if engine_dir is None:
        pytest.skip("a server's disk cannot be searched")
    folders = [str(engine_dir), str(node.data_dir)]
    assert found(user, folders) != []
    node.erase(user_id=user)
    assert found(user, folders) == []
    assert found(device, folders) == []
    assert devices_left(node) == sorted(f"other {number}" for number in range(200))


def found(text: str, folders: list[str]) -> list[str]:
    """Return the files that have the text."""
    command = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", text, *folders]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_a_deleted_project_leaves_everything(node: Node) -> None:
    node.load(event(user_id="anna"), event(project="rival", user_id="anna"))
    node.spool(event(user_id="ben"))
    receipt = node.erase()
    assert counted(receipt) == {
        "events": (2, 2, 0),
        "sessions": (1, 1, 0),
        "devices": (1, 1, 0),
        "counts_by_quarter": (1, 1, 0),
        "counts_by_value": (7, 7, 0),
        "counts_by_week": (7, 7, 0),
    }
    for table in ("events", "sessions", "devices", "counts_by_quarter"):
        assert node.fetch(f"select distinct project from {table}") == [{"project": "rival"}]
    assert node.run(names_of) == ["rival"]


async def names_of(place: Any) -> list[str]:
    return [project.name for project in place.directory.projects()]


def test_late_events_of_an_erased_person_are_dropped_where_they_arrive(node: Node) -> None:
    node.load(event(device_id="own", user_id="anna"), event(device_id="kiosk", user_id="anna"))
    node.load(event(device_id="kiosk", user_id="ben"))
    node.erase(user_id="anna")
    now = time.time()

    async def judge(place: Any) -> list[bool]:
        erased = place.directory.is_erased
        return [
            erased("shop", "anna", ("elsewhere",), now - 3600),
            erased("shop", "", ("own",), now - 3600),
            erased("shop", "anna", ("own",), now + 60),  # what a person does afterwards is new
            erased("shop", "ben", ("kiosk",), now - 3600),
            erased("rival", "anna", ("own",), now - 3600),
        ]

    assert node.run(judge) == [True, True, False, False, False]


def test_a_tombstone_is_a_hash_that_ends_after_30_days(node: Node) -> None:
    node.load(event(device_id="own", user_id="anna"))
    node.erase(user_id="anna")
    sql = "select subject_hash, toUInt32(round(dateDiff('hour', at, until) / 24)) as days from tombstones final"
    rows = node.fetch(sql)
    assert [(len(row["subject_hash"]), row["days"]) for row in rows] == [(64, 30), (64, 30)]

    async def end(place: Any) -> bool:
        place.directory.end_tombstones(time.time() + 31 * 24 * 3600)
        return bool(place.directory.is_erased("shop", "anna", (), 0.0))

    assert not node.run(end)


PATHS = """
select sum(events) as events, uniqCombinedMerge(12)(visitors) as visitors from counts_by_value
where dimension = 'path'
"""
DAY_SECONDS = 24 * 3600.0
STEPS = [name for name, _ in person_erasure.STEPS]
CHILD = Path(__file__).with_name("erasing_child.py")


def killed_in(node: Node, step: str) -> None:
    """Begin to erase the user anna by a process that dies when the step has run, before that is noted."""
    engine = node.database.engine
    if engine.socket_path is None:
        pytest.skip("the child speaks to the embedded engine")
    arguments = [str(node.data_dir), str(engine.socket_path), node.database.name, step]
    killed = subprocess.run([sys.executable, str(CHILD), *arguments], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL


def test_a_segment_that_is_half_stored_while_an_erasure_stood_still_counts_once(node: Node) -> None:
    """It is in events and not in a view, as when the engine dies between the two; its next attempt heals the view."""
    node.load(event(device_id="own", user_id="anna"), event(device_id="kiosk", user_id="anna"))
    node.load(event(device_id="kiosk", user_id="ben"))
    killed_in(node, "collect")
    for table in ("counts_by_value", "counts_by_week", "counts_by_quarter", "sessions", "devices"):
        node.fetch(f"alter table {table} add constraint broken check 1 = 2")
    with pytest.raises(DatabaseError):
        node.load(event(device_id="kiosk", user_id="ben"))
    for table in ("counts_by_value", "counts_by_week", "counts_by_quarter", "sessions", "devices"):
        node.fetch(f"alter table {table} drop constraint broken")
    assert node.fetch("select count() as n from events where user_id = 'ben'") == [{"n": 2}]

    (receipt,) = node.run(erasure.resume)
    assert {table.name: table.rows_left for table in receipt.tables if table.rows_left} == {}
    node.load(event(device_id="late"))
    assert node.fetch("select sum(events) as n from counts_by_quarter") == [{"n": 3}]
    assert node.fetch(PATHS) == [{"events": 3, "visitors": 2}]
    for table in ("sessions", "devices"):
        rows = node.fetch(f"select device_id, events from {table} final order by device_id")
        assert [tuple(row.values()) for row in rows] == [("kiosk", 2), ("late", 1)]


def test_the_loader_has_its_turn_after_every_portion_of_days_that_is_counted_anew(node: Node) -> None:
    """Else events that arrive while a person of many days is erased would be in no answer for as long."""
    days = 12
    for day in range(days):
        node.load(event(device_id="own", user_id="anna", at=NOON - day * DAY_SECONDS))
    turns: list[float] = []
    waiting = event(device_id="other", at=NOON)
    ended = threading.Event()

    async def erase(place: Any) -> None:
        subject = Subject(project="shop", user_id="anna")
        work = Work(place, erasure.begin(place, subject, "test"), events_at_once=1)
        for step, run in person_erasure.STEPS:
            if step == "counts":
                place.spool.append([entry_of([waiting])])
                loader.start()
            await run(work)
            if step == "counts":
                ended.set()
        loader.join()
        erased.append((await erasure.finish(work)).tables)

    erased: list[Any] = []
    loader = threading.Thread(target=lambda: turns.extend(turns_of(loading_lock(node.data_dir), ended)))
    node.run(erase)
    assert len(turns) >= 2 * days  # in each of the two tables that the events of those days had added to
    assert [table.name for table in erased[0] if table.rows_left] == []


def turns_of(lock: Path, ended: threading.Event) -> Iterator[float]:
    """Yield when the lock could be had, as the loader tries: once for each time that it is let go."""
    was_held = False
    with lock.open("r+") as file:
        while not ended.wait(0.05):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                was_held = True
                continue
            fcntl.flock(file, fcntl.LOCK_UN)
            if was_held:
                yield time.monotonic()
            was_held = False


def test_who_erases_again_is_shown_the_receipt_that_another_process_has_earned(node: Node) -> None:
    """The loader goes on with an erasure that was killed, and has nobody to give its receipt to."""
    node.load(event(device_id="own", user_id="anna"), event(device_id="other", user_id="ben"))
    killed_in(node, "counts")
    (earned,) = node.run(erasure.resume)
    again = node.erase(user_id="anna")
    assert counted(earned)["events"] == (1, 1, 0)
    assert counted(again) == {}
    assert again.earlier == [earned]
    assert node.erase(user_id="ben").earlier == []
    assert node.erase(user_id="anna").earlier == [earned, msgspec.structs.replace(again, earlier=[])]
    assert "anna" not in str(node.fetch("select * from audit_log"))


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_killed_in_any_step_goes_on_and_has_the_right_receipt(node: Node, step: str) -> None:
    """The step has run, but nobody has noted it: it runs again."""
    node.load(
        event(device_id="own", user_id="anna", sample_rate=0.3),
        event(device_id="own", type="track", name="Bought"),
        event(device_id="kiosk", user_id="anna"),
        *(event(device_id="kiosk", user_id="ben") for _ in range(2)),
    )
    killed_in(node, step)
    node.load(event(device_id="kiosk", user_id="ben"), event(device_id="late"))
    (receipt,) = node.run(erasure.resume)
    assert counted(receipt) == {
        "events": (3, 3, 0),
        "sessions": (2, 2, 0),
        "devices": (2, 2, 0),
        "counts_by_quarter": (1, 1, 0),
        "counts_by_value": (7, 7, 0),
        "counts_by_week": (7, 7, 0),
        "counts_by_name": (1, 1, 0),
    }
    assert node.fetch("select sum(events) as n from counts_by_quarter") == [{"n": 4}]
    assert node.fetch(PATHS) == [{"events": 4, "visitors": 2}]
    for table in ("sessions", "devices"):
        rows = node.fetch(f"select device_id, events from {table} final order by device_id")
        assert [tuple(row.values()) for row in rows] == [("kiosk", 3), ("late", 1)]
    assert node.fetch("select count() as n from erasure_rows") == [{"n": 0}]
    assert node.run(erasure.resume) == []
    assert node.fetch("select count() as n from audit_log where action = 'erase'") == [{"n": 1}]
