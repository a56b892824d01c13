"""Segments of the spool: slices of its rows, each of which is one INSERT with one token.

segment    one partition, first and last piece, rows to leave out at the start, rows, SHA-256 of the bytes
token      `id:sha256`: ClickHouse discards the same token again, whatever the rows; so the bytes must be the same
fresh      cut from the oldest pieces, at most 100,000 rows and 32 MiB; stored before its first attempt, never re-cut
refused    one with rows that ClickHouse cannot read is replaced, in one transaction, by parts with ids of their own:
           the INSERT was one block, so nothing of it was stored
block      the table's newest block number when the segment was cut: tells later how many inserts came in between
A piece goes with the last segment that covers it.
"""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Sequence

from msgspec import Struct

from .errors import LockedError, SpoolBrokenError
from .spool_file import SpoolFile

MAX_ROWS = 100_000
MAX_BYTES = 32 << 20
MAX_PIECES = 10_000

KEEP = "insert into segments values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
FIND_FRESH = "select * from segments where depth = 0 order by number limit 1"
FIND_PART = "select * from segments where depth > 0 order by number limit 1"
# Pieces are cut in order, so all of a partition up to its last segment's end are cut.
FIND_UNCUT = """
select number, partition from pieces where number <= ?
and number > coalesce((select max(last) from segments where segments.partition = pieces.partition), -1)
order by number limit 1
"""
FIND_PIECES = """
select number, rows, bytes from pieces where partition = ? and number between ? and ? order by number
"""
READ_PIECES = "select body from pieces where partition = ? and number between ? and ? order by number"
# What no segment covers any more, of one partition and range of pieces.
COUNT_UNCOVERED = """
select coalesce(sum(rows), 0), coalesce(sum(bytes), 0) from pieces where partition = ? and number between ? and ?
and not exists (select 1 from segments where partition = pieces.partition and last >= pieces.number
and first <= pieces.number)
"""
DELETE_UNCOVERED = """
delete from pieces where partition = ? and number between ? and ?
and not exists (select 1 from segments where partition = pieces.partition and last >= pieces.number
and first <= pieces.number)
"""


class Range(Struct, frozen=True):
    """Consecutive rows of one partition: those of its pieces from first to last, without `start` rows at the start."""

    partition: int
    first: int
    last: int
    start: int
    rows: int


class Segment(Struct, frozen=True):
    """One INSERT: where its rows lie, and the rows."""

    number: int
    id: str
    depth: int
    range: Range
    block: int
    body: bytes

    @property
    def token(self) -> str:
        return f"{self.id}:{sha256(self.body)}"


class Piece(Struct, frozen=True):
    """A piece without its rows."""

    number: int
    rows: int
    bytes: int


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def newest_waiting(file: SpoolFile) -> int | None:
    """Return the number of the newest piece, None when all are stored."""
    with file.reading() as connection:
        newest = connection.execute("select max(number) from pieces").fetchone()[0]
    return None if newest is None else int(newest)


def are_waiting(file: SpoolFile, newest: int) -> bool:
    """Tell whether a piece up to this number is not stored yet."""
    with file.reading() as connection:
        return connection.execute("select 1 from pieces where number <= ? limit 1", (newest,)).fetchone() is not None


def find_fresh(file: SpoolFile) -> Segment | None:
    """Return the fresh segment that was cut and is not finished."""
    return _find(file, FIND_FRESH)


def find_part(file: SpoolFile) -> Segment | None:
    """Return the oldest part of a refused segment."""
    return _find(file, FIND_PART)


def _find(file: SpoolFile, sql: str) -> Segment | None:
    with file.reading() as connection:
        found = connection.execute(sql).fetchone()
        if found is None:
            return None
        number, segment_id, depth, partition, first, last, start, rows, digest, block = found
        slice_ = Range(partition, first, last, start, rows)
        segment = Segment(number, segment_id, depth, slice_, block, read_rows(connection, slice_))
    if sha256(segment.body) != digest:
        raise SpoolBrokenError(f"{file.path}: segment {segment_id} has changed on disk")
    return segment


def cut(file: SpoolFile, newest: int, block: int) -> Segment | None:
    """Cut and store the next fresh segment, when a piece up to the number `newest` waits for it.

    Raises LockedError: another loader cut the same pieces, or has already finished them.
    """
    with file.reading() as connection:
        oldest = connection.execute(FIND_UNCUT, (newest,)).fetchone()
        if oldest is None:
            return None
        first, partition = oldest
        pieces = find_pieces(connection, Range(partition, first, first + MAX_PIECES, 0, 0))
        chosen = fitting(pieces)
        slice_ = Range(partition, first, chosen[-1].number, 0, sum(piece.rows for piece in chosen))
        body = read_rows(connection, slice_)
    with file.transaction() as connection:
        if connection.execute(FIND_FRESH).fetchone() or find_pieces(connection, slice_) != chosen:
            raise LockedError(f"{file.path}: another loader is at work")
        return _keep(connection, slice_, 0, block, body)


def find_pieces(connection: sqlite3.Connection, slice_: Range) -> list[Piece]:
    found = connection.execute(FIND_PIECES, (slice_.partition, slice_.first, slice_.last))
    return [Piece(*each) for each in found]


def fitting(pieces: Iterable[Piece]) -> list[Piece]:
    """Return as many pieces from the start as one segment may hold, at least one."""
    chosen: list[Piece] = []
    rows = size = 0
    for piece in pieces:
        rows, size = rows + piece.rows, size + piece.bytes
        if chosen and (rows > MAX_ROWS or size > MAX_BYTES):
            break
        chosen.append(piece)
    return chosen


def read_rows(connection: sqlite3.Connection, slice_: Range) -> bytes:
    """Return the rows' lines."""
    bodies = connection.execute(READ_PIECES, (slice_.partition, slice_.first, slice_.last))
    joined = b"".join([body for (body,) in bodies])
    if slice_.start == 0 and joined.count(b"\n") == slice_.rows:
        return joined
    return b"".join(split_lines(joined)[slice_.start : slice_.start + slice_.rows])


def split_lines(body: bytes) -> list[bytes]:
    return [line + b"\n" for line in body.split(b"\n")[:-1]]


def _keep(connection: sqlite3.Connection, slice_: Range, depth: int, block: int, body: bytes) -> Segment:
    segment_id = str(uuid.uuid4())  # unlike numbers unique in every restored copy and on every node
    where = (slice_.partition, slice_.first, slice_.last, slice_.start, slice_.rows)
    number = connection.execute(KEEP, (None, segment_id, depth, *where, sha256(body), block)).lastrowid
    return Segment(number or 0, segment_id, depth, slice_, block, body)


def finish(file: SpoolFile, segment: Segment) -> None:
    """Let go of a segment that ClickHouse has stored."""
    with file.transaction() as connection:
        remove(connection, segment)


def remove(connection: sqlite3.Connection, segment: Segment) -> bool:
    """Remove a segment, and the pieces that no other segment covers; False: another loader has done so.

    By its id, because SQLite gives the number of a removed segment to the next one.
    """
    if not connection.execute("delete from segments where id = ?", (segment.id,)).rowcount:
        return False
    where = (segment.range.partition, segment.range.first, segment.range.last)
    rows, size = connection.execute(COUNT_UNCOVERED, where).fetchone()
    connection.execute(DELETE_UNCOVERED, where)
    connection.execute("update waiting set rows = rows - ?, bytes = bytes - ?", (rows, size))
    return True


def divide(file: SpoolFile, segment: Segment, bad_row: int | None, block: int) -> list[Segment]:
    """Replace a refused segment of several rows by parts: around the row at fault when it is known, else by halves.

    Raises LockedError: another loader is done with it.
    """
    parts = []
    rows = segment.range.rows
    ends = [rows // 2, rows] if bad_row is None else [bad_row, bad_row + 1, rows]
    lines = split_lines(segment.body)
    with file.transaction() as connection:
        if connection.execute("select 1 from segments where id = ?", (segment.id,)).fetchone() is None:
            raise LockedError(f"{file.path}: another loader is at work")
        pieces = find_pieces(connection, segment.range)
        for start, end in zip([0, *ends], ends, strict=False):
            if start < end:
                part = narrowed(segment.range, pieces, start, end)
                parts.append(_keep(connection, part, segment.depth + 1, block, b"".join(lines[start:end])))
        remove(connection, segment)
    return parts


def narrowed(slice_: Range, pieces: Sequence[Piece], start: int, end: int) -> Range:
    """Return the range of the rows [start, end) of a range, with no piece that holds none of them."""
    skipped = slice_.start + start
    rest = list(pieces)
    while rest[0].rows <= skipped:
        skipped -= rest.pop(0).rows
    held = -skipped
    for piece in rest:
        held += piece.rows
        if held >= end - start:
            return Range(slice_.partition, rest[0].number, piece.number, skipped, end - start)
    raise ValueError(f"the pieces hold fewer than {end} rows")
