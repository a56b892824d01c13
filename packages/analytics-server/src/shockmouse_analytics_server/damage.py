"""SQLite files that can be made anew: one that is found damaged is set aside instead of stopping everything.

Set aside   renamed to NAME.damaged, in place of an earlier one, without its log, which belongs to no other file
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
from pathlib import Path

DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

logger = logging.getLogger(__name__)


def set_aside_damaged(path: Path) -> bool:
    """Set the file aside if it is damaged; return whether it was. Of several processes one does it."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        damage = find_damage(path)
        if damage is None:
            return False
        path.replace(path.with_name(f"{path.name}.damaged"))
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    finally:
        os.close(folder)
    logger.error("%s is damaged (%s): it is set aside as %s.damaged and begun anew", path, damage, path.name)
    return True


def find_damage(path: Path) -> str | None:
    """Return what is wrong with the file; None when nothing is, when there is none, or when it cannot be told now."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            found = str(connection.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.Error as exc:
        return str(exc) if getattr(exc, "sqlite_errorcode", 0) & 0xFF in DAMAGES else None
    return None if found == "ok" else found
