"""RequestsManager: takes encoded events from any thread and has one background task bring them to the server.

Threads  put() appends to a queue; a daemon thread with its own loop does the rest (delivery.py). It starts with the
         first event, so that making a client costs nothing, or at once if an earlier run has left events on disk
Exit     close() gives the background a second at most; what is not acknowledged by then is on disk
Fork     a child starts anew: own boot id, empty queue (what waited is the parent's), no thread until its first event
"""

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .background import HURRY, LOADING, Background
from .counts import DROPPED, Counts, Stats
from .delivering import Delivering, make_delivery
from .errors import ClosedError, DeliveryError
from .event import Batch, Boot
from .queue import EventQueue
from .steps import Steps
from .temporary import temporary_folder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .delivery import Delivery

logger = logging.getLogger("shockmouse_analytics")

CLOSE_SECONDS = 0.9
END_SECONDS = 0.2  # of CLOSE_SECONDS, for putting the rest on disk
STARVED_SECONDS = 120.0  # more, where other programs leave the thread no turn: late is better than lost
PURGE_SECONDS = 2.0


class RequestsManager:
    """Delivers encoded events; safe to use from any thread, and in the children of a fork.

    `Analytics` makes one for itself. Events are JSON objects as event.py describes them; the steps complete them.

    >>> to = Delivering(
    ...     endpoint=endpoint, write_key="wk_shop_0123456789", version="1.0.0", flush_events=100, flush_seconds=5.0,
    ...     batch_bytes=500_000, queue_events=100_000, queue_bytes=64 << 20, retry_seconds=70 * 3600.0,
    ...     offline_bytes=64 << 20, offline_dir=folder, queue_name="queue.sqlite",
    ... )
    >>> steps = Steps(
    ...     fingerprinter=Fingerprinter(privacy="strict", project="shop", state_dir=None),
    ...     consent=Consent(project="shop", state_dir=None), sample_rate=1.0, before_send=None,
    ...     library={"name": "my program", "version": "1.0.0"},
    ... )
    >>> manager = RequestsManager(to, steps)
    >>> manager.put(encode({"event_id": "0190b8a5-0000-7000-8000-00000000000a", "type": "page", "timestamp": now()}))
    >>> manager.flush(10)
    True
    >>> manager.close()
    """

    def __init__(self, delivering: Delivering, steps: Steps) -> None:
        """Remember what to do; nothing is started, read or written yet."""
        import concurrent.futures.thread  # noqa: F401 - see background.py

        self._delivering = delivering
        self._steps = steps
        self._inherited: list[object] = []
        self._closed = False
        self._begin()
        _MANAGERS.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    def put(self, event: bytes) -> None:
        """Queue one encoded event; never blocks, never raises."""
        if self._closed:
            self.drop("closed")
            return
        full = self._queue.put(event)
        if full:
            self.drop("queue_full", full)

    def put_batch(self, batch: Batch) -> None:
        """Queue a batch that somebody else has cut; its id and content stay. Never blocks, never raises."""
        if not self._closed:
            self._start()
        if self._closed or self._background is None:
            self.drop("closed", batch.events)
            return
        self._tell(lambda delivery: delivery.pass_on(batch))

    def deliver_left(self) -> None:
        """Begin to deliver what earlier runs have left on disk, if there is any: one look at the disk."""
        if self._background is None and not self._closed and self._finds_left():
            self._start()

    def drop(self, reason: str, events: int = 1, *, why: str = DROPPED) -> None:
        """Count events that were left out; `why` is for people."""
        self.counts.drop(reason, events, why=why)
        self._speak_if_closed()

    def misuse(self, why: str, place: str) -> None:
        """Count an event that a wrong call at this place was to tell."""
        self.counts.misuse(why, place)
        self._speak_if_closed()

    def flush(self, timeout_seconds: float) -> bool:
        """Return whether what waits, on disk too, is acknowledged within the time. Raises ClosedError.

        What was on disk is looked at once the background runs: deliver_left() starts it.
        """
        if self._has_nothing():
            return True
        return self._wait_for(lambda delivery, future: delivery.flush(future, covers="store"), timeout_seconds)

    def flush_own(self, timeout_seconds: float) -> bool:
        """Return whether this process's events are acknowledged within the time. Raises ClosedError."""
        if self._has_nothing():
            return True
        return self._wait_for(lambda delivery, future: delivery.flush(future, covers="own"), timeout_seconds)

    def deliver_stored(self, timeout_seconds: float) -> bool:
        """Return whether nothing of any process waits on disk within the time; False at the first failure."""
        return self._wait_for(lambda delivery, future: delivery.flush(future, covers="everything"), timeout_seconds)

    async def aflush(self, timeout_seconds: float) -> bool:
        """Return the same as flush() without blocking the running loop. Raises ClosedError."""
        import asyncio

        if self._has_nothing():
            return True
        future = self._ask(lambda delivery, future: delivery.flush(future, covers="store"))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_seconds)
        except TimeoutError:
            return False

    def purge(self) -> bool:
        """Forget all that waits, in memory and on disk; return whether that was done within the time.

        Waits for it, so that later events are not meant too.
        """
        return self._purge(is_patient=True)

    def purge_left(self) -> None:
        """Forget what earlier runs have left on disk, if there is any: one look at the disk, and as purge()."""
        if self._finds_left():
            self._purge(is_patient=False)

    def forget(self, user_id: str) -> bool:
        """Forget what waits of this user, in memory and on disk; return whether that was done within the time."""
        return not self._closed and self._wait_for(
            lambda delivery, future: delivery.forget(user_id, future), PURGE_SECONDS
        )

    def hurry(self) -> None:
        """Send at once what waits; nobody is told whether that worked."""
        if self._background is not None:
            from concurrent.futures import Future

            self._tell(lambda delivery: delivery.flush(Future(), covers="own"))

    def close(self, ends_at: float | None = None) -> None:
        """Deliver for a second at most, or until this monotonic time, then leave the rest on disk.

        Further events are dropped and counted.
        """
        if self._closed:
            return
        self._closed = True
        _MANAGERS.discard(self)
        if self._background is not None or len(self._queue):
            self._deliver_last(time.monotonic() + CLOSE_SECONDS if ends_at is None else ends_at)
        self.counts.speak(is_last=True)

    def _deliver_last(self, ends_at: float) -> None:
        self._start()
        if self._background is None:
            self._save_without_background()
            return
        self._tell(lambda delivery: delivery.close(ends_at - END_SECONDS))
        with HURRY:
            has_ended = self._background.wait(max(ends_at - time.monotonic(), 0.0) + STARVED_SECONDS)
        if not has_ended:
            logger.warning("delivery did not end in time; events of the last moment may be lost")
        self.drop("closed", len(self._queue))  # of a thread that was just about to put()

    def stats(self) -> Stats:
        """Return what became of this process's events."""
        delivery = self._delivery
        queued, stored = (delivery.queued, delivery.stored) if delivery else (len(self._queue), 0)
        return self.counts.snapshot(queued=queued, stored=stored)

    @property
    def last_error(self) -> DeliveryError | None:
        """Why the last batch that failed did."""
        return self._delivery.last_error if self._delivery else None

    def _begin(self) -> None:
        self.boot = Boot()
        self.counts = Counts()
        self._starting = threading.Lock()
        self._background: Background | None = None
        self._delivery: Delivery | None = None
        self._queue = EventQueue(
            max_events=self._delivering.queue_events,
            max_bytes=self._delivering.queue_bytes,
            has_disk=self._delivering.offline_dir is not None,
            wake_events=self._delivering.flush_events,
            wake=self._wake,
        )

    def begin_in_child(self) -> None:
        """Start anew after a fork. What was inherited is kept, unused: collecting it would disturb the parent."""
        self._inherited += [self._background, self._delivery, self._queue]
        self._begin()

    def _speak_if_closed(self) -> None:
        if self._closed:
            self.counts.speak(is_last=True)  # nobody will later

    def _finds_left(self) -> bool:
        to = self._delivering
        folders = [to.offline_dir, temporary_folder()] if to.offline_dir else []
        paths = [folder / to.queue_name for folder in folders if os.path.lexists(folder / to.queue_name)]
        if not paths:
            return False
        with LOADING:
            from .store_contents import has_waiting
        return any(map(has_waiting, paths))

    def _wake(self) -> None:
        background = self._background
        if background is None:
            self._start()
        elif self._delivery is not None:
            background.call(self._delivery.nudge)

    def _start(self) -> None:
        with self._starting:  # held while two threads start, never longer
            if self._background is not None:
                return
            try:
                self._background = Background(self._prepare)
            except RuntimeError:
                return  # the interpreter is ending: close() will put the events on disk
        _close_with_multiprocessing(self)

    def _prepare(self, loaded: Callable[[], object]) -> Callable[[], Coroutine[Any, Any, None]]:
        delivery = self._delivery = self._make_delivery()
        return lambda: delivery.run(loaded)

    def _make_delivery(self) -> "Delivery":
        return make_delivery(self._delivering, queue=self._queue, counts=self.counts, steps=self._steps, boot=self.boot)

    def _tell(self, what: "Callable[[Delivery], object]") -> None:
        """Have the loop do this with the delivery, which exists once the loop runs."""
        if self._background is not None:
            self._background.call(lambda: what(self._delivery) if self._delivery else None)

    def _ask(self, what: "Callable[[Delivery, Future[bool]], None]") -> "Future[bool]":
        from concurrent.futures import Future

        self._check_open()
        self._start()
        future: Future[bool] = Future()
        self._tell(lambda delivery: what(delivery, future))
        return future

    def _wait_for(self, what: "Callable[[Delivery, Future[bool]], None]", timeout_seconds: float) -> bool:
        future = self._ask(what)
        try:
            return future.result(timeout_seconds and min(timeout_seconds, threading.TIMEOUT_MAX))
        except TimeoutError:
            future.cancel()
            return False

    def _purge(self, *, is_patient: bool) -> bool:
        return not self._closed and self._wait_for(
            lambda delivery, future: delivery.purge(future, is_patient=is_patient), PURGE_SECONDS
        )

    def _has_nothing(self) -> bool:
        """Return whether nothing was ever queued, nor found on disk. Raises ClosedError."""
        self._check_open()
        return self._background is None and not len(self._queue)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the client is closed: make a new one")

    def _save_without_background(self) -> None:
        import asyncio

        delivery = self._make_delivery()
        delivery.close(time.monotonic())
        asyncio.new_event_loop().run_until_complete(delivery.run(lambda: None))


_MANAGERS: "weakref.WeakSet[RequestsManager]" = weakref.WeakSet()
_exit_ends_at: float | None = None


def _begin_in_child() -> None:
    global _exit_ends_at
    _exit_ends_at = None
    for manager in list(_MANAGERS):
        manager.begin_in_child()


def _close_at_exit(reference: "weakref.ref[RequestsManager]") -> None:
    """Close one of the program's clients; the second that an exit may take is for all of them."""
    global _exit_ends_at
    manager = reference()
    if manager is None:
        return
    if _exit_ends_at is None:
        _exit_ends_at = time.monotonic() + CLOSE_SECONDS
        for other in _MANAGERS:
            other.hurry()
    manager.close(_exit_ends_at)


def _close_with_multiprocessing(manager: RequestsManager) -> None:
    """Close at the end of a multiprocessing child too: those end without atexit.

    A child that is not forked imports the program first, and what was to be done at its end by then is forgotten.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(manager, _close_with_child)
        _close_with_child(manager)


def _close_with_child(manager: RequestsManager) -> None:
    util, process = sys.modules["multiprocessing.util"], sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        util.Finalize(manager, manager.close, exitpriority=100)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
