"""One-time links that sign a browser in to a project's dashboard.

Table      links in directory.sqlite: hash of the token, project, end; of this node alone
"""

import contextlib
import hashlib
import secrets
import sqlite3
from pathlib import Path

LIFETIME_SECONDS = 24 * 3600.0
TABLE = """
create table if not exists links (hash text primary key, project text not null, ends_at real not null)
strict, without rowid
"""


def add_link(directory_path: Path, project: str, now: float) -> str:
    """Return a new token; it works once, until LIFETIME_SECONDS from now."""
    token = secrets.token_urlsafe(24)
    with contextlib.closing(sqlite3.connect(directory_path, timeout=10)) as connection, connection:
        connection.execute(TABLE)
        connection.execute("delete from links where ends_at < ?", (now,))
        connection.execute("insert into links values (?, ?, ?)", (link_hash(token), project, now + LIFETIME_SECONDS))
    return token


def use_link(directory_path: Path, token: str, now: float) -> str | None:
    """Return the project of an unused token and make it a used one; None: unknown, used or too old."""
    with contextlib.closing(sqlite3.connect(directory_path, timeout=10)) as connection, connection:
        connection.execute(TABLE)
        sql = "delete from links where hash = ? returning project, ends_at"
        found: list[tuple[str, float]] = connection.execute(sql, (link_hash(token),)).fetchall()
    return found[0][0] if found and found[0][1] >= now else None


def link_url(url: str, token: str) -> str:
    """Return the address that signs in; an address that means all of this machine's is no place to go to."""
    place = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return f"{place}/sign-in?token={token}"


def link_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
