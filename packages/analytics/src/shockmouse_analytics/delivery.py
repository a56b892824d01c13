"""Brings the events of one process from its queue to the server; all of it runs on one loop.

queue → pending → batch → flight → acknowledged
           │        └─ no slot free, paused ─→ store ─→ flight …
           └─ not enough for a batch ──→ group in the store

Disk calls are short and stand in the loop: it belongs to nobody else, and no two of them can overlap.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future

from .counts import DROPPED, Counts
from .errors import DeliveryError, StoreError, UnreachableError
from .event import Batch, encode_body, tells_of_drops
from .flushes import Covers, Flushes
from .forgetting import Forgetting
from .landing import Landing
from .ledger import PERSIST_SECONDS, Flight, Ledger, Limits
from .queue import EventQueue
from .steps import Steps
from .store_life import StoreLife
from .transport import Answer, Breaker, Transport, now

logger = logging.getLogger("shockmouse_analytics")

CONNECTIONS = 4
SETTLE_SECONDS = 0.05  # a few events more make the work per event less
RECHECK_SECONDS = 60.0  # for what other processes left behind
STUMBLE_SECONDS = 1.0
DRAIN_EVENTS = 4000  # at most between two looks at the network


class Delivery:
    """One process's way to one server; all but queued and stored belongs to its loop."""

    def __init__(
        self, *, queue: EventQueue, counts: Counts, steps: Steps, limits: Limits, transport: Transport, ledger: Ledger
    ) -> None:
        self._queue, self._counts, self._steps = queue, counts, steps
        self._limits, self._transport, self._ledger = limits, transport, ledger
        self._life = StoreLife(ledger=ledger, counts=counts, has_withdrawn=steps.has_withdrawn)
        self._forgetting = Forgetting(ledger=ledger, life=self._life, counts=counts)
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passed: list[Batch] = []  # of others, not on disk yet
        self._in_steps = 0  # between queue and pending
        self._breaker = Breaker()
        self._flushes = Flushes(ledger=ledger, counts=counts, breaker=self._breaker)
        self._landing = Landing(ledger=ledger, counts=counts, breaker=self._breaker, flushes=self._flushes)
        self._is_connected = False
        self._close_at: float | None = None

    @property
    def queued(self) -> int:
        """How many events are in memory only; from any thread."""
        on_the_way = len(self._queue) + self._in_steps  # in their order: one that moves on meanwhile is not missed
        return on_the_way + self._ledger.in_memory + sum(batch.events for batch in list(self._passed))

    @property
    def stored(self) -> int:
        """How many events are on disk and not acknowledged; from any thread."""
        return self._ledger.on_disk

    @property
    def last_error(self) -> DeliveryError | None:
        """Why the last batch that failed did."""
        return self._landing.last_error

    # --- the life of the loop

    async def run(self, loaded: Callable[[], object]) -> None:
        """Deliver until closed; then everything that is not acknowledged is in the store.

        `loaded` is called when no more modules will be imported.
        """
        try:
            self._life.open()
        except StoreError as exc:
            self._life.give_up_disk(exc)
        connecting = asyncio.create_task(self._connect(loaded))
        while True:
            try:
                self._turn()
            except StoreError as exc:
                self._life.give_up_disk(exc)
            except Exception:  # the program must go on, and so must its other events
                logger.exception("delivery stumbled")
                await asyncio.sleep(STUMBLE_SECONDS)
            if self._is_finished():
                break
            await self._rest()
        connecting.cancel()
        await self._end()

    def nudge(self) -> None:
        """Look again: something happened."""
        self._news.set()

    def pass_on(self, batch: Batch) -> None:
        """Deliver a batch that somebody else has cut; it is on disk before it is sent."""
        self._passed.append(batch)
        self._news.set()

    def flush(self, future: Future[bool], *, covers: Covers) -> None:
        """Send at once what waits; the future says True when all of it is acknowledged, False if it cannot be."""
        self._drain(len(self._queue))
        if covers != "own":
            self._look()
        self._flushes.add(future, covers=covers)
        self._news.set()

    def close(self, at: float) -> None:
        """Flush, until this monotonic time at most or until it fails, and end run()."""
        self._close_at = at
        self._landing.is_ending = True
        self._breaker.is_failing = False
        self.flush(Future(), covers="own")

    def purge(self, future: Future[bool], *, is_patient: bool) -> None:
        """Forget every event that waits in memory or on disk; the future says whether nothing is left.

        What lies in a file that cannot be used now is forgotten when this process gets at it; for that the answer
        waits if it `is_patient`.
        """
        self._drain(len(self._queue))
        self._counts.drop("opted_out", sum(batch.events for batch in self._passed))
        self._passed.clear()
        self._forgetting.purge(future, is_patient=is_patient)
        self._news.set()

    def forget(self, user_id: str, future: Future[bool]) -> None:
        """Forget this user's events that wait in memory or on disk; the future says True when none are left.

        What lies in a file that cannot be used now is forgotten when this process, or a later run, gets at it.
        """
        self._drain(len(self._queue))
        self._forgetting.forget(user_id, self._passed, future)
        self._news.set()

    def _look(self) -> None:
        try:
            self._ledger.look()
        except StoreError as exc:
            self._life.give_up_disk(exc)

    async def _connect(self, loaded: Callable[[], object]) -> None:
        try:
            await self._transport.open()
        except Exception:  # the top of this task; events go to the store until a later run can send
            logger.exception("nothing can be sent")
            return
        finally:
            loaded()
        self._is_connected = True
        self._news.set()

    async def _rest(self) -> None:
        """Wait until something happens or is due."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._due_in(time.monotonic()), 0.0)):
                await self._news.wait()

    def _is_finished(self) -> bool:
        if self._close_at is None:
            return False
        return not self._flushes or self._breaker.is_failing or time.monotonic() >= self._close_at

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drain(len(self._queue))
        self._life.close(self._passed)
        self._landing.tell_what_waits()
        self._flushes.end()
        self._forgetting.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._transport.close()

    # --- one turn

    def _turn(self) -> None:
        at = time.monotonic()
        self._life.return_to_disk()
        if self._passed:
            self._ledger.keep(self._passed)
            self._passed.clear()
        since = self._queue.since
        if since is not None and (self._queue.is_full_batch() or at >= since + self._settle_seconds()):
            self._drain(DRAIN_EVENTS)
        if self._ledger.orphan_next is not None and self._ledger.orphan_next <= time.time():
            self._ledger.adopt()
        self._dispatch()
        if self._ledger.is_saving_due(time.monotonic(), hurried=self._is_hurried()):
            self._ledger.save(cut_all=self._is_hurried())
        if self._close_at is None:
            self._life.bring_home()
        self._flushes.answer()
        self._forgetting.answer()
        self._counts.speak()

    def _due_in(self, at: float) -> float:
        """Return in how many seconds the next turn is needed; 0 or less for at once."""
        pending, ledger = self._ledger.pending, self._ledger
        due = [at if self._passed else at + RECHECK_SECONDS]
        if self._queue.since is not None:
            due.append(at if self._queue.is_full_batch() else self._queue.since + self._settle_seconds())
        if pending.unsaved:
            due.append(pending.unsaved_since + PERSIST_SECONDS)
        if pending:
            due.append(pending.since + self._limits.flush_seconds)
        due += [flight.since + PERSIST_SECONDS for flight in ledger.flying.values() if not flight.stored]
        if ledger.acknowledged or self._flushes:
            due.append(at + PERSIST_SECONDS)
        if ledger.store_next is not None and len(ledger.flying) < self._breaker.slots(at, CONNECTIONS):
            due.append(at + ledger.store_next - time.time())
        if ledger.orphan_next is not None:
            due.append(at + ledger.orphan_next - time.time())
        moments = (ledger.current.return_at, ledger.current.left_behind.home_at, self._forgetting.again_at)
        due += [moment for moment in moments if moment is not None]
        if at < self._breaker.until:
            due.append(self._breaker.until)
        if self._close_at is not None:
            due.append(self._close_at)
        return min(due) - at

    def _settle_seconds(self) -> float:
        return 0.0 if self._flushes else min(SETTLE_SECONDS, self._limits.flush_seconds)

    def _drain(self, most: int) -> None:
        since = self._queue.since or time.monotonic()
        self._in_steps = min(len(self._queue), most)
        finished = self._steps.finish(self._queue.take(most))
        for reason, events in finished.dropped.items():
            self._counts.drop(reason, events, why=finished.why.get(reason, DROPPED))
        if finished.events:
            self._ledger.pending.add(finished.events, since)
        self._in_steps = 0

    def _is_hurried(self) -> bool:
        """Return whether what is pending must not wait for more: it is old, or somebody waits for it."""
        pending = self._ledger.pending
        is_old = time.monotonic() >= pending.since + self._limits.flush_seconds
        return len(pending) > 0 and (is_old or bool(self._flushes))

    # --- the network

    def _dispatch(self) -> None:
        """Send as many batches as there are free slots: those on disk first, they are older."""
        ledger = self._ledger
        while self._is_connected:
            free = self._breaker.slots(time.monotonic(), CONNECTIONS) - len(ledger.flying)
            if free <= 0:
                return
            flights = self._take_stored(free)
            if not flights and (ledger.pending.is_full() or self._is_hurried()):
                if ledger.pending.grouped:
                    ledger.save(cut_all=self._is_hurried())
                    continue
                flights = [ledger.cut()]
            if not flights:
                return
            for flight in flights:
                task = asyncio.get_running_loop().create_task(self._send(flight))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _take_stored(self, free: int) -> list[Flight]:
        ledger = self._ledger
        before_due = self._breaker.is_failing or self._flushes.asks_for_more  # one tries for all, or somebody asked to
        if ledger.store_next is None or not (before_due or ledger.store_next <= time.time()):
            return []
        flights = ledger.take(free, before_due=before_due, own_first=bool(self._flushes))
        self._flushes.took(is_all=len(flights) < free)
        return flights

    async def _send(self, flight: Flight) -> None:
        dropped = {} if tells_of_drops(flight.held.batch) else self._counts.tell()
        outcome: Answer | DeliveryError
        try:
            outcome = await self._transport.post(encode_body(flight.held.batch, now(), dropped))
        except DeliveryError as exc:
            outcome = exc
        except Exception as exc:  # the top of this task: a batch must not be forgotten here
            logger.exception("sending stumbled")
            outcome = UnreachableError(repr(exc))
        if isinstance(outcome, DeliveryError):
            self._counts.not_told(dropped)
        try:
            self._landing.land(flight, outcome)
        except StoreError as exc:
            self._life.give_up_disk(exc)
            self._landing.land(flight, outcome)
        finally:
            del self._ledger.flying[flight.held.batch.id]
        self._news.set()
