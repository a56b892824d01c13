"""What lies in a store: questions, which change nothing. Each raises StoreError where the file cannot be read."""

import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from .errors import StoreError
from .store_file import all_apart, using_sqlite
from .store_tables import FAR_SECONDS, LATE_SECONDS, LONGEST_GROUP_SECONDS

_LEFT = (
    "select id from batches where state = 'waiting' and number <= :last"
    " and (lease_until <= :now or lease_until > :far or lease_owner = :owner) limit :limit"
)


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


class StoreContents:
    """What one process may ask of a store."""

    def __init__(self, db: sqlite3.Connection, owner: str, clock: Callable[[], float]) -> None:
        self._db, self._owner, self._clock = db, owner, clock
        with using_sqlite():
            self._page_bytes = int(self._one("pragma page_size"))

    def own_ids(self, state: Literal["waiting", "rejected"]) -> set[str]:
        """Return the ids of the batches that this process cut."""
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
        values = {"now": now, "far": now + FAR_SECONDS, "owner": self._owner, "last": last, "limit": limit}
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
        times = [self._soon(at, LATE_SECONDS) for at in (free, held) if at is not None]
        return min(times) if times else None

    def next_orphan(self) -> float | None:
        """Return the wall time at which a group may be adopted; None when there is none."""
        with using_sqlite():
            value: float | None = self._one("select min(lease_until) from groups")
        return None if value is None else self._soon(value, LONGEST_GROUP_SECONDS)

    def _soon(self, at: float, at_most: float) -> float:
        """Return a wall time, or now where it lies further ahead than can be: the clock was set back since."""
        now = self._clock()
        return at if at <= now + at_most else now

    def has_groups_of_others(self) -> bool:
        """Return whether another process, which may be gone, has collected events here."""
        with using_sqlite():
            return bool(self._one("select exists (select 1 from groups where owner <> ?)", self._owner))

    def events(self) -> int:
        """Return how many events there are, set-aside ones too."""
        with using_sqlite():
            return int(self._one("select events from totals"))

    def used_bytes(self) -> int:
        """Return how much of the file is in use."""
        with using_sqlite():
            pages = self._one("select page_count - freelist_count from pragma_page_count, pragma_freelist_count")
        return int(pages) * self._page_bytes

    def status(self, path: Path | None) -> StoreStatus:
        """Return what waits and what was set aside."""
        with using_sqlite():
            batches, events = self._db.execute(
                "select count(*), total(events) from batches where state = 'waiting'"
            ).fetchone()
            grouped = self._one("select total(events) from groups")
            rejected = dict(
                self._db.execute("select reason, sum(events) from batches where state = 'rejected' group by reason")
            )
        shown = os.fsencode(path or "memory").decode(errors="replace")
        return StoreStatus(shown, batches, int(events + grouped), self.used_bytes(), rejected)

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()[0]


def count_events(path: Path, busy_seconds: float) -> int | None:
    """Return how many events lie in a store that cannot be opened, as its disk is full or may only be read.

    None where that is unknown, also as others hold it for so long.
    """
    log = path.with_name(f"{path.name}-wal")
    whole = path.as_uri()
    addresses = [whole] if os.path.lexists(log) else [whole, f"{whole}?immutable=1"]  # the file is all there is of it
    for address in addresses:
        with contextlib.suppress(StoreError):
            return _count_events(address, busy_seconds)
    return None


def _count_events(address: str, busy_seconds: float) -> int:
    with using_sqlite(), contextlib.closing(sqlite3.connect(address, timeout=busy_seconds, uri=True)) as db:
        db.execute("pragma locking_mode = exclusive")  # then it needs no second file
        if not db.execute("select 1 from sqlite_master where name = 'totals'").fetchone():
            return 0  # it was just about to be made
        (events,) = db.execute("select events from totals").fetchone()
    return int(events)


def has_waiting(path: Path) -> bool:
    """Return whether events wait in the store at `path`, or beside it; True where it cannot be read now."""
    if all_apart(path):
        return True
    try:
        with using_sqlite(), contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", timeout=0, uri=True)) as db:
            (found,) = db.execute(
                "select exists (select 1 from batches where state = 'waiting') or exists (select 1 from groups)"
            ).fetchone()
    except StoreError:
        return True
    return bool(found)
