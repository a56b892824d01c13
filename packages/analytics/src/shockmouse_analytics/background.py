"""A daemon thread with an event loop of its own, which never keeps a program from ending.

Loop      asyncio's, imported on the thread itself: the program does not wait for that
Blocking  calls that the loop hands out (resolving a name, importing) go to a second daemon thread: the usual pool is
          joined at exit, so that a name server that hangs would keep the program alive
Exit      while the interpreter ends, no thread can be started (since Python 3.12) and concurrent.futures cannot be
          imported, so both threads start together, and after that import, which comes with the client: its hooks must
          not be new to a fork that is under way
Fork      a child has no threads: it makes a new Background, and keeps the old one, because collecting it would close
          what the parent still uses. A lock that a thread held while importing stays locked in the child for ever, so
          that a fork waits until everything is loaded, and nobody begins to load meanwhile: LOADING. FORK_LOCK is held
          around what a fork must not cut in two
Busy      where the program computes without a pause, Python gives another thread its turn only every 5 ms, and loading
          takes a hundred turns: for that long, and while a program ends, it is asked for them ten times as often: HURRY
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Call = Callable[[], object]

HURRY_SECONDS = 0.0005
LOAD_SECONDS = 3.0  # at most, for a fork that falls into the first moments


class Loading:
    """Who is importing: a fork waits for them, and they for the fork."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._running = 0

    def begin(self) -> None:
        """Somebody imports from now on; returns after a fork that is under way."""
        with self._changed:
            self._running += 1

    def end(self, *_: object) -> None:
        """Somebody has ended importing."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    __enter__ = begin
    __exit__ = end

    def before_fork(self) -> None:
        """Return when nobody imports, or the time is over; nobody begins until the fork is done."""
        self._changed.acquire()
        self._changed.wait_for(lambda: self._running == 0, LOAD_SECONDS)

    def after_in_parent(self) -> None:
        """Let those go on who wait."""
        self._changed.release()

    def after_in_child(self) -> None:
        """Begin anew: the threads of before are not here."""
        self._begin_anew()


class Hurry:
    """Who needs the interpreter soon: meanwhile a thread that computes is asked for it every half millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._usual = sys.getswitchinterval()

    def begin(self) -> None:
        """Somebody is in a hurry from now on."""
        with self._lock:
            if self._running == 0:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual, HURRY_SECONDS))
            self._running += 1

    def end(self, *_: object) -> None:
        """Somebody is not any more; a program that has set the interval itself meanwhile keeps that."""
        with self._lock:
            self._running -= 1
            if self._running == 0 and sys.getswitchinterval() == min(self._usual, HURRY_SECONDS):
                sys.setswitchinterval(self._usual)

    __enter__ = begin
    __exit__ = end

    def after_in_child(self) -> None:
        """Begin anew: the threads of before are not here."""
        self._lock = threading.Lock()
        if self._running:
            self._running = 1
            self.end()


# They stand where they are loaded with the first client: the hooks of a module that is loaded while a fork begins run
# only after that fork, which then had not waited. Hooks of before run in the opposite order.
FORK_LOCK = threading.RLock()
LOADING = Loading()
HURRY = Hurry()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=FORK_LOCK.acquire, after_in_parent=FORK_LOCK.release, after_in_child=FORK_LOCK.release)
    os.register_at_fork(
        before=LOADING.before_fork, after_in_parent=LOADING.after_in_parent, after_in_child=LOADING.after_in_child
    )
    os.register_at_fork(after_in_child=HURRY.after_in_child)


class Background:
    """Runs one coroutine on its own thread and loop until it returns."""

    def __init__(self, prepare: Callable[[Call], Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Start; `prepare` is called on the thread and returns the coroutine function.

        What `prepare` is handed is to be called once nothing is left to be imported.

        Raises RuntimeError: the interpreter is ending.
        """
        self._prepare = prepare
        self._calls: deque[Call] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()
        self._blocking: SimpleQueue[Call | None] = SimpleQueue()
        self._is_loading = True
        LOADING.begin()
        HURRY.begin()
        try:
            threading.Thread(target=self._work, name="shockmouse-blocking", daemon=True).start()
            threading.Thread(target=self._run, name="shockmouse-analytics", daemon=True).start()
        except RuntimeError:
            self._blocking.put(None)
            self._have_loaded()
            raise

    def call(self, function: Call) -> None:
        """Have the loop call this soon; forgotten when it has ended."""
        self._calls.append(function)
        loop = self._loop
        if loop is not None and not self._ended.is_set():
            try:
                loop.call_soon_threadsafe(self._run_calls)
            except RuntimeError:  # it ended in between
                return

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether the coroutine returned in time."""
        return self._ended.wait(timeout_seconds)

    def _run(self) -> None:
        try:
            main = self._prepare(self._have_loaded)
            import asyncio

            from .executor import DaemonExecutor

            loop = asyncio.new_event_loop()
            loop.set_default_executor(DaemonExecutor(self._blocking))
            task = loop.create_task(main())  # before any call: run() comes first
            loop.call_soon(self._run_calls)
            self._loop = loop
            try:
                loop.run_until_complete(task)
            finally:
                loop.close()
        finally:
            self._blocking.put(None)
            self._have_loaded()
            self._ended.set()

    def _have_loaded(self) -> None:
        if self._is_loading:
            self._is_loading = False
            HURRY.end()
            LOADING.end()

    def _run_calls(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _work(self) -> None:
        while (call := self._blocking.get()) is not None:
            call()
