"""One-time links that sign a browser in to a project's dashboard.

Table      key_links in directory.sqlite: hash of the token, project, prefix of the read key that the link stands for,
           end; of this node alone
"""

import contextlib
import hashlib
import secrets
import sqlite3
from pathlib import Path

from msgspec import Struct

LIFETIME_SECONDS = 24 * 3600.0
TABLE = """
create table if not exists key_links (
    hash text primary key, project text not null, prefix text not null, ends_at real not null
) strict, without rowid
"""


class Link(Struct, frozen=True):
    """What a link signs in to, and the prefix of the read key with which it ends."""

    project: str
    prefix: str


def add_link(directory_path: Path, link: Link, now: float) -> str:
    """Return a new token; it works once, until LIFETIME_SECONDS from now."""
    token = secrets.token_urlsafe(24)
    row = (link_hash(token), link.project, link.prefix, now + LIFETIME_SECONDS)
    with contextlib.closing(sqlite3.connect(directory_path, timeout=10)) as connection, connection:
        connection.execute(TABLE)
        connection.execute("delete from key_links where ends_at < ?", (now,))
        connection.execute("insert into key_links values (?, ?, ?, ?)", row)
    return token


def use_link(directory_path: Path, token: str, now: float) -> Link | None:
    """Return what an unused token signs in to and make it a used one; None: unknown, used or too old."""
    with contextlib.closing(sqlite3.connect(directory_path, timeout=10)) as connection, connection:
        connection.execute(TABLE)
        sql = "delete from key_links where hash = ? returning project, prefix, ends_at"
        found: list[tuple[str, str, float]] = connection.execute(sql, (link_hash(token),)).fetchall()
    return Link(*found[0][:2]) if found and found[0][2] >= now else None


def link_url(url: str, token: str) -> str:
    """Return the address that signs in; an address that means all of this machine's is no place to go to."""
    place = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    return f"{place}/sign-in?token={token}"


def link_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
