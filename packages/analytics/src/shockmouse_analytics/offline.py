"""Undelivered batches on disk, shared by the processes that send to one project of one server.

File      queue-<hash of endpoint and project>.sqlite, see store_file.py
batches   cut once: id (a UUIDv7: their order is that of cutting), content (gzip), who cut it, since when its outcome is
          unclear, when to try next, who is sending it; state `waiting`, or `rejected` with the server's reason
groups    events that wait for their batch to be full, in the order of track(); they become a batch in one transaction,
          before that batch is sent, so that nobody can ever send them under two batch ids
Leases    whoever sends a batch or collects a group holds it for some seconds; when the time has passed others may take
          it. Two processes that send the same batch do no harm: its id is the same
Totals    one row, kept by triggers: with 10,000 batches on disk no question may read them all
Memory    without a path the same tables live in memory, for as long as the process does
"""

import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from .errors import StoreError
from .event import Batch, without_user
from .store_file import BUSY_SECONDS, all_apart, connect, using_sqlite

LEASE_SECONDS = 5.0

_SCHEMA = """
create table if not exists batches (
    number integer primary key, id text not null unique, origin text not null, events integer not null,
    unclear_since real, next_attempt real not null default 0,
    lease_owner text, lease_until real not null default 0,
    state text not null default 'waiting', reason text, content blob not null);
create index if not exists due on batches (state, next_attempt, lease_until);
create index if not exists own on batches (origin, state);
create index if not exists unclear on batches (unclear_since) where unclear_since is not null;
create table if not exists groups (
    number integer primary key, owner text not null, lease_until real not null, events integer not null,
    content blob not null);
create table if not exists totals (row integer primary key, events integer not null);
insert or ignore into totals values (1, 0);
create trigger if not exists batch_added after insert on batches
    begin update totals set events = events + new.events; end;
create trigger if not exists batch_removed after delete on batches
    begin update totals set events = events - old.events; end;
create trigger if not exists batch_changed after update of events on batches
    begin update totals set events = events - old.events + new.events; end;
create trigger if not exists group_added after insert on groups
    begin update totals set events = events + new.events; end;
create trigger if not exists group_removed after delete on groups
    begin update totals set events = events - old.events; end;
"""
_TAKE = "select id, content, events, unclear_since from batches where state = 'waiting'"
_FREE = " and (lease_until <= :now or lease_until > :far)"  # far ahead: the clock was set back since
_LEFT = (
    "select id from batches where state = 'waiting' and number <= :last"
    " and (lease_until <= :now or lease_until > :far or lease_owner = :owner) limit :limit"
)


class Held(Struct, frozen=True):
    """A batch in hand; `unclear_since` is the wall time of its first attempt without a clear outcome."""

    batch: Batch
    unclear_since: float | None = None


class Group(Struct, frozen=True):
    """Some encoded events joined by commas, as they stand in a batch."""

    events: int
    content: bytes


class StoreStatus(Struct, frozen=True):
    """What waits on disk; `rejected` counts set-aside events by the server's reason."""

    path: str
    batches: int
    events: int
    bytes: int
    rejected: dict[str, int]

    def __add__(self, other: "StoreStatus") -> "StoreStatus":
        """Return what waits in both, under the path of the first."""
        rejected = dict(Counter(self.rejected) + Counter(other.rejected))
        batches, events = self.batches + other.batches, self.events + other.events
        return StoreStatus(self.path, batches, events, self.bytes + other.bytes, rejected)


class OfflineStore:
    """One connection to the queue on disk; belongs to the thread that uses it, and to one process."""

    def __init__(
        self,
        path: Path | None,
        *,
        owner: str,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        """Open or make the file; every call waits so long for other processes. Raises StoreError."""
        self.path = path
        self._owner = owner
        self._max_bytes = max_bytes
        self._clock = clock
        self._db = connect(path, _SCHEMA, busy_seconds)
        with using_sqlite():
            self._page_bytes: int = self._one("pragma page_size")

    def wait_for_others(self, busy_seconds: float) -> None:
        """Let later calls wait so long for other processes."""
        with using_sqlite():
            self._db.execute(f"pragma busy_timeout = {int(busy_seconds * 1000)}")

    def is_alone(self) -> bool:
        """Return whether nobody else has the file open; it is no more in WAL mode then, to be emptied and closed."""
        self.wait_for_others(0)
        try:
            with using_sqlite():  # who has a file with a log open holds a lock on it, which this would need
                self._db.execute("pragma journal_mode = delete")
        except StoreError as exc:
            if not exc.busy:
                raise
            return False
        self.wait_for_others(BUSY_SECONDS)
        return True

    def close(self) -> None:
        """Close the file; leases end by themselves or by release()."""
        with using_sqlite():
            self._db.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make what is done inside one transaction, on disk when it ends. Raises StoreError."""
        with using_sqlite():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("rollback")
                raise

    def add(self, held: Held, *, leased: bool) -> None:
        """Put a batch on disk; `leased` when it is being sent at this moment."""
        batch = held.batch
        lease = (self._owner, self._clock() + LEASE_SECONDS) if leased else (None, 0.0)
        self._db.execute(
            "insert or ignore into batches (id, origin, events, unclear_since, lease_owner, lease_until, content)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (batch.id, self._owner, batch.events, held.unclear_since, *lease, batch.content),
        )

    def take(self, limit: int, *, due_only: bool, own_first: bool) -> list[Held]:
        """Return waiting batches, oldest first, and hold them; their outcome counts as unclear from now on.

        Without `due_only` those are taken too that should wait longer, and those tried least recently come first.
        """
        taken: list[Held] = []
        if own_first:
            taken += self._hold(_TAKE + _FREE + " and origin = :owner order by next_attempt, id limit :limit", limit)
        if due_only:
            query = _TAKE + _FREE + " and next_attempt <= :now order by id limit :limit"
        else:
            query = _TAKE + _FREE + " order by next_attempt, id limit :limit"
        return taken + self._hold(query, limit - len(taken))

    def take_all(self) -> list[Held]:
        """Return and hold all waiting batches."""
        return self._hold(_TAKE + " order by id limit :limit", -1)

    def put_back(self, held: Held, *, next_attempt: float, reason: str) -> None:
        """Let go of a batch until `next_attempt`, a wall time; it is added when it is not on disk yet."""
        self.add(held, leased=False)
        self._db.execute(
            "update batches set next_attempt = ?, unclear_since = ?, reason = ?, lease_owner = null, lease_until = 0"
            " where id = ?",
            (next_attempt, held.unclear_since, reason, held.batch.id),
        )

    def set_aside(self, held: Held, reason: str) -> None:
        """Keep a batch that the server refuses, for the person who looks into it; it is not sent again."""
        self.add(held, leased=False)
        self._db.execute("update batches set state = 'rejected', reason = ? where id = ?", (reason, held.batch.id))

    def remove(self, ids: Sequence[str]) -> None:
        """Forget batches: they are acknowledged, or replaced."""
        self._db.executemany("delete from batches where id = ?", [(id_,) for id_ in ids])

    def collect(self, group: Group, *, lease_seconds: float) -> None:
        """Put events on disk whose batch is not full yet, and hold all groups of this process."""
        until = self._clock() + lease_seconds
        self._db.execute("update groups set lease_until = ? where owner = ?", (until, self._owner))
        self._db.execute(
            "insert into groups (owner, lease_until, events, content) values (?, ?, ?, ?)",
            (self._owner, until, group.events, group.content),
        )

    def uncollect(self) -> int:
        """Forget this process's groups: they are in a batch now. Return how many of their events were still here.

        After a long sleep another process may have taken the oldest of them.
        """
        rows = self._db.execute("delete from groups where owner = ? returning events", (self._owner,)).fetchall()
        return sum(row[0] for row in rows)

    def adopt(self) -> list[Group]:
        """Return the groups that nobody holds any more, and forget them: the caller makes batches of them at once."""
        rows = self._db.execute(
            "delete from groups where lease_until <= ? returning number, events, content", (self._clock(),)
        ).fetchall()
        return [Group(events, content) for _, events, content in sorted(rows)]

    def give_back(self) -> None:
        """Let go of everything held as far as that can be done, and close the file."""
        with contextlib.suppress(StoreError), self.writing():
            self.release()
        with contextlib.suppress(StoreError):
            self.close()

    def release(self) -> None:
        """Let go of everything held, so that the next process need not wait; groups included."""
        self._db.execute("update batches set lease_owner = null, lease_until = 0 where lease_owner = ?", (self._owner,))
        self._db.execute("update groups set lease_until = 0 where owner = ?", (self._owner,))

    def free(self) -> None:
        """Let go of what anybody holds: they are gone."""
        self._db.execute("update batches set lease_owner = null, lease_until = 0")
        self._db.execute("update groups set lease_until = 0")

    def expire(self, retry_seconds: float) -> int:
        """Drop batches whose outcome has been unclear for so long that the server may have forgotten their ids."""
        before = self._clock() - retry_seconds
        rows = self._db.execute(
            "delete from batches where state = 'waiting' and unclear_since < ? and lease_until <= ? returning events",
            (before, self._clock()),
        ).fetchall()
        return sum(row[0] for row in rows)

    def trim(self) -> int:
        """Drop the oldest batches until the bound in bytes is kept; return the number of their events."""
        dropped = 0
        while self._used_bytes() > self._max_bytes:
            rows = self._db.execute(
                "delete from batches where id = (select id from batches where lease_until <= ? order by id limit 1)"
                " returning events",
                (self._clock(),),
            ).fetchall()
            if not rows:
                break
            dropped += sum(row[0] for row in rows)
        return dropped

    def clear(self) -> int:
        """Forget everything; return the number of events."""
        events = self.stored_events()
        self._db.execute("delete from batches")
        self._db.execute("delete from groups")
        return events

    def leave_out(self, user_id: str) -> int:
        """Leave the events of this user out of all batches; return how many there were.

        A batch keeps its id, so that one which may have arrived already cannot be stored a second time.
        """
        forgotten = 0
        for id_, content, events in self._db.execute("select id, content, events from batches").fetchall():
            batch = Batch(id=id_, content=content, events=events)
            kept = without_user(batch, user_id)
            forgotten += events - kept.events
            if not kept.events:
                self.remove([id_])
            elif kept is not batch:
                self._db.execute(
                    "update batches set content = ?, events = ? where id = ?",
                    (kept.content, kept.events, id_),
                )
        return forgotten

    def own_ids(self, state: Literal["waiting", "rejected"]) -> set[str]:
        """Return the ids of the batches on disk that this process cut."""
        with using_sqlite():
            query = "select id from batches where origin = ? and state = ?"
            return {row[0] for row in self._db.execute(query, (self._owner, state))}

    def last_number(self) -> int:
        """Return the number of the youngest batch; 0 when there is none."""
        with using_sqlite():
            return int(self._one("select coalesce(max(number), 0) from batches"))

    def free_ids(self, last: int, limit: int) -> set[str]:
        """Return the ids of waiting batches up to this number, so many at most, but those that others hold."""
        now = self._clock()
        values = {"now": now, "far": now + 10 * LEASE_SECONDS, "owner": self._owner, "last": last, "limit": limit}
        with using_sqlite():
            return {row[0] for row in self._db.execute(_LEFT, values)}

    def own_events(self) -> int:
        """Return how many events of the batches that this process cut wait."""
        with using_sqlite():
            return int(
                self._one("select total(events) from batches where origin = ? and state = 'waiting'", self._owner)
            )

    def next_attempt(self) -> float | None:
        """Return the wall time at which a batch may be taken; None when none waits."""
        with using_sqlite():
            free = self._one(
                "select min(next_attempt) from batches where state = 'waiting' and lease_until <= ?", self._clock()
            )
            held = self._one("select min(lease_until) from batches where state = 'waiting' and lease_until > 0")
        times = [at for at in (free, held) if at is not None]
        return min(times) if times else None

    def next_orphan(self) -> float | None:
        """Return the wall time at which a group may be adopted; None when there is none."""
        with using_sqlite():
            value: float | None = self._one("select min(lease_until) from groups")
        return value

    def stored_events(self) -> int:
        """Return how many events are on disk, set-aside ones too."""
        with using_sqlite():
            return int(self._one("select events from totals"))

    def hand_over(self, to: "OfflineStore") -> None:
        """Move the batches that nobody holds to another store. Raises StoreError.

        Whatever happens in between, a batch is in one of them at least, under one id.
        """
        with self.writing():
            moved = self.take(-1, due_only=False, own_first=False)
        with to.writing():
            for held in moved:
                to.add(held, leased=False)
        with self.writing():
            self.remove([held.batch.id for held in moved])

    def status(self) -> StoreStatus:
        """Return what waits and what was set aside."""
        with using_sqlite():
            batches, events = self._db.execute(
                "select count(*), total(events) from batches where state = 'waiting'"
            ).fetchone()
            grouped = self._one("select total(events) from groups")
            rejected = dict(
                self._db.execute("select reason, sum(events) from batches where state = 'rejected' group by reason")
            )
            path = os.fsencode(self.path or "memory").decode(errors="replace")
            return StoreStatus(path, batches, int(events + grouped), self._used_bytes(), rejected)

    def _hold(self, query: str, limit: int) -> list[Held]:
        now = self._clock()
        values = {"now": now, "far": now + 10 * LEASE_SECONDS, "owner": self._owner, "limit": limit}
        rows = self._db.execute(query, values).fetchall()
        self._db.executemany(
            "update batches set lease_owner = ?, lease_until = ?, unclear_since = coalesce(unclear_since, ?)"
            " where id = ?",
            [(self._owner, now + LEASE_SECONDS, now, row[0]) for row in rows],
        )
        return [
            Held(Batch(id=id_, content=content, events=events), unclear_since)
            for id_, content, events, unclear_since in rows
        ]

    def _used_bytes(self) -> int:
        pages = self._one("select page_count - freelist_count from pragma_page_count, pragma_freelist_count")
        return int(pages) * self._page_bytes

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()[0]


def count_events(path: Path) -> int | None:
    """Return how many events lie in a store that cannot be opened, as its disk is full or may only be read.

    None where that is unknown.
    """
    log = path.with_name(f"{path.name}-wal")
    whole = path.as_uri()
    addresses = [whole] if log.exists() else [whole, f"{whole}?immutable=1"]  # the file is all there is of it
    for address in addresses:
        with contextlib.suppress(StoreError):
            return _count_events(address)
    return None


def _count_events(address: str) -> int:
    with using_sqlite(), contextlib.closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)) as db:
        db.execute("pragma locking_mode = exclusive")  # then it needs no second file
        if not db.execute("select 1 from sqlite_master where name = 'totals'").fetchone():
            return 0  # it was just about to be made
        (events,) = db.execute("select events from totals").fetchone()
    return int(events)


def has_waiting(path: Path) -> bool:
    """Return whether events wait in the store at `path`, or beside it; True where it cannot be read."""
    if all_apart(path):
        return True
    try:
        with using_sqlite(), contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            (found,) = db.execute(
                "select exists (select 1 from batches where state = 'waiting') or exists (select 1 from groups)"
            ).fetchone()
    except StoreError:
        return True
    return bool(found)
