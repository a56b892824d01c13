"""Who waits until events are acknowledged, and when they can be told.

own         this process's events
store       and what lay in the store by then, its first `last` batches; but for what other processes hold
everything  until nothing is left in the store, or sending fails
"""

import time
from concurrent.futures import Future
from typing import Literal

from msgspec import Struct

from .counts import Counts
from .ledger import Ledger
from .transport import Breaker

Covers = Literal["own", "store", "everything"]


class _Flush(Struct):
    """Somebody waits until the first `mark` events are acknowledged; `ids` are their batches, once all are cut."""

    future: Future[bool]
    mark: int
    covers: Covers
    lost: int  # how many events were lost before
    ids: set[str] | None = None
    last: int = 0
    is_short: bool = False  # something lies where this process cannot send it


class Flushes:
    """Those who wait; while there are some, what waits for its time is tried at once."""

    def __init__(self, *, ledger: Ledger, counts: Counts, breaker: Breaker) -> None:
        self._ledger, self._counts, self._breaker = ledger, counts, breaker
        self._waiting: list[_Flush] = []
        self._hurries = False
        self._hurried_at = 0.0  # wall time

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, future: Future[bool], *, covers: Covers) -> None:
        """Have the future say True when all that waits now is acknowledged, False if that cannot be."""
        mark = self._ledger.left + len(self._ledger.pending)
        self._waiting.append(_Flush(future, mark, covers, self._counts.lost()))
        self._breaker.hurry()
        self._hurries, self._hurried_at = True, time.time()

    @property
    def asks_for_more(self) -> bool:
        """Whether batches that should wait longer are to be tried."""
        return self._hurries or any(flush.covers != "own" for flush in self._waiting)

    def took(self, *, is_all: bool) -> None:
        """Know that batches were taken to be tried; `is_all` when no others were left."""
        self._hurries = self._hurries and not is_all

    def is_answered_by(self, attempted_at: float) -> bool:
        """Return whether an attempt that failed says something about the one that was asked for; it is over then."""
        if attempted_at < self._hurried_at:
            return False
        self._hurries = False
        return True

    def halved(self, batch_id: str, ids: tuple[str, str]) -> None:
        """Wait for two batches instead of one."""
        for flush in self._waiting:
            if flush.ids is not None and (flush.covers == "store" or batch_id in flush.ids):
                flush.ids.update(ids)

    def answer(self) -> None:
        """Tell those whose answer is known."""
        for flush in list(self._waiting):
            answer = self._answer(flush)
            if answer is not None:
                self._waiting.remove(flush)
                tell(flush.future, answer)

    def end(self) -> None:
        """Tell all others that it cannot be."""
        for flush in self._waiting:
            tell(flush.future, False)

    def _answer(self, flush: _Flush) -> bool | None:
        """Return whether a flush succeeded, None while that is open."""
        if self._breaker.is_refused or flush.future.cancelled():  # cancelled: whoever waited has gone
            return False
        if self._ledger.left < flush.mark:
            return None
        ledger = self._ledger
        left = ledger.left_files
        if flush.covers != "own" and ledger.current.left_behind.home_at is not None:
            return None
        if ledger.current.is_locked_out and (flush.covers != "own" or left.has_own):
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


def tell(future: Future[bool], answer: bool) -> None:
    """Answer whoever waits, if they still do."""
    if future.set_running_or_notify_cancel():
        future.set_result(answer)
