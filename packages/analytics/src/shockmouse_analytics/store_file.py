"""The SQLite file of the offline store: opening it where it can be written, and what can go wrong with it.

Private   folder 0700, file 0600; a folder of another user is refused
Safe      WAL, synchronous=FULL: what is committed survives a power cut on a disk that honours a flush
Fork      SQLite's own locks must be free in the child, so a fork waits for the call that is going on
"""

import contextlib
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from .background import FORK_LOCK
from .errors import StoreError

logger = logging.getLogger("shockmouse_analytics")

BUSY_SECONDS = 0.5  # others may hold a file so long without being said to lock it
TURN_SECONDS = 0.05  # of waiting for them, where what is in memory must be on disk soon
SCHEMA_VERSION = 1
# The last two, as no row that we write breaks a rule of its table.
_DAMAGED_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
_DAMAGED = ("Could not decode", "unsupported file format")  # a text, a header; codes do not tell them from other errors


def connect(path: Path | None, schema: str, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Return a connection to the file, made when missing, or to memory. Raises StoreError."""
    with using_sqlite():
        if path is not None:
            _make_private(path)
        db = sqlite3.connect(
            path or ":memory:", timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )  # one thread at a time uses it: the background thread, or at exit the thread that ends the program
        try:
            _keep_log(db, busy_seconds)
            db.execute("pragma synchronous = full")
            if db.execute("pragma user_version").fetchone() == (0,):  # no lock is needed for a file that exists
                db.executescript(f"begin immediate; {schema}; pragma user_version = {SCHEMA_VERSION}; commit;")
        except (sqlite3.Error, UnicodeDecodeError):
            db.close()
            raise
    return db


def _keep_log(db: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to the write-ahead log; for that SQLite itself does not wait for others that do the same to a new file."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def set_aside(path: Path) -> Path:
    """Rename a damaged file, for whoever wants to look into it, and return its new path. Raises StoreError."""
    aside = path.with_name(f"{path.stem}.damaged-{time.time_ns()}")
    with using_sqlite():
        path.rename(aside)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}-wal").rename(aside.with_name(f"{aside.name}-wal"))
    remove(path)
    logger.warning("the offline store was damaged and is now %s", aside)
    return aside


def remove(path: Path) -> None:
    """Remove the file, which is closed; somebody else may have done it. Raises StoreError."""
    with using_sqlite():
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def apart(path: Path, owner: str) -> Path:
    """Return the file in which one process keeps what it has while others lock the store at `path`."""
    return path.with_name(f"{path.stem}.apart-{owner}{path.suffix}")


def all_apart(path: Path) -> list[Path]:
    """Return the files that processes have kept apart from the store at `path`."""
    return beside(path, apart(path, "*").name)


def beside(path: Path, pattern: str) -> list[Path]:
    """Return the files with such names in the folder of this one; none where nobody may look."""
    try:
        return sorted(path.parent.glob(pattern))
    except OSError:
        return []


def may_exist(path: Path) -> bool:
    """Return whether something is at `path`, also where that cannot be known."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def using_sqlite() -> Iterator[None]:
    """Keep forks out, and map what SQLite, zlib and the system say to StoreError."""
    with FORK_LOCK:
        try:
            yield
        except sqlite3.Error as exc:
            code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
            damaged = str(exc).startswith(_DAMAGED) or code in _DAMAGED_CODES
            raise StoreError(str(exc), damaged=damaged, busy=code == sqlite3.SQLITE_BUSY) from exc
        except zlib.error as exc:
            raise StoreError(str(exc), damaged=True) from exc
        except UnicodeDecodeError as exc:  # of a message that cites what is damaged
            raise StoreError("database disk image is malformed", damaged=True) from exc
        except OSError as exc:
            raise StoreError(exc.strerror.lower() if exc.strerror else str(exc)) from exc


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to another user")
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
