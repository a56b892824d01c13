"""Group commit: batches that arrive while a commit is under way share the next one.

One commit at a time runs in a thread of its own, with whatever waits by then up to 10,000 events; so one fsync
acknowledges one batch when little happens and hundreds under load, and nobody waits for a timer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from msgspec import Struct

from .errors import BatchReusedError, ServerError, SpoolBrokenError, SpoolFullError
from .spool import Appended, BatchReused, Entry, Spool

GROUP_EVENTS = 10_000
WAITING_EVENTS = 50_000  # some 100 MB

T = TypeVar("T")


class _Waiting(Struct, frozen=True, eq=False):
    entry: Entry
    events: int
    answer: "asyncio.Future[Appended | BatchReused]"


class Appender:
    """The spool as coroutines use it; leaving the block waits for the commit under way."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._committing: asyncio.Task[None] | None = None
        self.broken = asyncio.Event()  # the disk failed under the spool: this process should end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()

    async def append(self, entry: Entry) -> Appended:
        """Store a batch; returning means it is on disk.

        Raises SpoolFullError, SpoolBrokenError, LockedError; BatchReusedError: the id was used with other events.
        """
        events = len(entry.rows) + len(entry.unplaced)
        if self._waiting_events >= WAITING_EVENTS:
            raise SpoolFullError(f"{self._waiting_events} events wait for the disk")
        waiting = _Waiting(entry, events, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_events += events
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        answer = await waiting.answer
        if isinstance(answer, BatchReused):
            raise BatchReusedError(f"batch {entry.batch_id} was sent before with other events")
        return answer

    async def probe(self) -> None:
        """Write and fsync in turn with the commits; raises as append() does."""
        try:
            await self._in_thread(self._spool.probe)
        except SpoolBrokenError:
            self.broken.set()
            raise

    async def _commit_all(self) -> None:
        while self._waiting:
            group = self._next_group()
            await self._commit(group)
        self._committing = None

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        events = group[0].events
        while self._waiting and events + self._waiting[0].events <= GROUP_EVENTS:
            group.append(self._waiting.popleft())
            events += group[-1].events
        self._waiting_events -= events
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        """Give every batch of the group its answer; a batch that cannot be encoded fails alone."""
        entries = [waiting.entry for waiting in group]
        answers: Sequence[Appended | BatchReused | Exception]
        try:
            answers = await self._in_thread(lambda: self._spool.append(entries))
        except ServerError as exc:
            answers = [exc] * len(group)
        except Exception as exc:  # a mistake of ours in one of them; a request waits for each
            if len(group) > 1:
                for waiting in group:
                    await self._commit([waiting])
                return
            answers = [exc]
        for waiting, answer in zip(group, answers, strict=True):
            self._answer(waiting, answer)

    def _answer(self, waiting: _Waiting, answer: Appended | BatchReused | Exception) -> None:
        if isinstance(answer, SpoolBrokenError):
            self.broken.set()
        if waiting.answer.done():  # the request has gone
            return
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
