"""Erasures under way: what is done of each, so that one which was killed goes on where it stood.

Table      erasures in directory.sqlite, which overwrites what it deletes: the only place that names the subject until
           the erasure is done. Of this node alone; an erasure goes on where it began
"""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

TABLE = "create table if not exists erasures (id text primary key, state blob not null) strict, without rowid"
KEEP = "insert into erasures values (?, ?) on conflict do update set state = excluded.state"


class TableCount(Struct, kw_only=True):
    """One line of the receipt."""

    name: str
    rows_before: int = 0
    rows_removed: int = 0
    rows_left: int = 0


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom it is about: a user or a device of a project, or the project itself."""

    project: str
    user_id: str = ""
    device_id: str = ""

    @property
    def is_person(self) -> bool:
        return bool(self.user_id or self.device_id)


class Erasure(Struct, kw_only=True):
    """One erasure; `done` names its finished steps, `who` asked for it.

    users, devices: the ids that belong to the subject, as far as they are known.
    """

    id: str
    subject: Subject
    who: str
    started_at: float
    users: list[str]
    devices: list[str]
    done: list[str]
    tables: dict[str, TableCount]

    def table(self, name: str) -> TableCount:
        return self.tables.setdefault(name, TableCount(name=name))


def begin(path: Path, subject: Subject, who: str, now: float) -> Erasure:
    """Return a new erasure, or the one of the same subject that is under way."""
    for found in unfinished(path):
        if found.subject == subject:
            return found
    users, devices = ([one] if one else [] for one in (subject.user_id, subject.device_id))
    erasure = Erasure(
        id=uuid.uuid4().hex,
        subject=subject,
        who=who,
        started_at=now,
        users=users,
        devices=devices,
        done=[],
        tables={},
    )
    save(path, erasure)
    return erasure


def save(path: Path, erasure: Erasure) -> None:
    """Keep how far it is, on disk."""
    with _open(path) as connection:
        connection.execute(KEEP, (erasure.id, msgspec.json.encode(erasure)))


def find(path: Path, erasure_id: str) -> Erasure | None:
    """Return the erasure as it is noted now; None: it is done."""
    return next((each for each in unfinished(path) if each.id == erasure_id), None)


def unfinished(path: Path) -> list[Erasure]:
    """Return the erasures under way, the oldest first."""
    with _open(path) as connection:
        rows = connection.execute("select state from erasures").fetchall()
    return sorted((msgspec.json.decode(state, type=Erasure) for (state,) in rows), key=lambda each: each.started_at)


def forget(path: Path, erasure: Erasure) -> None:
    """Nothing here names the subject any more."""
    with _open(path) as connection:
        connection.execute("delete from erasures where id = ?", (erasure.id,))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("pragma synchronous = full")
        connection.execute("pragma secure_delete = on").fetchall()
        with connection:
            connection.execute(TABLE)
            yield connection
