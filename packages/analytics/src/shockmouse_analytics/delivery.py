"""Brings the events of one process from its queue to the server or onto the disk; everything here runs on one loop.

queue → pending → batch → flight → acknowledged
           │        └─ no slot free, paused ─→ store ─→ flight …
           └─ not enough for a batch ─→ group in the store

Durable  what is not acknowledged PERSIST_SECONDS after track() goes to the store, in one transaction per turn
Once     events that are on disk as a group become a batch on disk before that batch is sent
Pauses   after a failure nothing is sent until the pause is over, then one batch tries; after a success all slots again
Disk     short calls on a loop that belongs to nobody else: they stand in the loop, so that no two of them can overlap
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from msgspec import Struct

from .counts import Counts
from .errors import DeliveryError, RejectedError, StoreError, ThrottledError, TooLargeError, UnreachableError
from .event import Batch, Boot, cut_batch, encode_body, halve
from .offline import Group, Held, OfflineStore
from .pending import Pending
from .queue import EventQueue
from .steps import Steps
from .transport import Answer, Pauses, Transport, now

logger = logging.getLogger("shockmouse_analytics")

CONNECTIONS = 4
PERSIST_SECONDS = 0.1
GROUP_LEASE_SECONDS = 15.0
RECHECK_SECONDS = 60.0
REFUSED_SECONDS = 300.0
DRAIN_EVENTS = 4000  # at most between two looks at the network


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of a batch and of the memory; the server's own are never exceeded."""

    flush_events: int
    flush_seconds: float
    batch_bytes: int
    queue_bytes: int
    retry_seconds: float


class _Flight(Struct):
    """A batch on its way; `since` is the monotonic time at which the oldest event that is not on disk was tracked."""

    held: Held
    since: float
    stored: bool
    attempted_at: float


class _Flush(Struct):
    """Somebody waits until the first `mark` events are acknowledged; `ids` are their batches, once all are cut."""

    future: Future[bool]
    mark: int
    everyones: bool  # what other processes left on disk is waited for too
    ids: set[str] | None = None


class Delivery:
    """One process's way to one server; all but run() is called on its loop."""

    def __init__(
        self,
        *,
        queue: EventQueue,
        counts: Counts,
        boot: Boot,
        steps: Steps,
        limits: Limits,
        transport: Transport,
        open_store: Callable[[], OfflineStore],
    ) -> None:
        self._queue, self._counts, self._boot, self._steps = queue, counts, boot, steps
        self._limits, self._transport, self._open_store = limits, transport, open_store
        self._pending = Pending(flush_events=limits.flush_events, batch_bytes=limits.batch_bytes)
        self._news = asyncio.Event()
        self._flying: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._acknowledged: list[str] = []  # still on disk, to be removed
        self._flushes: list[_Flush] = []
        self._cut_events = 0
        self._pauses = Pauses()
        self._pause_until = 0.0
        self._failing = self._refused = self._hurrying = self._connected = False
        self._store_next: float | None = None
        self._close_at: float | None = None
        self.last_error: DeliveryError | None = None
        self.stored = 0

    @property
    def queued(self) -> int:
        """How many events are in memory only."""
        flying = sum(flight.held.batch.events for flight in list(self._flying.values()) if not flight.stored)
        return len(self._queue) + self._pending.unsaved + flying

    # --- the life of the loop

    async def run(self) -> None:
        """Deliver until closed; then everything that is not acknowledged is in the store."""
        self._store = self._open_store()
        self._head = self._steps.head()
        self._look_into_store()
        connecting = asyncio.create_task(self._connect())
        while True:
            try:
                self._turn()
            except StoreError as exc:
                self._give_up_store(exc)
            except Exception:  # the program must go on, and so must its other events
                logger.exception("delivery stumbled")
                self._pause_until = time.monotonic() + self._pauses.next()
            if self._is_finished():
                break
            await self._rest()
        connecting.cancel()
        await self._end()

    def nudge(self) -> None:
        """Look again: something happened."""
        self._news.set()

    def flush(self, future: Future[bool], *, everyones: bool = False) -> None:
        """Send at once what waits; the future says True when all of it is acknowledged, False if it cannot be."""
        self._drain(len(self._queue))
        self._flushes.append(_Flush(future, self._cut_events + len(self._pending), everyones))
        self._pause_until, self._refused, self._hurrying = 0.0, False, True
        self._news.set()

    def close(self, at: float) -> None:
        """Flush, until this monotonic time at most or until it fails, and end run()."""
        self._close_at = at
        self._failing = False
        self.flush(Future())

    def purge(self) -> int:
        """Forget every event that waits in memory or on disk; return how many."""
        self._drain(len(self._queue))
        count = self._pending.unsaved
        self._leave(len(self._pending))
        with self._store.writing():
            count += self._store.clear()
        self._look_into_store()
        return count

    async def _connect(self) -> None:
        await self._transport.open()
        self._connected = True
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
        return not self._flushes or self._failing or time.monotonic() >= self._close_at

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drain(len(self._queue))
        try:
            self._save(everything=True)
            with self._store.writing():
                self._store.release()
        except StoreError as exc:
            logger.warning("%d events could not be kept on disk: %s", self.queued, exc)
            self._counts.drop("store_failed", self.queued)
        self._answer_flushes(force=True)
        self._store.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._transport.close()

    # --- one turn

    def _turn(self) -> None:
        at = time.monotonic()
        since = self._queue.since
        if since is not None and (self._queue.is_full_batch() or at >= since + self._settle_seconds()):
            self._drain(DRAIN_EVENTS)
        if self._store_next is not None and self._store_next <= time.time():
            self._recover()
        self._dispatch()
        if self._is_saving_due(time.monotonic()):
            self._save(everything=False)
        self._answer_flushes()

    def _due_in(self, at: float) -> float:
        """Return in how many seconds the next turn is needed; 0 or less for at once."""
        due = [at + RECHECK_SECONDS]
        if self._queue.since is not None:
            due.append(at if self._queue.is_full_batch() else self._queue.since + self._settle_seconds())
        if self._pending.unsaved:
            due.append(self._pending.unsaved_since + PERSIST_SECONDS)
        if self._pending:
            due.append(self._pending.since + self._limits.flush_seconds)
        due += [flight.since + PERSIST_SECONDS for flight in self._flying.values() if not flight.stored]
        if self._acknowledged:
            due.append(at + PERSIST_SECONDS)
        if self._store_next is not None and len(self._flying) < self._slots():
            due.append(max(at + self._store_next - time.time(), self._pause_until))
        if self._close_at is not None:
            due.append(self._close_at)
        return min(due) - at

    def _settle_seconds(self) -> float:
        return 0.0 if self._flushes else min(PERSIST_SECONDS / 2, self._limits.flush_seconds)

    def _drain(self, most: int) -> None:
        since = self._queue.since or time.monotonic()
        finished = self._steps.finish(self._queue.take(most))
        for reason, events in finished.dropped.items():
            self._counts.drop(reason, events)
        if finished.events:
            self._pending.add(finished.events, since)

    def _slots(self) -> int:
        return 1 if self._failing else CONNECTIONS

    def _dispatch(self) -> None:
        """Send as many batches as there are free slots: those on disk first, they are older."""
        if not self._connected or time.monotonic() < self._pause_until:
            return
        while (free := self._slots() - len(self._flying)) > 0:
            if self._take_stored(free):
                continue
            if not self._is_cutting_due():
                return
            if self._pending.grouped:
                self._save(everything=False)
                continue
            events, since = self._pending.first(), self._pending.unsaved_since
            batch = self._cut(events)
            self._leave(len(events))
            self._fly(Held(batch), since, stored=False)

    def _take_stored(self, free: int) -> bool:
        before_due = self._failing or self._hurrying  # one batch tries for all; somebody asked to try at once
        if self._store_next is None or not (before_due or self._store_next <= time.time()):
            return False
        self._hurrying = False
        with self._saving():
            taken = self._store.take(free, due_only=not before_due, own_first=bool(self._flushes))
        for held in taken:
            self._fly(held, time.monotonic(), stored=True)
        return bool(taken)

    def _is_cutting_due(self) -> bool:
        return self._pending.is_full() or self._is_hurried()

    def _is_hurried(self) -> bool:
        """Return whether what is pending must not wait for more: it is old, or somebody waits for it."""
        is_old = time.monotonic() >= self._pending.since + self._limits.flush_seconds
        return len(self._pending) > 0 and (is_old or bool(self._flushes))

    def _leave(self, count: int) -> None:
        """Forget the oldest pending events: they are in batches, or on disk for another process."""
        self._pending.remove(count)
        self._cut_events += count

    def _cut(self, events: list[bytes]) -> Batch:
        batch_id = self._boot.event_id(int(time.time() * 1000), self._boot.next())
        return cut_batch(batch_id, self._head, [self._steps.with_fingerprint(events[0]), *events[1:]])

    # --- the disk

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """One transaction, which also forgets what was acknowledged and keeps the store within its bounds."""
        with self._store.writing():
            self._store.remove(self._acknowledged)
            yield
            full = self._store.trim()
        self._acknowledged.clear()
        self._counts.drop("offline_full", full)
        self._look_into_store()

    def _is_saving_due(self, at: float) -> bool:
        before = at - PERSIST_SECONDS
        return (
            (self._pending.unsaved > 0 and self._pending.unsaved_since <= before)
            or self._pending.bytes > self._limits.queue_bytes // 2
            or (self._pending.unsaved == 0 and self._is_cutting_due())
            or any(not flight.stored and flight.since <= before for flight in self._flying.values())
            or (bool(self._acknowledged) and not self._flying)
        )

    def _save(self, *, everything: bool) -> None:
        """Put on disk what is only in memory: flights, full batches, and the rest as a group."""
        before = time.monotonic() - PERSIST_SECONDS
        flights = [f for f in self._flying.values() if not f.stored and (everything or f.since <= before)]
        cut_all = everything or self._is_hurried()
        with self._saving():
            if self._pending.grouped and (cut_all or self._pending.is_full()):
                self._leave(self._pending.grouped - self._store.uncollect())  # to the process that took them
                self._pending.grouped = 0
            parts = self._pending.batches(everything=cut_all)
            count = sum(map(len, parts))
            for flight in flights:
                self._store.add(Held(flight.held.batch, flight.attempted_at), leased=True)
            for part in parts:
                self._store.add(Held(self._cut(part)), leased=False)
            rest = self._pending.rest(max(count, self._pending.grouped))
            if rest:
                lease_seconds = GROUP_LEASE_SECONDS + self._limits.flush_seconds
                self._store.collect(Group(len(rest), b",".join(rest)), lease_seconds=lease_seconds)
        self._leave(count)
        self._pending.grouped = len(self._pending)
        for flight in flights:
            flight.stored = True

    def _recover(self) -> None:
        """Drop what may not be sent any more, and make batches of what a process that is gone had collected."""
        with self._saving():
            self._counts.drop("retry_expired", self._store.expire(self._limits.retry_seconds))
            for group in self._store.adopt():
                batch = self._cut([group.content])
                self._store.add(Held(Batch(id=batch.id, content=batch.content, events=group.events)), leased=False)

    def _look_into_store(self) -> None:
        self._store_next = self._store.next_attempt()
        self.stored = self._store.stored_events()

    def _give_up_store(self, exc: StoreError) -> None:
        """Go on in memory. What is on disk stays there for the next process; what flies is remembered anew."""
        logger.warning("the offline store failed and memory takes its place: %s", exc)
        self._leave(self._pending.grouped)
        self._acknowledged.clear()
        self._store.close()
        self._store = OfflineStore(None, owner=self._boot.id, max_bytes=self._limits.queue_bytes)
        self._look_into_store()

    # --- the network

    def _fly(self, held: Held, since: float, *, stored: bool) -> None:
        flight = _Flight(held, since, stored, time.time())
        self._flying[held.batch.id] = flight
        task = asyncio.get_running_loop().create_task(self._send(flight))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, flight: _Flight) -> None:
        dropped = self._counts.tell()
        outcome: Answer | DeliveryError
        try:
            outcome = await self._transport.post(encode_body(flight.held.batch, now(), dropped))
        except DeliveryError as exc:
            self._counts.not_told(dropped)
            outcome = exc
        del self._flying[flight.held.batch.id]
        try:
            self._land(flight, outcome)
        except StoreError as exc:
            self._give_up_store(exc)
            self._land(flight, outcome)
        self._news.set()

    def _land(self, flight: _Flight, outcome: Answer | DeliveryError) -> None:
        batch = flight.held.batch
        if isinstance(outcome, Answer):
            self._counts.acknowledge(outcome.accepted + outcome.duplicates, outcome.rejected_by_code())
            self._succeeded(flight)
        elif isinstance(outcome, RejectedError) and outcome.events:
            self._counts.reject(outcome.events)
            self._succeeded(flight)
        elif isinstance(outcome, TooLargeError):
            self._too_large(flight, outcome)
        elif isinstance(outcome, RejectedError) and not outcome.mendable:
            self._set_aside(flight, outcome)
        else:
            self._pause(outcome)
            unclear_since = flight.held.unclear_since
            if isinstance(outcome, UnreachableError) and outcome.unclear:
                unclear_since = unclear_since or flight.attempted_at
            until = time.time() + self._pause_until - time.monotonic()
            with self._saving():
                self._store.put_back(Held(batch, unclear_since), next_attempt=until, reason=str(outcome))

    def _succeeded(self, flight: _Flight) -> None:
        if flight.stored:
            self._acknowledged.append(flight.held.batch.id)
        self._pauses.reset()
        self._failing = self._refused = False
        for flush in self._flushes:
            if flush.ids:
                flush.ids.discard(flight.held.batch.id)

    def _pause(self, error: DeliveryError) -> None:
        self.last_error = error
        seconds = self._pauses.next()
        if isinstance(error, ThrottledError) and error.retry_after_seconds is not None:
            seconds = error.retry_after_seconds
        if isinstance(error, RejectedError):
            seconds, self._refused = REFUSED_SECONDS, True
        self._failing = True
        self._pause_until = max(self._pause_until, time.monotonic() + seconds)

    def _too_large(self, flight: _Flight, error: TooLargeError) -> None:
        batch = flight.held.batch
        if batch.events == 1 or flight.held.unclear_since is not None:
            self._set_aside(flight, error)
            return
        self._pending.batch_bytes = max(len(batch.content) // 2, 1)
        at = int(time.time() * 1000)
        ids = (self._boot.event_id(at, self._boot.next()), self._boot.event_id(at, self._boot.next()))
        halves = halve(batch, ids)
        with self._saving():
            self._store.remove([batch.id])
            for half in halves:
                self._store.add(Held(half), leased=False)
        for flush in self._flushes:
            if flush.ids and batch.id in flush.ids:
                flush.ids.update(ids)

    def _set_aside(self, flight: _Flight, error: DeliveryError) -> None:
        self.last_error = error
        logger.warning("the server refused a batch of %d events: %s", flight.held.batch.events, error)
        code = error.code if isinstance(error, RejectedError) else "too_large"
        self._counts.reject({code: flight.held.batch.events})
        with self._saving():
            self._store.set_aside(flight.held, str(error))

    # --- whoever waits

    def _answer_flushes(self, *, force: bool = False) -> None:
        for flush in list(self._flushes):
            answer = self._answer(flush)
            if answer is None and not force:
                continue
            self._flushes.remove(flush)
            if flush.future.set_running_or_notify_cancel():
                flush.future.set_result(bool(answer))

    def _answer(self, flush: _Flush) -> bool | None:
        """Return whether a flush succeeded, None while that is open."""
        if self._refused or flush.future.cancelled():  # cancelled: whoever waited has gone
            return False
        if self._cut_events < flush.mark:
            return None
        if flush.everyones:
            return False if self._failing else self._is_empty() or None
        on_disk = self._store.own_ids("waiting") - set(self._acknowledged)
        if flush.ids is None:
            flush.ids = on_disk | self._flying.keys()
        else:
            flush.ids &= on_disk | self._flying.keys()
        if flush.ids:
            return None
        return not self._store.own_ids("rejected")

    def _is_empty(self) -> bool:
        return not self._flying and self._store.next_attempt() is None
