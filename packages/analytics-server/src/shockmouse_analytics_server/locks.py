"""Locks on the data folder: files that one process at a time holds; the system lets go of them when it ends."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from .errors import LockedError

RETRY_SECONDS = 0.05


@contextlib.asynccontextmanager
async def hold(
    path: Path, wait_seconds: float, advice: str = "", *, retry_seconds: float = RETRY_SECONDS
) -> AsyncIterator[None]:
    """Hold the lock for as long as the block lasts; the file tells who does.

    Raises LockedError: another process still held it after the wait.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not try_lock(file):
            if time.monotonic() >= deadline:
                raise LockedError(f"another process{named(file)} uses this data folder: it holds {path}{advice}")
            await asyncio.sleep(retry_seconds)
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


def named(file: int) -> str:
    """Return the number of the process that holds the lock, as it wrote it down."""
    number = os.pread(file, 20, 0).decode("ascii", "replace")
    return f" ({number})" if number.isdigit() else ""


def try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
