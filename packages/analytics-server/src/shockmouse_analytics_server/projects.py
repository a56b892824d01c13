"""Projects, keys, salts and secrets as this node knows them: a mirror of ClickHouse's rows, enough to ingest alone.

File       directory.sqlite in the data folder: WAL, secure_delete, shared by the node's processes
projects, keys, secrets   rows of the tables of the same names; a row gives way only to a newer version
directory.lock   held beside it while a process of the node changes projects or keys, see registry.py
tombstones   of erased subjects, see tombstones.py; overwritten when they end
ended_tickets   hashes of dashboard tickets that were signed out on this node, until their own end, see tickets.py
Freshness  another process's write is seen at once by a key that was not known, and within a second otherwise
Salts      secrets named salt:YYYY-MM-DD, one per UTC day, made a day ahead, destroyed 48 h after their day began
"""

import contextlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from .errors import NoProjectError, ServerError, UsageError
from .keys import is_same_hash, token_hash, token_prefix
from .tombstones import Tombstone, subject_hash

FRESH_SECONDS = 1.0
MAX_DAYS = 65_535
KNOWN_TOKENS = 10_000
SALT_PREFIX = "salt:"
KEYS_SECRET = "keys"  # noqa: S105 - a name
COOKIES_SECRET = "cookies"  # noqa: S105 - a name
SUBJECTS_SECRET = "subjects"  # noqa: S105 - a name

TABLES = """
create table if not exists projects (
    project text primary key, created_at real not null, deleted integer not null, retention_days integer not null,
    rollup_retention_days integer not null, ip text not null, timezone text not null, version integer not null
) strict, without rowid;
create table if not exists keys (
    project text not null, kind text not null, prefix text not null, hash text not null, token text not null,
    created_at real not null, revoked_at real, version integer not null, primary key (project, kind, prefix)
) strict, without rowid;
create table if not exists secrets (
    name text primary key, value text not null, created_at real not null, version integer not null
) strict, without rowid;
create table if not exists tombstones (
    project text not null, subject_hash text not null, at real not null, until real not null,
    primary key (project, subject_hash)
) strict, without rowid;
create table if not exists ended_tickets (hash text primary key, ends_at real not null) strict, without rowid;
"""
STORE_PROJECT = """
insert into projects values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set created_at = excluded.created_at,
deleted = excluded.deleted, retention_days = excluded.retention_days, ip = excluded.ip, timezone = excluded.timezone,
rollup_retention_days = excluded.rollup_retention_days, version = excluded.version where excluded.version > version
"""
STORE_KEY = """
insert into keys values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set hash = excluded.hash, token = excluded.token,
revoked_at = excluded.revoked_at, version = excluded.version where excluded.version > version
"""
STORE_SECRET = """
insert into secrets values (?, ?, ?, ?) on conflict do update set value = excluded.value,
created_at = excluded.created_at, version = excluded.version where excluded.version > version
"""  # noqa: S105 - a statement
STORE_TOMBSTONE = """
insert into tombstones values (?, ?, ?, ?) on conflict do update set at = excluded.at, until = excluded.until
where excluded.at > at
"""


class Project(Struct, frozen=True, kw_only=True, array_like=True):
    """A project's settings; `ip` is truncate, drop or keep; 0 days is for ever."""

    name: str
    created_at: float
    deleted: bool = False
    retention_days: int
    rollup_retention_days: int
    ip: str
    timezone: str
    version: int

    @property
    def counts_days(self) -> int:
        """For how many days counts are kept, 0 for ever: longer than the events, which answers would contradict."""
        if not self.retention_days or not self.rollup_retention_days:
            return 0
        return min(max(self.rollup_retention_days, self.retention_days + 1), MAX_DAYS)


class KeyRow(Struct, frozen=True, kw_only=True, array_like=True):
    """A key as stored; `token` is the key itself of a write key, else empty."""

    project: str
    kind: str
    prefix: str
    hash: str
    token: str
    created_at: float
    revoked_at: float | None = None
    version: int


class Secret(Struct, frozen=True, kw_only=True, array_like=True):
    """Random bytes shared by the nodes, as hex; the row with the greatest version counts."""

    name: str
    value: str
    created_at: float
    version: int


class Key(Struct, frozen=True):
    """What a known key allows: one kind of use of one project."""

    project: str
    kind: str
    prefix: str


class Snapshot(Struct, frozen=True):
    """The mirror's contents at one moment; keys are the active ones, by prefix.

    known: tokens found here before. They end with the snapshot, so a revoked one cannot outlive it.
    tombstones: by project the hashes of erased subjects, with the time of their erasure.
    """

    projects: dict[str, Project]
    keys: dict[str, tuple[KeyRow, ...]]
    secrets: dict[str, bytes]
    known: dict[str, Key]
    tombstones: dict[str, dict[str, float]]
    ended_tickets: frozenset[str]

    def find(self, token: str, prefix: str) -> Key | None:
        if token in self.known:
            return self.known[token]
        hashed = token_hash(token, self.secrets.get(KEYS_SECRET, b""))
        found = [row for row in self.keys.get(prefix, ()) if is_same_hash(row.hash, hashed)]
        if not found:
            return None
        if len(self.known) >= KNOWN_TOKENS:
            self.known.clear()
        self.known[token] = Key(found[0].project, found[0].kind, prefix)
        return self.known[token]


class Directory:
    """The mirror, open in one process; safe to use from several threads."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open the mirror, made where there is none.

        Raises ServerError: the file cannot be used.
        """
        self.changes_lock = path.with_suffix(".lock")
        self._clock = clock
        self._lock = threading.RLock()
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            self._lay_out()
        except sqlite3.Error as exc:
            self._connection.close()
            raise ServerError(f"{path}: {exc}; if it is damaged, serve begins it anew at its start") from exc
        self._version = -1
        self._checked_at = 0.0
        self._snapshot = Snapshot({}, {}, {}, {}, {}, frozenset())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def is_loaded(self) -> bool:
        """Whether projects and keys were mirrored at least once: without them no key can be judged."""
        return KEYS_SECRET in self._fresh().secrets

    def find_key(self, token: str) -> Key | None:
        """Return what the key allows; None: unknown, revoked, malformed, or its project is deleted."""
        prefix = token_prefix(token)
        if prefix is None:
            return None
        return self._fresh().find(token, prefix) or self._fresh(max_age_seconds=0.0).find(token, prefix)

    def project(self, name: str) -> Project:
        """Return the project's settings.

        Raises NoProjectError: there is none of this name.
        """
        found = self._fresh().projects.get(name) or self._fresh(max_age_seconds=0.0).projects.get(name)
        if found is None or found.deleted:
            raise NoProjectError(f"there is no project {name!r}; `project list` shows what there is")
        return found

    def projects(self) -> list[Project]:
        """Return the projects by name, without the deleted ones."""
        found = self._fresh(max_age_seconds=0.0).projects
        return [found[name] for name in sorted(found) if not found[name].deleted]

    def keys(self, project: str) -> list[KeyRow]:
        """Return the project's active keys, the newest of each kind first."""
        rows = [row for group in self._fresh(max_age_seconds=0.0).keys.values() for row in group]
        return sorted((row for row in rows if row.project == project), key=lambda row: (row.kind, -row.version))

    def read_prefix(self, project: str) -> str:
        """Return the prefix of the project's newest read key.

        Raises UsageError: it has none.
        """
        found = next((row.prefix for row in self.keys(project) if row.kind == "read"), None)
        if found is None:
            raise UsageError(f"the project {project} has no read key; `project keys {project} --rotate read` makes one")
        return found

    def secret(self, name: str) -> bytes | None:
        return self._fresh().secrets.get(name) or self._fresh(max_age_seconds=0.0).secrets.get(name)

    def is_ended(self, ticket_hash: str) -> bool:
        """Tell whether a ticket was signed out here."""
        return ticket_hash in self._fresh(max_age_seconds=0.0).ended_tickets

    def end_tickets(self, ends: Mapping[str, float], now: float) -> None:
        """Remember tickets as signed out, by hash and the time of their own end; those past it are forgotten."""
        with self._transaction():
            self._connection.execute("delete from ended_tickets where ends_at < ?", (now,))
            self._connection.executemany("insert or ignore into ended_tickets values (?, ?)", ends.items())

    def is_erased(self, project: str, user_id: str, devices: Sequence[str], at: float) -> bool:
        """Tell whether an event of this time was done by an erased user, or on an erased device."""
        snapshot = self._fresh()
        erased = snapshot.tombstones.get(project)
        if not erased:
            return False
        secret = snapshot.secrets[SUBJECTS_SECRET]
        hashes = [subject_hash(secret, project, "device", device) for device in devices]
        hashes += [subject_hash(secret, project, "user", user_id)] if user_id else []
        return any(at <= erased.get(one, 0.0) for one in hashes)

    def salts(self, now: float) -> tuple[bytes, bytes]:
        """Return the salts of today and yesterday (UTC), made here when ClickHouse has been away for days."""
        today = datetime.fromtimestamp(now, UTC).date()
        return self._salt(today), self._salt(today - timedelta(days=1))

    def store(
        self,
        *,
        projects: Iterable[Project] = (),
        keys: Iterable[KeyRow] = (),
        secrets: Iterable[Secret] = (),
        tombstones: Iterable[Tombstone] = (),
    ) -> None:
        """Take over the rows that are newer than what is here."""
        with self._transaction():
            self._connection.executemany(STORE_PROJECT, [values(row) for row in projects])
            self._connection.executemany(STORE_KEY, [values(row) for row in keys])
            self._connection.executemany(STORE_SECRET, [values(row) for row in secrets])
            self._connection.executemany(STORE_TOMBSTONE, [values(row) for row in tombstones])

    def stored_secrets(self) -> list[Secret]:
        with self._lock:
            return [msgspec.convert(row, Secret) for row in self._connection.execute("select * from secrets")]

    def destroy_salts(self, before: date) -> None:
        """Overwrite the salts of days before the given one, in the file and in its log."""
        with self._transaction():
            sql = "delete from secrets where name >= ? and name < ?"
            gone = self._connection.execute(sql, (SALT_PREFIX, salt_name(before))).rowcount
        if gone:
            self.checkpoint()

    def end_tombstones(self, now: float) -> None:
        """Overwrite the tombstones that have ended."""
        with self._transaction():
            self._connection.execute("delete from tombstones where until < ?", (now,))

    def checkpoint(self) -> None:
        """What was deleted is in no log any more either, unless somebody reads it just now."""
        with self._lock:
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def _lay_out(self) -> None:
        for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on"):
            self._connection.execute(f"pragma {pragma}").fetchall()
        self._connection.executescript(TABLES)

    def _salt(self, day: date) -> bytes:
        name = salt_name(day)
        found = self.secret(name)
        if found is None:
            self.store(secrets=[make_secret(name, self._clock(), version=0)])
            found = self._fresh(max_age_seconds=0.0).secrets[name]
        return found

    def _fresh(self, max_age_seconds: float = FRESH_SECONDS) -> Snapshot:
        """Return the contents, read anew when another process has written; asked at most every `max_age_seconds`."""
        now = time.monotonic()
        if now - self._checked_at < max_age_seconds:
            return self._snapshot
        with self._lock:
            version = self._connection.execute("pragma data_version").fetchone()[0]
            if version != self._version:
                self._snapshot, self._version = self._read(), version
            self._checked_at = now
            return self._snapshot

    def _read(self) -> Snapshot:
        read = self._connection.execute
        projects = {row[0]: msgspec.convert(row, Project, strict=False) for row in read("select * from projects")}
        keys: dict[str, tuple[KeyRow, ...]] = {}
        for row in read("select * from keys where revoked_at is null"):
            key = msgspec.convert(row, KeyRow)
            if key.project in projects and not projects[key.project].deleted:
                keys[key.prefix] = (*keys.get(key.prefix, ()), key)
        secrets = {name: bytes.fromhex(value) for name, value in read("select name, value from secrets")}
        tombstones: dict[str, dict[str, float]] = {}
        for project, hashed, at in read("select project, subject_hash, at from tombstones"):
            tombstones.setdefault(project, {})[hashed] = at
        ended = frozenset(hashed for (hashed,) in read("select hash from ended_tickets"))
        return Snapshot(projects, keys, secrets, {}, tombstones, ended)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
            self._version = -1  # data_version does not count our own writes
            self._checked_at = 0.0


def values(row: Struct) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in row.__struct_fields__)


def salt_name(day: date) -> str:
    return SALT_PREFIX + day.isoformat()


def make_secret(name: str, now: float, *, version: int) -> Secret:
    return Secret(name=name, value=secrets.token_hex(32), created_at=now, version=version)
