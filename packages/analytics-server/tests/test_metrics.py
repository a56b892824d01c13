"""/metrics: counters that add up over processes and restarts, and gauges, in a form that Prometheus reads."""

import re
import sqlite3
from pathlib import Path

import pytest

from shockmouse_analytics_server.counters import Count, Counters
from shockmouse_analytics_server.metrics import write_metrics
from shockmouse_analytics_server.spool import SpoolStatus

SAMPLE = re.compile(r'shockmouse_[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"\})? -?[0-9.]+')
EMPTY = SpoolStatus(batches=0, rows=0, bytes=0, oldest_at=None, segments=0, quarantined=0)


def samples(*counts: Count, status: SpoolStatus = EMPTY, now: float = 0.0) -> dict[str, str]:
    lines = [line for line in write_metrics(counts, status, now) if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_every_line_is_a_sample_or_a_comment() -> None:
    counts = [Count("rejected", 'a"b\\c\nd', 2), Count("accepted", "", 5)]
    lines = list(write_metrics(counts, EMPTY, 0.0))
    assert [
        line for line in lines if not SAMPLE.fullmatch(line) and not re.match(r"# (HELP|TYPE) shockmouse_", line)
    ] == []
    assert 'shockmouse_events_rejected_total{code="a\\"b\\\\c\\nd"} 2' in lines


def test_counters_without_labels_start_at_zero() -> None:
    found = samples()
    assert (found["shockmouse_events_accepted_total"], found["shockmouse_loader_rows_total"]) == ("0", "0")


def test_gauges_tell_what_waits_and_for_how_long() -> None:
    found = samples(status=SpoolStatus(3, 20, 4000, 100.0, 1, 2), now=112.5)
    assert {name: value for name, value in found.items() if "spool" in name or "quarantine_" in name} == {
        "shockmouse_spool_batch_ids": "3",
        "shockmouse_spool_rows": "20",
        "shockmouse_spool_bytes": "4000",
        "shockmouse_spool_oldest_seconds": "12.500",
        "shockmouse_spool_segments": "1",
        "shockmouse_quarantine_rows": "2",
    }


def test_counts_add_up_over_processes_and_restarts(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    with Counters(path) as one, Counters(path) as other:
        one.add("accepted", amount=5)
        one.add("rejected", "bad_timestamp", 2)
        other.add("accepted", amount=7)
        other.flush()
        assert one.totals() == [Count("accepted", "", 12), Count("rejected", "bad_timestamp", 2)]
    with Counters(path) as later:
        later.add("accepted")
        assert later.totals()[0] == Count("accepted", "", 13)


def test_what_cannot_be_written_now_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    counters = Counters(path)
    with sqlite3.connect(path, isolation_level=None) as blocker:
        blocker.execute("drop table counters")
        counters.add("accepted", amount=5)
        with pytest.raises(sqlite3.OperationalError):
            counters.flush()
        blocker.execute("create table counters (name text, label text, value integer, primary key (name, label))")
        assert counters.totals() == [Count("accepted", "", 5)]
    blocker.close()
    with counters:
        pass
