"""What lies in the offline store, seen from outside, and what tests of it leave there."""

import contextlib
import sqlite3
from pathlib import Path

DELIVER = "from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(30)\n"
TEMPORARY = """
import tempfile
tempfile.tempdir = {temporary!r}
"""
QUEUE = """
import sys
from shockmouse_analytics.__main__ import main
sys.exit(main(["queue", "{}"]))
"""
ONE = """
from shockmouse_analytics import Analytics
analytics = Analytics()
analytics.track("n", {{"number": {number}}})
"""


def numbers(server):
    return sorted(event["properties"]["number"] for event in server.events)


def queue_file(folder: Path) -> Path:
    (path,) = folder.glob("queue-*.sqlite")
    return path


def stored(path: Path) -> int:
    """Return how many events are on disk, as another process sees it."""
    db = sqlite3.connect(path, timeout=5)
    try:
        (count,) = db.execute(
            "select (select total(events) from batches) + (select total(events) from groups)"
        ).fetchone()
    finally:
        db.close()
    return int(count)


@contextlib.contextmanager
def locked(path: Path, mode="normal"):
    """Lock the file as another program would, for writers or, with mode "exclusive", for all."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"pragma locking_mode = {mode}")
        db.execute("begin immediate")
        yield db
    finally:
        db.close()


def refuse_all(server):
    server.reply = lambda number, body: (503, {"Retry-After": "3600"}, {})


def leave(client, server, events, **settings):
    """Have a run of a client end while the server postpones everything for an hour."""
    refuse_all(server)
    first = client(debug=False, **settings)
    for number in range(events):
        first.track("n", {"number": number})
    assert not first.flush(timeout=0.5)
    first.close()
    assert first.stats().stored == events
