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
from typing import Literal

from msgspec import Struct

from .counts import DROPPED, Counts
from .errors import DeliveryError, RejectedError, StoreError, ThrottledError, TooLargeError, UnreachableError
from .event import Batch, encode_body, tells_of_drops
from .ledger import PERSIST_SECONDS, Flight, Ledger, Limits
from .queue import EventQueue
from .steps import Steps
from .store_batches import Held
from .transport import Answer, Breaker, Transport, now

logger = logging.getLogger("shockmouse_analytics")

CONNECTIONS = 4
SETTLE_SECONDS = 0.05  # a few events more make the work per event less
RECHECK_SECONDS = 60.0  # for what other processes left behind
STUMBLE_SECONDS = 1.0
REUSED = "batch_id_reused"  # after an unclear attempt: it came, and then a user's events were left out here
WAITING = tuple(kind.__name__ for kind in (UnreachableError, ThrottledError, TooLargeError, RejectedError))
DRAIN_EVENTS = 4000  # at most between two looks at the network


Covers = Literal["own", "store", "everything"]


class _Flush(Struct):
    """Somebody waits until the first `mark` events are acknowledged; `ids` are their batches, once all are cut.

    own         this process's events
    store       and what lay in the store by then, its first `last` batches; but for what other processes hold
    everything  until nothing is left in the store, or sending fails
    """

    future: Future[bool]
    mark: int
    covers: Covers
    lost: int  # how many events were lost before
    ids: set[str] | None = None
    last: int = 0
    is_short: bool = False  # something lies where this process cannot send it


class Delivery:
    """One process's way to one server; all but queued and stored belongs to its loop."""

    def __init__(
        self, *, queue: EventQueue, counts: Counts, steps: Steps, limits: Limits, transport: Transport, ledger: Ledger
    ) -> None:
        self._queue, self._counts, self._steps = queue, counts, steps
        self._limits, self._transport, self._ledger = limits, transport, ledger
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushes: list[_Flush] = []
        self._passed: list[Batch] = []  # of others, not on disk yet
        self._in_steps = 0  # between queue and pending
        self._breaker = Breaker()
        self._is_connected = self._hurries = False
        self._hurried_at = 0.0
        self._close_at: float | None = None
        self._trouble: DeliveryError | None = None  # why the last batch failed, None if it did not
        self._told_why = ""  # why events wait, as the last warning of it said
        self.last_error: DeliveryError | None = None

    @property
    def queued(self) -> int:
        """How many events are in memory only; from any thread."""
        on_the_way = len(self._queue) + self._in_steps  # in their order: one that moves on meanwhile is not missed
        return on_the_way + self._ledger.in_memory + sum(batch.events for batch in list(self._passed))

    @property
    def stored(self) -> int:
        """How many events are on disk and not acknowledged; from any thread."""
        return self._ledger.on_disk

    # --- the life of the loop

    async def run(self, loaded: Callable[[], object]) -> None:
        """Deliver until closed; then everything that is not acknowledged is in the store.

        `loaded` is called when no more modules will be imported.
        """
        try:
            self._ledger.open()
        except StoreError as exc:
            self._ledger.give_up_disk(exc)
        connecting = asyncio.create_task(self._connect(loaded))
        while True:
            try:
                self._turn()
            except StoreError as exc:
                self._ledger.give_up_disk(exc)
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
        mark = self._ledger.left + len(self._ledger.pending)
        self._flushes.append(_Flush(future, mark, covers, self._counts.lost()))
        self._breaker.hurry()
        self._hurries, self._hurried_at = True, time.time()
        self._news.set()

    def close(self, at: float) -> None:
        """Flush, until this monotonic time at most or until it fails, and end run()."""
        self._close_at = at
        self._breaker.is_failing = False
        self.flush(Future(), covers="own")

    def purge(self, future: Future[bool]) -> None:
        """Forget every event that waits in memory or on disk; the future says whether that succeeded.

        What lies in a file that cannot be used now is forgotten should this process return to it.
        """
        self._drain(len(self._queue))
        self._counts.drop("opted_out", sum(batch.events for batch in self._passed))
        self._passed.clear()
        try:
            self._ledger.purge()
        except StoreError as exc:
            self._ledger.give_up_disk(exc)
            self._ledger.purge()  # what was in memory only, if it came to that
        self._ledger.left_files.refuse()
        _tell(future, self._ledger.left_files.is_empty)

    def forget(self, user_id: str, future: Future[bool]) -> None:
        """Forget this user's events that wait in memory or on disk; the future says whether that succeeded."""
        self._drain(len(self._queue))
        try:
            self._ledger.keep(self._passed)
            self._passed.clear()
            self._ledger.forget(user_id)
        except StoreError as exc:
            self._ledger.give_up_disk(exc)
            _tell(future, False)
        else:
            _tell(future, self._ledger.left_files.is_empty)

    def _look(self) -> None:
        try:
            self._ledger.look()
        except StoreError as exc:
            self._ledger.give_up_disk(exc)

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
        self._ledger.close(self._passed)
        self._tell_what_waits()
        for flush in self._flushes:
            _tell(flush.future, False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._transport.close()

    def _tell_what_waits(self) -> None:
        """Log how many events are on disk, and why unless the last warning has said just that."""
        why = f": {self._trouble or 'the program ended before the server had them'}"
        remains = self._ledger.remains(own=self._trouble is None)
        if not self._counts.pass_over(*(WAITING if remains else ())) and str(self._trouble) == self._told_why:
            why = ""
        for path, events in remains.items():
            logger.warning("%s in %s%s", "1 event waits" if events == 1 else f"{events} events wait", path, why)

    # --- one turn

    def _turn(self) -> None:
        at = time.monotonic()
        self._ledger.return_to_disk()
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
            self._ledger.bring_home()
        self._answer_flushes()
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
        due += [moment for moment in (ledger.return_at, ledger.home_at) if moment is not None]
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
        is_asked = self._hurries or any(flush.covers != "own" for flush in self._flushes)
        before_due = self._breaker.is_failing or is_asked  # one tries for all, or somebody asked to try
        if ledger.store_next is None or not (before_due or ledger.store_next <= time.time()):
            return []
        flights = ledger.take(free, before_due=before_due, own_first=bool(self._flushes))
        self._hurries = self._hurries and len(flights) == free
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
            self._land(flight, outcome)
        except StoreError as exc:
            self._ledger.give_up_disk(exc)
            self._land(flight, outcome)
        finally:
            del self._ledger.flying[flight.held.batch.id]
        self._news.set()

    def _land(self, flight: Flight, outcome: Answer | DeliveryError) -> None:
        if isinstance(outcome, Answer):
            self._counts.acknowledge(outcome.accepted + outcome.duplicates, outcome.rejected_by_code())
            self._finish(flight)
        elif isinstance(outcome, RejectedError) and outcome.code == REUSED and flight.held.unclear_since is not None:
            self._counts.acknowledge(flight.held.batch.events, {})
            self._finish(flight)
        elif isinstance(outcome, RejectedError) and outcome.events:
            self._counts.reject(outcome.events)
            self._finish(flight)
        elif flight.forgotten:
            self._counts.drop("opted_out", flight.held.batch.events)
            self._ledger.acknowledge(flight)
            if _may_be_taken_later(outcome):
                self._pause(flight, outcome)
        elif isinstance(outcome, TooLargeError) and flight.held.batch.events > 1 and flight.held.unclear_since is None:
            self._halve(flight)
        elif isinstance(outcome, TooLargeError) or (isinstance(outcome, RejectedError) and not outcome.mendable):
            self._set_aside(flight, outcome)
        else:
            self._pause(flight, outcome)
            self._put_back(flight, outcome)

    def _finish(self, flight: Flight) -> None:
        """Forget a batch whose events the server has judged, and go on at full speed: it works."""
        self._ledger.acknowledge(flight)
        if self._trouble is not None:
            self._trouble = None
            self._counts.pass_over(*WAITING)
        self._breaker.succeed()

    def _halve(self, flight: Flight) -> None:
        ids = self._ledger.halve(flight.held.batch)
        for flush in self._flushes:
            if flush.ids is not None and (flush.covers == "store" or flight.held.batch.id in flush.ids):
                flush.ids.update(ids)

    def _set_aside(self, flight: Flight, error: TooLargeError | RejectedError) -> None:
        self.last_error = error
        self._ledger.set_aside(flight.held, str(error))
        code = error.code if isinstance(error, RejectedError) else "too_large"
        self._counts.reject({code: flight.held.batch.events})

    def _pause(self, flight: Flight, error: DeliveryError) -> None:
        """Send less for a while, whatever becomes of this batch: the server takes none."""
        self.last_error = error
        if flight.attempted_at >= self._hurried_at:  # else it says nothing about the attempt that was asked for
            self._hurries = False
            self._breaker.fail(error, time.monotonic())
        self._trouble = error

    def _put_back(self, flight: Flight, error: DeliveryError) -> None:
        if self._close_at is None:  # else _end() tells it
            what = "because the server refuses all of them" if isinstance(error, RejectedError) else "to be tried again"
            if self._counts.warn(type(error).__name__, f"events wait, {what} ({error})"):
                self._told_why = str(error)
        held = flight.held
        is_unclear = isinstance(error, UnreachableError | ThrottledError) and error.unclear
        if is_unclear and held.unclear_since is None:
            held = Held(held.batch, flight.attempted_at)
        next_attempt = time.time() + max(self._breaker.until - time.monotonic(), 0.0)
        self._ledger.put_back(held, next_attempt=next_attempt, reason=str(error))

    # --- whoever waits

    def _answer_flushes(self) -> None:
        for flush in list(self._flushes):
            answer = self._answer(flush)
            if answer is not None:
                self._flushes.remove(flush)
                _tell(flush.future, answer)

    def _answer(self, flush: _Flush) -> bool | None:
        """Return whether a flush succeeded, None while that is open."""
        if self._breaker.is_refused or flush.future.cancelled():  # cancelled: whoever waited has gone
            return False
        if self._ledger.left < flush.mark:
            return None
        ledger = self._ledger
        left = ledger.left_files
        if flush.covers != "own" and ledger.home_at is not None:
            return None
        if ledger.is_locked_out and (flush.covers != "own" or left.has_own):
            return False if flush.covers == "everything" and self._breaker.is_failing else None
        if flush.covers == "everything":
            is_empty = not ledger.flying and ledger.store_next is None and ledger.orphan_next is None
            if self._breaker.is_failing:
                return False
            return not left.has_events if is_empty else None
        waiting = ledger.own_ids()
        if flush.ids is None and flush.covers == "store":
            flush.last = ledger.last_number()
        flush.ids = waiting if flush.ids is None else flush.ids & waiting
        flush.is_short |= left.has_own if flush.covers == "own" else left.has_events
        if flush.ids or ledger.has_free(flush.last):
            return None
        return flush.lost == self._counts.lost() and not (flush.is_short or ledger.has_set_aside())


def _may_be_taken_later(error: DeliveryError) -> bool:
    """Return whether the fault lies with the server, the way there or the key, not with the batch."""
    return not isinstance(error, TooLargeError) and (not isinstance(error, RejectedError) or error.mendable)


def _tell(future: Future[bool], answer: bool) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(answer)
