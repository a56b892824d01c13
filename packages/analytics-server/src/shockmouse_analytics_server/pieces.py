"""Pieces of the spool: encoded rows of one partition, numbered in the order of commits.

body       JSONCompactEachRow: one line per row, each ended by a newline; no line holds another newline
size       a commit's rows of one partition, ended at 1 MiB, so that any piece fits into a segment
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from .rows import Row

PIECE_BYTES = 1 << 20
ENCODED_ROWS = 256  # at a time: that many of the largest events are below a segment's 32 MiB
STORE = "insert into pieces (number, partition, rows, bytes, at, body) values (?, ?, ?, ?, ?, ?)"

_encoder = msgspec.json.Encoder()


class Lines(Struct, frozen=True):
    """Encoded rows of one partition."""

    partition: int
    rows: int
    body: bytes


class RowName(Struct, array_like=True, frozen=True):
    """Which event a line is: its first columns, read though others may be such that no Row could hold them."""

    project: str
    at: msgspec.Raw
    event_id: str
    batch_id: str


def encode_rows(rows: Sequence[Row]) -> list[Lines]:
    """Return the rows as lines, divided by partition and into slices of bounded size."""
    encoded = []
    for partition, group in by_partition(rows) if rows else ():
        for start in range(0, len(group), ENCODED_ROWS):
            chosen = group[start : start + ENCODED_ROWS]
            encoded.append(Lines(partition, len(chosen), _encoder.encode_lines(chosen)))
    return encoded


def name_of(line: bytes) -> RowName:
    return msgspec.json.decode(line, type=RowName)


def by_partition(rows: Sequence[Row]) -> Iterable[tuple[int, Sequence[Row]]]:
    """Return the rows by their partition in ClickHouse, toYYYYMM(at); nearly always there is one."""
    times = [row.at for row in rows]
    if month_of(min(times)) == month_of(max(times)):
        return [(month_of(times[0]), rows)]
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(month_of(row.at), []).append(row)
    return groups.items()


def month_of(at: float) -> int:
    """Return the time's month in UTC as ClickHouse writes it, 202611."""
    moment = time.gmtime(at)
    return moment.tm_year * 100 + moment.tm_mon


def join_lines(encoded: Iterable[Lines]) -> list[Lines]:
    """Return the lines joined by partition into slices that end when they reach 1 MiB."""
    joined: list[Lines] = []
    waiting: dict[int, list[Lines]] = {}
    sizes: dict[int, int] = {}
    for lines in encoded:
        partition = lines.partition
        waiting.setdefault(partition, []).append(lines)
        sizes[partition] = sizes.get(partition, 0) + len(lines.body)
        if sizes[partition] >= PIECE_BYTES:
            joined.append(_one(waiting.pop(partition)))
            del sizes[partition]
    return joined + [_one(group) for group in waiting.values()]


def _one(group: Sequence[Lines]) -> Lines:
    return Lines(group[0].partition, sum(each.rows for each in group), b"".join([each.body for each in group]))


def store_pieces(connection: sqlite3.Connection, encoded: Iterable[Lines], received_at: float) -> int:
    """Add the lines as pieces; return the bytes that wait in the spool now."""
    number, rows, size = connection.execute("select piece, rows, bytes from waiting").fetchone()
    for lines in join_lines(encoded):
        connection.execute(STORE, (number, lines.partition, lines.rows, len(lines.body), received_at, lines.body))
        number, rows, size = number + 1, rows + lines.rows, size + len(lines.body)
    connection.execute("update waiting set piece = ?, rows = ?, bytes = ?", (number, rows, size))
    return int(size)
