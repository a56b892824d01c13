"""A loop's executor whose only thread is a daemon that exists already, so that nothing waits for it at exit."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonExecutor(ThreadPoolExecutor):
    """Puts calls into the queue of a thread; a ThreadPoolExecutor only because a loop takes no other kind."""

    def __init__(self, calls: "SimpleQueue[Callable[[], object] | None]") -> None:
        super().__init__(max_workers=1)
        self._calls = calls

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the thread call this; the future holds what it returned or raised."""
        future: Future[T] = Future()
        self._calls.put(lambda: _run_into(future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Never waits: that is the point."""


def _run_into(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as exc:  # whatever it is belongs to whoever waits for it
        future.set_exception(exc)
    else:
        future.set_result(result)
