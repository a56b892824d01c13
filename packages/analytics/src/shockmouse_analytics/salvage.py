"""What can still be read of a damaged store, brought into a new one.

A batch is whole when its gzip member is, which ends with a checksum; a group when it is JSON of so many events. Batches
keep their ids, so that one which the server has already counts once. The damaged file stays for whoever wants to look.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .event import Batch, is_joined, is_packed
from .offline import OfflineStore
from .store_batches import Held
from .store_file import using_sqlite
from .store_groups import Group

BATCHES = "select number, id, events, unclear_since from batches not indexed where state = 'waiting' order by number"
GROUPS = "select number, owner, events, content from groups not indexed order by number"
CONTENT = "select content from contents where number = ?"
MOST_EVENTS = 1 << 40  # more is damage


def salvage(damaged: Path, to: OfflineStore, *, owner: str) -> int | None:
    """Put what is whole into the store; return how many events are lost, None where that cannot be known.

    Groups of this owner are in memory still, and stay out. Raises StoreError: the damaged file cannot be opened, or the
    store not be written.
    """
    with using_sqlite(), contextlib.closing(sqlite3.connect(damaged, timeout=0)) as db:
        expected = next(_read(db, "select events from totals"), (None,))[0]
        held = [found for row in _from_both_ends(db, BATCHES) for found in _whole(db, *row)]
        groups = {row[0]: (row[1], Group(*row[2:])) for row in _from_both_ends(db, GROUPS) if is_joined(row[3], row[2])}
    with to.writing():
        for each in held:
            to.batches.add(each, leased=False)
        for whose, group in groups.values():
            if whose != owner:
                to.groups.leave(group)
    saved = sum(each.batch.events for each in held) + sum(group.events for _, group in groups.values())
    return expected - saved if isinstance(expected, int) and saved <= expected < MOST_EVENTS else None


def _from_both_ends(db: sqlite3.Connection, query: str) -> Iterator[Any]:
    """Yield the rows before the first page that is damaged, and those after the last one; each once."""
    seen = set()
    for way in (query, f"{query} desc"):
        for row in _read(db, way):
            if row[0] not in seen:
                seen.add(row[0])
                yield row


def _read(db: sqlite3.Connection, query: str, *values: object) -> Iterator[Any]:
    """Yield rows until one cannot be read."""
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):  # as using_sqlite() has them
        yield from db.execute(query, values)


def _whole(db: sqlite3.Connection, number: Any, id_: Any, events: Any, unclear_since: Any) -> Iterator[Held]:
    """Yield the batch if all of it can be read; damage may have put anything in the place of a value."""
    is_known = isinstance(id_, str) and isinstance(unclear_since, float | None)
    for (content,) in _read(db, CONTENT, number) if is_known else ():
        if is_packed(content, events):
            yield Held(Batch(id=id_, content=content, events=events), unclear_since)
