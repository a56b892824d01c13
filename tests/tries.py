"""Promises about seconds, on a machine that may be busy: a broken one is broken each time, a busy moment passes."""

from collections.abc import Callable

TRIES = 3


def least(measure: Callable[[], float], limit: float) -> float:
    """Return the first figure below the limit; after three tries the least of them."""
    figures: list[float] = []
    while len(figures) < TRIES and (not figures or figures[-1] >= limit):
        figures.append(measure())
    return min(figures)
