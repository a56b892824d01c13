"""A subject's rows in the spool: those that wait for ClickHouse, those in quarantine, and the visits of its devices.

Rows that wait are read, never changed: a segment's bytes are its token. They leave by being loaded; then the file gives
its unused pages back, so that nothing of them stays in it.
"""

import math
from collections.abc import Collection, Iterator

import msgspec
from msgspec import Raw, Struct

from .segments import split_lines
from .spool_file import SpoolFile

NEXT_PIECE = "select number, body from pieces where number > ? order by number limit 1"
QUARANTINED = "select number, body from quarantine where project = ?"
REMOVE_QUARANTINED = "delete from quarantine where number = ?"
VISITS = "select * from visits where project = ? and device_id = ? order by sender, opened"
FORGET_VISITS = "delete from visits where project = ? and device_id = ?"
PROJECT_TABLES = ("quarantine", "visits")
PAGES_AT_ONCE = 2000


class Ids(Struct, frozen=True):
    """The ids of one subject in one project."""

    project: str
    users: Collection[str]
    devices: Collection[str]

    def words(self) -> list[bytes]:
        """Return what a line holds that names one of them."""
        return [msgspec.json.encode(subject) for subject in (*self.users, *self.devices)]


class _Named(Struct, array_like=True, frozen=True):
    """The columns of a line that tell whose it is, read though others may be such that no Row could hold them."""

    project: str
    at: Raw
    event_id: str
    batch_id: str
    type: str
    name: Raw
    session_id: Raw
    session_started: Raw
    device_id: str
    user_id: str


def waiting_lines(file: SpoolFile, ids: Ids, *, until: float = math.inf) -> Iterator[bytes]:
    """Yield the subject's rows that wait, of events up to this time, one piece read at a time."""
    number = -1
    words = ids.words()
    while True:
        with file.reading() as connection:
            found = connection.execute(NEXT_PIECE, (number,)).fetchone()
        if found is None:
            return
        number, body = found
        if any(word in body for word in words):
            yield from (line for line in split_lines(body) if is_of(line, ids, until=until))


def quarantined_lines(file: SpoolFile, ids: Ids) -> list[tuple[int, bytes]]:
    """Return numbers and lines of the subject's rows in quarantine."""
    with file.reading() as connection:
        rows = connection.execute(QUARANTINED, (ids.project,)).fetchall()
    return [(number, body) for number, body in rows if is_of(body, ids)]


def is_of(line: bytes, ids: Ids, *, until: float = math.inf) -> bool:
    named = msgspec.json.decode(line, type=_Named)
    is_named = named.project == ids.project and (named.user_id in ids.users or named.device_id in ids.devices)
    return is_named and (until == math.inf or msgspec.json.decode(named.at, type=float) <= until)


def remove_quarantined(file: SpoolFile, ids: Ids) -> None:
    """The subject's rows are in quarantine no more."""
    found = quarantined_lines(file, ids)
    with file.transaction() as connection:
        for number, body in found:
            gone = connection.execute(REMOVE_QUARANTINED, (number,)).rowcount  # replayed meanwhile: a piece again
            connection.execute("update waiting set bytes = bytes - ?", (gone * len(body),))


def visits_of(file: SpoolFile, ids: Ids) -> list[dict[str, str | float]]:
    """Return what is remembered of the subject's devices, by the names of the table's columns."""
    with file.reading() as connection:
        found = []
        for device in ids.devices:
            cursor = connection.execute(VISITS, (ids.project, device))
            names = [column[0] for column in cursor.description]
            found += [dict(zip(names, row, strict=True)) for row in cursor]
    return found


def forget_visits(file: SpoolFile, ids: Ids) -> None:
    """No visit of the subject's devices is remembered."""
    with file.transaction() as connection:
        connection.executemany(FORGET_VISITS, [(ids.project, device) for device in ids.devices])


def count_project(file: SpoolFile, project: str) -> dict[str, int]:
    """Return how many rows the spool has of a project beside those that wait, by table."""
    with file.reading() as connection:
        return {
            table: connection.execute(f"select count(*) from {table} where project = ?", (project,)).fetchone()[0]  # noqa: S608
            for table in PROJECT_TABLES
        }


def forget_project(file: SpoolFile, project: str) -> None:
    """Quarantine and visits know nothing of the project."""
    with file.transaction() as connection:
        size = "select coalesce(sum(length(body)), 0) from quarantine where project = ?"
        connection.execute(f"update waiting set bytes = bytes - ({size})", (project,))  # noqa: S608
        connection.execute("delete from quarantine where project = ?", (project,))
        connection.execute("delete from visits where project = ?", (project,))


def give_back(file: SpoolFile) -> None:
    """The file has no unused pages, and its log nothing: what was deleted before is in neither of them."""
    while True:
        with file.transaction() as connection:
            (unused,) = connection.execute("pragma freelist_count").fetchone()
            if not unused:
                break
            connection.execute(f"pragma incremental_vacuum({PAGES_AT_ONCE})").fetchall()
    file.checkpoint()
