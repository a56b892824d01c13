"""Counts of what happened to events, summed over the node's processes and kept over restarts.

File       counters.sqlite in the data folder: name, label, value. Not fsynced: a crash may lose the last second
Project    its own counters stand beside the server's as PROJECT/name; a project's name has no /
Damage     a power loss may damage what is not fsynced; such a file is set aside and counting begins anew
"""

import collections
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Self

from msgspec import Struct

from .damage import set_aside_damaged

FLUSH_SECONDS = 1.0
TABLE = """
create table if not exists counters (name text not null, label text not null, value integer not null,
primary key (name, label)) strict, without rowid
"""
ADD = "insert into counters values (?, ?, ?) on conflict do update set value = value + excluded.value"


class Count(Struct, frozen=True):
    """One counter's value; the label is a code or reason, empty where there is only one."""

    name: str
    label: str
    value: int


class Counters:
    """The counters of one process; what it adds reaches the file within FLUSH_SECONDS."""

    def __init__(self, path: Path) -> None:
        set_aside_damaged(path)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
        self._connection.executescript("pragma journal_mode = wal; pragma synchronous = off;" + TABLE)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: collections.Counter[tuple[str, str]] = collections.Counter()
        self._stopping = threading.Event()
        self._flusher = threading.Thread(target=self._flush_often, name="counters", daemon=True)

    def __enter__(self) -> Self:
        self._flusher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._flusher.join()
        self.flush()
        self._connection.close()

    def add(self, name: str, label: str = "", amount: int = 1, *, project: str = "") -> None:
        """Count for the server, and for the project where one is named."""
        with self._lock:
            self._waiting[name, label] += amount
            if project:
                self._waiting[f"{project}/{name}", label] += amount

    def flush(self) -> None:
        """Write down what was added since the last time; what cannot be written now stays for later."""
        with self._writing:
            with self._lock:
                waiting, self._waiting = self._waiting, collections.Counter()
            try:
                with self._connection:
                    self._connection.executemany(ADD, [(*key, amount) for key, amount in waiting.items()])
            except sqlite3.Error:
                with self._lock:
                    self._waiting.update(waiting)
                raise

    def totals(self) -> list[Count]:
        """Return every counter by name and label: our own up to now, other processes' up to a second ago."""
        with contextlib.suppress(sqlite3.Error):  # a full disk: the counters as they were written
            self.flush()
        with self._writing:
            rows = self._connection.execute("select name, label, value from counters order by name, label").fetchall()
        return [Count(*row) for row in rows]

    def totals_of(self, project: str) -> list[Count]:
        """Return a project's own counters, named as those of the server."""
        start = f"{project}/"
        return [
            Count(count.name.removeprefix(start), count.label, count.value)
            for count in self.totals()
            if count.name.startswith(start)
        ]

    def _flush_often(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            with contextlib.suppress(sqlite3.Error):  # a full disk must not end the counting
                self.flush()
