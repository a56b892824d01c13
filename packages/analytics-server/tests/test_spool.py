"""What append() keeps, what it recognises, and what it refuses before harm is done."""

import contextlib
import sqlite3
import stat
import threading
import uuid
from pathlib import Path

import msgspec
import pytest

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.errors import SpoolBrokenError, SpoolFullError
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import BATCH_MEMORY_SECONDS, Appended, BatchReused, SpoolStatus
from shockmouse_analytics_server.spool_file import SpoolFile

from .spooled import MONTH, NOON, entry_of, make_entry, make_row, open_spool


def stored_rows(file: SpoolFile) -> list[Row]:
    """Return the rows of all pieces in order."""
    with file.reading() as connection:
        bodies = [body for (body,) in connection.execute("select body from pieces order by number")]
    return [msgspec.json.decode(line, type=Row) for line in segments.split_lines(b"".join(bodies))]


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    row = make_row(name='a\n"b"\\\u2028', at=NOON + 0.123, sent_at=NOON, fingerprint={"os": "Linux"}, seq=2**63 - 1)
    with open_spool(tmp_path) as spool:
        assert spool.append([entry_of([row])]) == [Appended(1, 0)]
        assert stored_rows(spool.file) == [row]


def test_the_same_batch_again_is_stored_once_and_other_events_are_refused(tmp_path: Path) -> None:
    first = make_entry(3)
    other = make_entry(2, batch_id=first.batch_id)
    with open_spool(tmp_path) as spool:
        assert spool.append([first]) == [Appended(3, 0)]
        assert spool.append([first, other, make_entry(1)]) == [Appended(0, 3), BatchReused(), Appended(1, 0)]
        assert len(stored_rows(spool.file)) == 4
        assert spool.status().batches == 2


def test_a_batch_twice_in_one_group_is_stored_once(tmp_path: Path) -> None:
    entry = make_entry(3)
    with open_spool(tmp_path) as spool:
        assert spool.append([entry, entry]) == [Appended(3, 0), Appended(0, 3)]
        assert stored_rows(spool.file) == entry.rows


def test_batch_ids_count_per_project(tmp_path: Path) -> None:
    batch_id = uuid.uuid4()
    with open_spool(tmp_path) as spool:
        entries = [make_entry(1, batch_id=batch_id, project=project) for project in ("one", "two")]
        assert spool.append(entries) == [Appended(1, 0), Appended(1, 0)]


def test_batch_ids_are_remembered_for_72_hours(tmp_path: Path) -> None:
    entry = make_entry(1)
    with open_spool(tmp_path) as spool:
        spool.append([entry])
        spool.forget(NOON + BATCH_MEMORY_SECONDS - 1)
        assert spool.append([entry]) == [Appended(0, 1)]
        spool.forget(NOON + BATCH_MEMORY_SECONDS + 1)
        assert spool.append([entry]) == [Appended(1, 0)]


def test_status_counts_what_waits(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        assert spool.status() == SpoolStatus(0, 0, 0, None, 0, 0)
        entry = make_entry(2)
        spool.append([entry])
        size = sum(len(msgspec.json.encode(row)) + 1 for row in entry.rows)
        assert spool.status() == SpoolStatus(1, 2, size, NOON, 0, 0)


def test_rows_of_two_months_are_pieces_of_two_partitions(tmp_path: Path) -> None:
    rows = [make_row(at=at) for at in (NOON, NOON - MONTH, NOON + 1)]
    with open_spool(tmp_path) as spool:
        spool.append([entry_of(rows)])
        with spool.file.reading() as connection:
            pieces = connection.execute("select partition, rows from pieces order by partition").fetchall()
    assert pieces == [(202610, 1), (202611, 2)]


def test_a_month_ends_where_clickhouse_ends_it(tmp_path: Path) -> None:
    midnight = 1_796_083_200.0  # 2026-12-01T00:00:00Z
    with open_spool(tmp_path) as spool:
        spool.append([entry_of([make_row(at=midnight - 0.001), make_row(at=midnight)])])
        with spool.file.reading() as connection:
            assert connection.execute("select partition from pieces order by 1").fetchall() == [(202611,), (202612,)]


def test_large_rows_are_divided_into_pieces_that_fit_a_segment(tmp_path: Path) -> None:
    rows = [make_row(context="x" * 60_000) for _ in range(600)]
    with open_spool(tmp_path) as spool:
        spool.append([entry_of(rows)])
        with spool.file.reading() as connection:
            sizes = [size for (size,) in connection.execute("select bytes from pieces")]
        assert max(sizes) < segments.MAX_BYTES
        assert sum(sizes) == spool.status().bytes > segments.MAX_BYTES


def test_a_full_spool_refuses_the_whole_group_and_stays_as_it_was(tmp_path: Path) -> None:
    kept = make_entry(1)
    with open_spool(tmp_path, max_bytes=5_000) as spool:
        spool.append([kept])
        before = spool.status()
        with pytest.raises(SpoolFullError, match="waiting for ClickHouse"):
            spool.append([make_entry(2), make_entry(20)])
        assert spool.status() == before
        assert spool.append([kept]) == [Appended(0, 1)]
        assert spool.append([make_entry(1)]) == [Appended(1, 0)]


def test_the_disks_reserve_is_left_alone(tmp_path: Path) -> None:
    with open_spool(tmp_path, reserve_bytes=1 << 60) as spool:
        with pytest.raises(SpoolFullError, match="are free on"):
            spool.append([make_entry(1)])
        with pytest.raises(SpoolFullError, match="are free on"):
            spool.probe()
        assert spool.status() == SpoolStatus(0, 0, 0, None, 0, 0)


def test_a_probe_fails_where_a_small_batch_would(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([make_entry(1)])
        stored = spool.status().bytes
    with open_spool(tmp_path, max_bytes=stored + (64 << 10)) as roomy:
        roomy.probe()
    with open_spool(tmp_path, max_bytes=stored + (64 << 10) - 1) as full, pytest.raises(SpoolFullError):
        full.probe()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([make_entry(1)])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"spool.sqlite": 0o600, "spool.sqlite-wal": 0o600, "spool.sqlite-shm": 0o600}


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool, spool.file.transaction() as connection:
        connection.execute("pragma user_version = 2")
    with pytest.raises(SpoolBrokenError, match="layout 2"):
        open_spool(tmp_path)


def test_a_copy_without_a_log_gets_one_again(tmp_path: Path) -> None:
    """Backups are single files."""
    entry = make_entry(2)
    with open_spool(tmp_path) as spool:
        spool.append([entry])
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.sqlite")) as connection:
        connection.execute("pragma journal_mode = delete")
    with open_spool(tmp_path) as spool:
        assert spool.append([entry]) == [Appended(0, 2)]
        with spool.file.reading() as connection:
            found = [connection.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SpoolBrokenError, match="not a database"):
        open_spool(tmp_path)


def test_room_of_stored_rows_is_used_again(tmp_path: Path) -> None:
    """The file grows to what waited at most, not with all that ever went through."""
    sizes = []
    with open_spool(tmp_path) as spool:
        for _ in range(8):
            spool.append([make_entry(2_000, context="x" * 1_000)])
            segment = segments.cut(spool.file, 1 << 40, 0)
            assert segment is not None
            segments.finish(spool.file, segment)
            sizes.append(spool.file.path.stat().st_size)
        assert spool.status().rows == 0
    assert max(sizes) < 2 * 2_000 * 1_500


def test_a_new_file_that_another_process_lays_out_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.executescript("create table here (n integer); begin immediate;")
        other.execute("insert into here values (1)")
        leaving = threading.Timer(0.5, other.execute, ["commit"])
        leaving.start()
        with open_spool(tmp_path) as spool:
            assert spool.append([make_entry(1)]) == [Appended(1, 0)]
        leaving.join()
