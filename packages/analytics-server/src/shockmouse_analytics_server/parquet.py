"""Parquet files with the same columns made one, in the memory of one: what an export in slices needs.

File       "PAR1", the columns' pages, a foot, the foot's length in four bytes, "PAR1"
Foot       Thrift's compact protocol; it names each row group, and where in the file its pages lie. Joined, the pages
           follow one another, and the one foot has all row groups with their places moved
Left out   indexes of pages and Bloom filters: a reader does without them
"""

from typing import Any, NamedTuple

MAGIC = b"PAR1"
# Members of the foot, by the numbers that the format gives them.
ROWS, ROW_GROUPS = 3, 4
COLUMNS, GROUP_PLACE, ORDINAL = 1, 5, 7
CHUNK_PLACE, CHUNK_META, INDEXES = 2, 3, (4, 5, 6, 7)
PAGE_PLACES, BLOOM = (9, 10, 11), (14, 15)
# Thrift's kinds of values.
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


class Value(NamedTuple):
    """A value with its kind; a list's value is the kind of its members and they."""

    kind: int
    value: Any


Members = dict[int, Value]


class Joined:
    """Files of the same columns become one, piece by piece."""

    def __init__(self) -> None:
        self._place = len(MAGIC)
        self._foot: Members = {}
        self._rows = 0
        self._groups: list[bytes] = []

    def add(self, file: bytes) -> bytes:
        """Return what comes next in the joined file for the next one of the files."""
        size = int.from_bytes(file[-8:-4], "little")
        body, foot = file[len(MAGIC) : -8 - size], Reader(file[-8 - size : -8]).struct()
        head = b"" if self._foot else MAGIC
        self._foot = self._foot or foot
        self._rows += foot[ROWS].value
        for group in foot[ROW_GROUPS].value[1]:
            move(group, self._place - len(MAGIC))
            self._groups.append(write_struct(group))
        self._place += len(body)
        return head + body

    def end(self) -> bytes:
        """Return the end of the joined file; there was at least one."""
        rows, foot = Value(self._foot[ROWS].kind, self._rows), b""
        before = {number: value for number, value in self._foot.items() if number < ROWS}
        after = {number: value for number, value in self._foot.items() if number > ROW_GROUPS}
        foot += write_members({**before, ROWS: rows})
        foot += write_head(ROW_GROUPS, LIST, ROWS) + write_list_head(STRUCT, len(self._groups)) + b"".join(self._groups)
        foot += write_members(after, ROW_GROUPS) + b"\0"
        return foot + len(foot).to_bytes(4, "little") + MAGIC


def move(group: Members, by: int) -> None:
    """The row group says of its pages that they lie so many bytes farther."""
    group.pop(ORDINAL, None)
    shift(group, (GROUP_PLACE,), by)
    for chunk in group[COLUMNS].value[1]:
        shift(chunk, (CHUNK_PLACE,), by)
        shift(chunk[CHUNK_META].value, PAGE_PLACES, by)
        for number in INDEXES:
            chunk.pop(number, None)
        for number in BLOOM:
            chunk[CHUNK_META].value.pop(number, None)


def shift(members: Members, places: tuple[int, ...], by: int) -> None:
    for number in places:
        if number in members and members[number].value:
            members[number] = Value(members[number].kind, members[number].value + by)


class Reader:
    """Thrift's compact protocol, read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Members:
        members: Members = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._signed()
            members[number] = Value(byte & 15, self._value(byte & 15))
        return members

    def _value(self, kind: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            return self._list()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BYTE:
            return self._byte()
        if kind == MAP:
            raise ValueError("a foot of Parquet has no maps")
        return self._signed()

    def _list(self) -> tuple[int, list[Any]]:
        byte = self._byte()
        size = byte >> 4 if byte >> 4 < 15 else self._unsigned()
        kind = byte & 15
        read = self._byte if kind in (TRUE, FALSE) else lambda: self._value(kind)
        return kind, [read() for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _unsigned(self) -> int:
        value, bits = 0, 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << bits
            bits += 7
        return value | byte << bits

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)


def write_struct(members: Members) -> bytes:
    return write_members(members) + b"\0"


def write_members(members: Members, before: int = 0) -> bytes:
    """Return the members without the end of their struct; `before` is the number of the member before them."""
    parts = []
    for number, (kind, value) in sorted(members.items()):
        parts += [write_head(number, kind, before), b"" if kind in (TRUE, FALSE) else write_value(kind, value)]
        before = number
    return b"".join(parts)


def write_head(number: int, kind: int, before: int) -> bytes:
    step = number - before
    return bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + write_signed(number)


def write_value(kind: int, value: Any) -> bytes:
    if kind == STRUCT:
        return write_struct(value)
    if kind in (LIST, SET):
        inner, members = value
        written = bytes(members) if inner in (TRUE, FALSE) else b"".join([write_value(inner, one) for one in members])
        return write_list_head(inner, len(members)) + written
    if kind == BINARY:
        return write_unsigned(len(value)) + bytes(value)
    if kind == DOUBLE:
        return bytes(value)
    return bytes([value]) if kind == BYTE else write_signed(value)


def write_list_head(kind: int, size: int) -> bytes:
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + write_unsigned(size)


def write_unsigned(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def write_signed(value: int) -> bytes:
    return write_unsigned(value << 1 if value >= 0 else (-value << 1) - 1)
