"""Connections to chDB that stay open between questions.

Why        to open one and to give it a question's settings takes chDB several times as long as a small question
Kept       those of reading statements, under their database and settings, which the next one must have too; readonly is
           among them. What failed or was left half-way is closed, and of too many the one that has waited longest
"""

import contextlib
import threading
from collections.abc import Generator, Iterator
from typing import Any

from .engine_request import Request, carry_out, is_reading, prepare

KEPT = 8
Key = tuple[str, tuple[tuple[str, str], ...]]


class Connections:
    """Gives each request a connection of its own; used by several threads."""

    def __init__(self, connect: Any, path: str) -> None:
        self._connect = connect
        self._path = path
        self._idle: list[tuple[Key, Any]] = []
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Generator[bytes, None, None]:
        """Yield the answer's bytes; the connection is the request's as long as the answer lasts."""
        with self._taken(request) as connection:
            yield from carry_out(connection, request)

    def close(self) -> None:
        """Nothing is kept any more."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    @contextlib.contextmanager
    def _taken(self, request: Request) -> Iterator[Any]:
        key = (request.database, tuple(sorted(request.settings.items())))
        connection = self._kept(key)
        try:
            if connection is None:
                connection = self._connect(self._path)
                prepare(connection, request)
            yield connection
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        if is_reading(request):
            self._keep(key, connection)
        else:
            connection.close()

    def _kept(self, key: Key) -> Any:
        with self._lock:
            for place, (known, connection) in enumerate(self._idle):
                if known == key:
                    del self._idle[place]
                    return connection
        return None

    def _keep(self, key: Key, connection: Any) -> None:
        with self._lock:
            self._idle.append((key, connection))
            surplus = self._idle.pop(0)[1] if len(self._idle) > KEPT else None
        if surplus is not None:
            surplus.close()
