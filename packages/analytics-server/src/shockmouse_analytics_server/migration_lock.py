"""One migrator at a time, across processes and hosts, with nothing but ClickHouse.

The lock    tables migration_lock_NNNNNNNNNN: to create the next one is atomic, and who creates it holds the lock
Its state   the table's comment: `held HOST PID` or `free`; the time of the last change is the heartbeat
Expiry      no heartbeat for `expiry_seconds`, or the owner ran on this host and is gone: the next number may be created
Never       is the highest number dropped: an old waiter that creates a lower one sees that it has lost
On a cluster the table has one fixed place in the keeper, which only one host can create
"""

import asyncio
import contextlib
import os
import platform
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from .clickhouse import Database
from .errors import DatabaseError, LockedError

ALREADY_THERE = frozenset({57, 253})  # TABLE_ALREADY_EXISTS, REPLICA_ALREADY_EXISTS
RETRY_SECONDS = 0.25
HELD = re.compile(r"held (\S+) (\d+)")


class Held(NamedTuple):
    """The newest lock."""

    generation: int
    comment: str
    age_seconds: int

    def free(self, expiry_seconds: float) -> bool:
        """Tell whether the next one may be made."""
        match = HELD.fullmatch(self.comment)
        return match is None or self.age_seconds > expiry_seconds or _gone(match[1], int(match[2]))


def this_process() -> str:
    """Return host, container and process as `held` names them."""
    return f"{_host()} {os.getpid()}"


def _host() -> str:
    """Return a name that two processes share only when each sees the other's number."""
    space = Path("/proc/self/ns/pid")
    boot = Path("/proc/sys/kernel/random/boot_id")
    parts = [platform.node(), boot.read_text().strip()[:8] if boot.exists() else ""]
    parts.append(str(space.readlink()) if space.is_symlink() else "")
    return re.sub(r"[^\w.-]+", "-", "_".join(filter(None, parts)))


def _gone(host: str, pid: int) -> bool:
    if host != _host():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class MigrationLock:
    """The lock as one migrator sees it."""

    def __init__(self, database: Database, cluster: str | None, expiry_seconds: float) -> None:
        self._database = database
        self._cluster = cluster
        self._expiry = expiry_seconds
        self._generation = 0

    async def take(self) -> str:
        """Return an empty text when the lock is ours now, else who holds it."""
        newest = await self._newest()
        if newest and not newest.free(self._expiry):
            return f"{newest.comment.removeprefix('held ')} (last heard of {newest.age_seconds} s ago)"
        generation = newest.generation + 1 if newest else 1
        try:
            await self._database.execute(self._create(generation))
        except DatabaseError as exc:
            if exc.code in ALREADY_THERE:
                return "another process, since just now"
            raise
        self._generation = generation
        if not await self.held():
            await self._drop(generation)
            return "another process, since just now"
        if newest:
            await self._drop(newest.generation)
        return ""

    async def held(self) -> bool:
        """Tell whether nobody has taken the lock over."""
        newest = await self._newest()
        return newest is not None and newest[:2] == (self._generation, f"held {this_process()}")

    async def release(self) -> None:
        """The next migrator need not wait."""
        await self._comment("free")

    async def beat(self) -> None:
        """Say every third of the expiry that we live, until cancelled; what cannot be said is left out."""
        while True:
            await asyncio.sleep(self._expiry / 3)
            with contextlib.suppress(DatabaseError):
                await self._comment(f"held {this_process()}")

    async def _newest(self) -> Held | None:
        tables = f"clusterAllReplicas(`{self._cluster}`, system.tables)" if self._cluster else "system.tables"
        rows = await self._database.fetch(
            f"select toUInt64(substring(name, 16)) as generation, comment, "  # noqa: S608 # a configured name only
            f"dateDiff('second', metadata_modification_time, now()) as age_seconds from {tables} "
            "where database = {database:String} and startsWith(name, 'migration_lock_') order by name desc limit 1",
            params={"database": self._database.name},
        )
        return Held(**rows[0]) if rows else None

    def _create(self, generation: int) -> str:
        place = f"'/clickhouse/shockmouse/{self._database.name}/{_table(generation)}', 'holder'"
        engine = f"ReplicatedMergeTree({place})" if self._cluster else "MergeTree"
        columns = f"(nothing UInt8) engine = {engine} order by nothing"
        return f"create table {_table(generation)} {columns} comment 'held {this_process()}'"

    async def _comment(self, text: str) -> None:
        await self._database.execute(f"alter table {_table(self._generation)} modify comment '{text}'")

    async def _drop(self, generation: int) -> None:
        where = f"on cluster `{self._cluster}`" if self._cluster else ""
        await self._database.execute(f"drop table if exists {_table(generation)} {where} sync")


def _table(generation: int) -> str:
    return f"migration_lock_{generation:010d}"


@contextlib.asynccontextmanager
async def migration_lock(
    database: Database, *, cluster: str | None, wait_seconds: float, expiry_seconds: float
) -> AsyncIterator[MigrationLock]:
    """Inside, this process is the one migrator of the database.

    Raises LockedError: somebody else still held the lock after the wait; the message says who.
    """
    lock = MigrationLock(database, cluster, expiry_seconds)
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while holder := await lock.take():
        if asyncio.get_running_loop().time() > deadline:
            raise LockedError(f"waited {wait_seconds:g} s for the migrator {holder}")
        await asyncio.sleep(RETRY_SECONDS)
    beating = asyncio.create_task(lock.beat())
    try:
        yield lock
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        with contextlib.suppress(DatabaseError):
            await lock.release()
