"""`import`: exported events back in through the spool, each once, however often and in whatever pieces it is imported.

known      an event that the project has already, by id and time, is left out. So that ClickHouse can tell, what waits
           in the spool is loaded first; the import's own last groups are remembered until they are loaded
crash      nothing is kept for it: the same file again finds what was stored, and what was spooled is loaded first
erased     an event of an erased subject, up to the time of the erasure, is left out
expired    an event older than the project keeps events is left out: it would be deleted at once
malformed  a line that is no event of an export is left out and told; its neighbours are imported
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from . import segments
from .clickhouse import Database
from .errors import DatabaseAwayError, SpoolFullError
from .exported import DAY_SECONDS, read_row
from .json_limits import RefusedError
from .projects import Project
from .question import load
from .ranges import from_ms
from .rows import Row
from .spool import Entry, Spool

GROUP_LINES = 2000
GROUP_BYTES = 4 << 20
WAITING_GROUPS = 20  # spooled by us and perhaps not loaded yet
LOOK_SECONDS = 0.05
STUCK_SECONDS = 120.0


class Line(Struct, frozen=True):
    """A line of a file; an empty `body` is a line that was too long to be read."""

    number: int
    body: bytes


class Malformed(Struct, frozen=True):
    """A line that was left out, and why."""

    number: int
    reason: str


class Tally(Struct):
    """What became of the lines so far."""

    imported: int = 0
    duplicates: int = 0
    erased: int = 0
    expired: int = 0
    malformed: int = 0


class Group(Struct, frozen=True):
    """Events that were spooled together: their ids, and the spool's newest piece then."""

    ids: frozenset[str]
    newest: int


class Importer:
    """One import; a loader must be at work on the spool meanwhile."""

    def __init__(
        self,
        spool: Spool,
        database: Database,
        project: Project,
        *,
        is_erased: Callable[[Row], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._database = database
        self._project = project
        self._is_erased = is_erased
        self._clock = clock
        self._groups: list[Group] = []
        self.tally = Tally()

    async def begin(self) -> None:
        """What waited in the spool is loaded, so that it can be looked up."""
        await self._loaded(await self._newest())

    async def take(self, lines: Sequence[Line]) -> list[Malformed]:
        """Import a group of lines; return those that are no events.

        Raises DatabaseAwayError: nothing is loaded for STUCK_SECONDS.
        """
        rows, malformed = await asyncio.to_thread(self._read, lines)
        self.tally.malformed += len(malformed)
        fresh = await self._unknown(rows)
        self.tally.duplicates += len(rows) - len(fresh)
        if fresh:
            await self._append(list(fresh.values()))
        return malformed

    async def end(self) -> None:
        """Everything taken is in ClickHouse."""
        while self._groups:
            await self._loaded(self._groups.pop(0).newest)

    def _read(self, lines: Iterable[Line]) -> tuple[list[Row], list[Malformed]]:
        rows, malformed = [], []
        now = self._clock()
        oldest = now - self._project.retention_days * DAY_SECONDS if self._project.retention_days else 0.0
        for line in lines:
            try:
                if not line.body:
                    raise RefusedError("too_large", "the line is too long")
                row = read_row(line.body, self._project, now)
            except RefusedError as exc:
                malformed.append(Malformed(line.number, exc.reason))
                continue
            if row.at < oldest:
                self.tally.expired += 1
            elif self._is_erased(row):
                self.tally.erased += 1
            else:
                rows.append(row)
        return rows, malformed

    async def _unknown(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Return the rows by id that are neither stored nor on their way."""
        fresh = {row.event_id: row for row in reversed(rows)}
        for group in self._groups:
            for event_id in group.ids & fresh.keys():
                del fresh[event_id]
        if fresh:
            times = [row.at for row in fresh.values()]
            params = {
                "project": self._project.name,
                "start": from_ms(round(min(times) * 1000)),
                "end": from_ms(round(max(times) * 1000)),
                "ids": [UUID(event_id) for event_id in fresh],
            }
            for found in await self._database.fetch(load("events_known"), params=params):
                fresh.pop(found["event_id"], None)
        return dict(reversed(fresh.items()))

    async def _append(self, rows: list[Row]) -> None:
        digest = hashlib.sha256("".join(row.event_id for row in rows).encode()).digest()
        name = hashlib.sha256(self._project.name.encode() + b"\0import\0" + digest).digest()
        entry = Entry(self._project.name, UUID(bytes=name[:16]), digest, rows, [], self._clock())
        while True:
            try:
                (answer,) = await asyncio.to_thread(self._spool.append, [entry])
                break
            except SpoolFullError:
                if not self._groups:  # it is not we who fill it
                    raise
                await self._loaded(self._groups.pop(0).newest)
        accepted = getattr(answer, "accepted", 0)
        self.tally.imported += accepted
        self.tally.duplicates += len(rows) - accepted
        self._groups.append(Group(frozenset(row.event_id for row in rows), await self._newest()))
        if len(self._groups) > WAITING_GROUPS:
            await self._loaded(self._groups.pop(0).newest)

    async def _newest(self) -> int:
        """Return the number of the spool's newest piece, 0 when it is empty."""
        newest: int | None = await asyncio.to_thread(segments.newest_waiting, self._spool.file)
        return newest or 0

    async def _loaded(self, newest: int) -> None:
        """Every piece of the spool up to this number is in ClickHouse, or in quarantine."""
        waiting, since = -1, time.monotonic()
        while await asyncio.to_thread(segments.are_waiting, self._spool.file, newest):
            status = await asyncio.to_thread(self._spool.status)
            if status.rows != waiting:
                waiting, since = status.rows, time.monotonic()
            if time.monotonic() - since > STUCK_SECONDS:
                raise DatabaseAwayError(
                    f"nothing of the {waiting} events on disk was loaded for {STUCK_SECONDS:.0f} s: see `doctor`, "
                    "then import the same again"
                )
            await asyncio.sleep(LOOK_SECONDS)
