"""Turns: so many questions at a time ask the database, and those that wait come in turn, project by project.

Why        a burst of dashboards would otherwise pile up before the database, and one project's before all others'
Refused    who would wait behind too many, or has waited too long: 503 with Retry-After, and nothing was asked
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from .errors import QuestionError

RUNNING = 4
WAITING = 500
WAIT_SECONDS = 15.0

Waiting = asyncio.Future[None]


class Turns:
    """The turns of one process."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free = running
        self._most = waiting
        self._wait_seconds = wait_seconds
        self._queues: dict[str, deque[Waiting]] = {}  # the first project's turn is next

    @contextlib.asynccontextmanager
    async def turn(self, project: str) -> AsyncIterator[None]:
        """Hold a turn for as long as the block lasts. Raises QuestionError: there is none to be had."""
        await self._take(project)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, project: str) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if sum(map(len, self._queues.values())) >= self._most:
            raise busy()
        mine: Waiting = asyncio.get_running_loop().create_future()
        self._queues.setdefault(project, deque()).append(mine)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await mine
        except BaseException as exc:
            if mine.done() and not mine.cancelled():  # the turn came with the end of the patience
                self._give_back()
            else:
                self._forget(project, mine)
            if isinstance(exc, TimeoutError):
                raise busy() from exc
            raise

    def _give_back(self) -> None:
        """Hand the turn to the next project that waits, whose next question then waits behind all others'."""
        while self._queues:
            project = next(iter(self._queues))
            queue = self._queues.pop(project)
            mine = queue.popleft()
            if queue:
                self._queues[project] = queue
            if not mine.done():
                mine.set_result(None)
                return
        self._free += 1

    def _forget(self, project: str, mine: Waiting) -> None:
        queue = self._queues.get(project, deque())
        with contextlib.suppress(ValueError):
            queue.remove(mine)
        if not queue:
            self._queues.pop(project, None)


def busy() -> QuestionError:
    return QuestionError("too many questions are being asked; ask again in a moment", code="busy", status=503)
