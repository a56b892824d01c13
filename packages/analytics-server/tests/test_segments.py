"""Segments: where they are cut, how refused ones are divided, and what is let go of when one is finished."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.errors import LockedError
from shockmouse_analytics_server.segments import Range, Segment
from shockmouse_analytics_server.spool import Spool

from .spooled import MONTH, NOON, entry_of, make_entry, make_row, open_spool

ALL = 1 << 40


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path) as opened:
        yield opened


def cut(spool: Spool) -> Segment:
    segment = segments.cut(spool.file, ALL, 0)
    assert segment is not None
    return segment


def unfinished(spool: Spool) -> list[Segment]:
    """Return every segment by finishing them in turn."""
    found = []
    while segment := segments.find_fresh(spool.file) or segments.find_part(spool.file):
        found.append(segment)
        segments.finish(spool.file, segment)
    return found


def piece_numbers(spool: Spool) -> list[int]:
    with spool.file.reading() as connection:
        return [number for (number,) in connection.execute("select number from pieces order by number")]


def test_a_segment_takes_the_oldest_pieces_of_one_partition(spool: Spool) -> None:
    for at in (NOON, NOON - MONTH, NOON, NOON - MONTH, NOON):
        spool.append([make_entry(2, at=at)])
    first = cut(spool)
    assert first.range == Range(202611, 1, 5, 0, 6)
    segments.finish(spool.file, first)
    second = cut(spool)
    assert second.range == Range(202610, 2, 4, 0, 4)
    segments.finish(spool.file, second)
    assert segments.cut(spool.file, ALL, 0) is None
    assert (piece_numbers(spool), spool.status().rows, spool.status().bytes) == ([], 0, 0)


def test_nothing_newer_than_asked_for_begins_a_segment(spool: Spool) -> None:
    assert segments.newest_waiting(spool.file) is None
    spool.append([make_entry(1)])
    newest = segments.newest_waiting(spool.file)
    assert newest == 1
    segments.finish(spool.file, cut(spool))
    spool.append([make_entry(1)])
    assert segments.cut(spool.file, newest, 0) is None


def test_numbers_are_never_used_again(spool: Spool) -> None:
    for number in range(1, 4):
        spool.append([make_entry(1)])
        segment = cut(spool)
        assert (segment.range.first, segment.range.last) == (number, number)
        segments.finish(spool.file, segment)


def test_a_segment_holds_at_most_100_000_rows(spool: Spool) -> None:
    rows = [make_row()] * 60_000
    for _ in range(2):
        spool.append([entry_of(rows, batch_id=make_entry().batch_id)])
    segment = cut(spool)
    assert segments.MAX_ROWS - 3_000 < segment.range.rows <= segments.MAX_ROWS
    assert segment.body.count(b"\n") == segment.range.rows


def test_a_segment_holds_at_most_32_mib(spool: Spool) -> None:
    spool.append([make_entry(800, context="x" * 60_000)])
    segment = cut(spool)
    assert segments.MAX_BYTES // 2 < len(segment.body) <= segments.MAX_BYTES


def test_the_cut_survives_a_restart_and_what_came_since_stays_out(spool: Spool, tmp_path: Path) -> None:
    spool.append([make_entry(3)])
    segment = cut(spool)
    spool.append([make_entry(4)])
    with open_spool(tmp_path) as restarted:
        assert segments.find_fresh(restarted.file) == segment


def test_two_loaders_never_cut_the_same_pieces(spool: Spool, tmp_path: Path) -> None:
    spool.append([make_entry(3), make_entry(1, at=NOON - MONTH)])
    cut(spool)
    with open_spool(tmp_path) as other, pytest.raises(LockedError):
        segments.cut(other.file, ALL, 0)


def test_a_segment_is_divided_around_the_row_at_fault(spool: Spool) -> None:
    entry = make_entry(5)
    spool.append([entry])
    parent = cut(spool)
    lines = segments.split_lines(parent.body)
    segments.divide(spool.file, parent, 2, 7)
    parts = unfinished(spool)
    assert [part.body for part in parts] == [b"".join(lines[:2]), lines[2], b"".join(lines[3:])]
    assert {(part.depth, part.block) for part in parts} == {(1, 7)}
    assert len({part.id for part in (parent, *parts)}) == 4
    assert piece_numbers(spool) == []


@pytest.mark.parametrize(("bad_row", "sizes"), [(0, [1, 4]), (4, [4, 1]), (None, [2, 3])])
def test_no_part_is_empty(spool: Spool, bad_row: int | None, sizes: list[int]) -> None:
    spool.append([make_entry(5)])
    segments.divide(spool.file, cut(spool), bad_row, 0)
    assert [part.range.rows for part in unfinished(spool)] == sizes


def test_fresh_segments_are_cut_while_parts_wait(spool: Spool) -> None:
    spool.append([make_entry(2)])
    segments.divide(spool.file, cut(spool), None, 0)
    spool.append([make_entry(3)])
    fresh = cut(spool)
    assert fresh.range == Range(202611, 2, 2, 0, 3)
    segments.finish(spool.file, fresh)
    assert [part.range.rows for part in unfinished(spool)] == [1, 1]
    assert (piece_numbers(spool), spool.status().rows, spool.status().bytes) == ([], 0, 0)


def test_a_piece_goes_with_the_last_part_of_it(spool: Spool) -> None:
    for _ in range(3):
        spool.append([make_entry(4)])
    segments.divide(spool.file, cut(spool), 5, 0)
    held = []
    while part := segments.find_part(spool.file):
        held.append((part.range, piece_numbers(spool)))
        segments.finish(spool.file, part)
    assert held == [
        (Range(202611, 1, 2, 0, 5), [1, 2, 3]),
        (Range(202611, 2, 2, 1, 1), [2, 3]),
        (Range(202611, 2, 3, 2, 6), [2, 3]),
    ]
    assert piece_numbers(spool) == []


def test_finishing_again_changes_nothing(spool: Spool) -> None:
    spool.append([make_entry(2)])
    segment = cut(spool)
    segments.finish(spool.file, segment)
    spool.append([make_entry(3)])
    before = spool.status()
    segments.finish(spool.file, segment)
    assert spool.status() == before


def test_finishing_again_leaves_the_segment_that_has_the_number_now(spool: Spool) -> None:
    spool.append([make_entry(2)])
    first = cut(spool)
    segments.finish(spool.file, first)
    spool.append([make_entry(3)])
    second = cut(spool)
    segments.finish(spool.file, first)
    with pytest.raises(LockedError):
        segments.divide(spool.file, first, None, 0)
    assert (first.number, unfinished(spool)) == (second.number, [second])


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    choices=st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(0, 30)), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_however_a_segment_is_divided_each_row_stays_in_one_part(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], choices: list[tuple[int, int | None]]
) -> None:
    with open_spool(tmp_path_factory.mktemp("spool")) as spool:
        entries = [make_entry(size) for size in sizes]
        for entry in entries:
            spool.append([entry])
        whole = cut(spool)
        waiting = [whole]
        for chosen, bad_row in choices:
            segment = waiting.pop(chosen % len(waiting))
            rows = segment.range.rows
            at = None if bad_row is None else bad_row % rows
            waiting += segments.divide(spool.file, segment, at, 0) if rows > 1 else [segment]
        read_again = unfinished(spool)
        assert sorted(part.id for part in read_again) == sorted(part.id for part in waiting)
        lines = [line for part in read_again for line in segments.split_lines(part.body)]
        assert sorted(lines) == sorted(segments.split_lines(whole.body))
        assert (piece_numbers(spool), spool.status().rows, spool.status().bytes) == ([], 0, 0)
