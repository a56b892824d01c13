"""Devices and sessions of events whose sender named none, or did not say when the session began.

State      table visits of the spool, written in the transaction that stores the rows, so workers agree and a crash
           leaves both or neither; a visit that nothing has joined for 7 days is forgotten
visit      one session of one device: `opened` is when it began, as its sender said or by the event that opened it, and
           stamps every row of the session, so ids and start never change; `first` and `last` grow with what joins
sender     the sender's session id, whose start is remembered here; empty for a derived session
joins      a derived session: 30 minutes from its first or last event; a sender's: by its id; both: 24 h at most from
           first to last. Of several the earliest, so a late event that bridges two joins the earlier
"""

import hashlib
import sqlite3
from collections.abc import Sequence

from msgspec import Struct, structs

from .rows import Row, Unplaced

GAP_SECONDS = 30 * 60
LONGEST_SECONDS = 24 * 60 * 60
MEMORY_SECONDS = 7 * 24 * 60 * 60

SCHEMA = """
create table if not exists visits
(
    project text not null, device_id text not null, sender text not null, opened real not null,
    session_id text not null, first real not null, last real not null, touched real not null,
    primary key (project, device_id, sender, opened)
) without rowid;
create index if not exists visits_by_age on visits (touched);
"""
FIND = """
select opened, session_id, first, last from visits
where project = ? and device_id = ? and sender = ? and opened between ? and ? order by first, opened
"""
KEEP = "insert or replace into visits values (?, ?, ?, ?, ?, ?, ?, ?)"


class Visit(Struct, frozen=True):
    """A session as it is remembered."""

    opened: float
    session_id: str
    first: float
    last: float


def place(connection: sqlite3.Connection, unplaced: Sequence[Unplaced], received_at: float) -> None:
    """Fill device, session and session start of each row, in order; the caller's transaction keeps the visits."""
    for each in unplaced:
        row = each.row
        device_id, visit = find_visit(connection, each)
        if visit is None:
            opened = row.session_started or row.at
            visit = Visit(opened, row.session_id or new_session_id(row, device_id), opened, row.at)
        else:
            visit = structs.replace(visit, first=min(visit.first, row.at), last=max(visit.last, row.at))
        state = (visit.opened, visit.session_id, visit.first, visit.last, received_at)
        connection.execute(KEEP, (row.project, device_id, row.session_id, *state))
        row.device_id, row.session_id = device_id, visit.session_id
        row.session_started = row.session_started or visit.opened


def find_visit(connection: sqlite3.Connection, unplaced: Unplaced) -> tuple[str, Visit | None]:
    """Return the first of the possible devices that has a visit to join, with it; else the last one and None."""
    devices = unplaced.devices or (unplaced.row.device_id,)
    for device_id in devices:
        visit = joined_visit(connection, unplaced.row, device_id)
        if visit is not None:
            return device_id, visit
    return devices[-1], None


def joined_visit(connection: sqlite3.Connection, row: Row, device_id: str) -> Visit | None:
    """Return the earliest visit that the row belongs to."""
    at = row.at
    gap = LONGEST_SECONDS if row.session_id else GAP_SECONDS
    key = (row.project, device_id, row.session_id, at - LONGEST_SECONDS, at + LONGEST_SECONDS)
    for found in connection.execute(FIND, key):
        visit = Visit(*found)
        is_near = visit.first - gap <= at <= visit.last + gap
        if is_near and max(visit.last, at) - min(visit.first, at) <= LONGEST_SECONDS:
            return visit
    return None


def new_session_id(row: Row, device_id: str) -> str:
    """Return an id that only this event can open: the same again when the same event is placed again."""
    name = "\0".join((row.project, device_id, row.event_id))
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def forget(connection: sqlite3.Connection, now: float, at_most: int) -> int:
    """Remove up to `at_most` visits that nothing has joined for 7 days; return how many."""
    oldest = "select project, device_id, sender, opened from visits where touched < ? order by touched limit ?"
    found = connection.execute(oldest, (now - MEMORY_SECONDS, at_most)).fetchall()
    connection.executemany("delete from visits where (project, device_id, sender, opened) = (?, ?, ?, ?)", found)
    return len(found)
