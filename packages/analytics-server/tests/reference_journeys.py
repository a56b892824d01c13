"""What funnels, cohorts and paths must be, computed again in plain Python: every try is walked, none left out."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import reference
from msgspec import Struct
from reference import World, half_up, order, percentile

Fits = Callable[[Any], bool]
Place = tuple[str | None, str | None]


class Exclusion(Struct, frozen=True):
    """What ends a try that has taken the step `after`, and not yet the step `before`."""

    fits: Fits
    after: int
    before: int


class Reached(Struct, frozen=True):
    """How far an actor came: the milliseconds that each step took when it was first reached."""

    weight: Fraction
    took_ms: dict[int, int]


def ms(row: Any) -> int:
    return round(row.at * 1000)


def walk(rows: list[Any], steps: Sequence[Fits], exclusions: Sequence[Exclusion], window_ms: int) -> dict[int, int]:
    """Return the steps reached by one actor, whatever try reached them, with the time from the step before."""
    first: dict[int, tuple[int, int]] = {}  # step: where it was first taken, and the nearest step before that led there
    tries = {(1, number, number) for number, row in enumerate(rows) if steps[0](row)}  # step, first event, last event
    todo = list(tries)
    while todo:
        step, start, last = todo.pop()
        if step == 1:
            first[1] = (min(first[1][0], start), 0) if 1 in first else (start, 0)
        if step == len(steps):
            continue
        ends = [one for one in exclusions if one.after <= step < one.before]
        for number in range(last + 1, len(rows)):
            row = rows[number]
            if any(one.fits(row) for one in ends) or ms(row) - ms(rows[start]) > window_ms:
                break
            if steps[step](row):
                here = (number, -last)
                first[step + 1] = min(first.get(step + 1, here), here)
                if (step + 1, start, number) not in tries:
                    tries.add((step + 1, start, number))
                    todo.append((step + 1, start, number))
    return {step: 0 if step == 1 else ms(rows[number]) - ms(rows[-before]) for step, (number, before) in first.items()}


def funnel(
    world: World,
    steps: Sequence[Fits],
    exclusions: Sequence[Exclusion],
    *,
    window_ms: int,
    by: str,
    value: Callable[[Any], str],
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each value: counts, shares and medians by step, the value with the most at the first first."""
    fits = [*steps, *(one.fits for one in exclusions)]
    actors: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(world.happened(), key=order):
        if getattr(row, by) and any(fit(row) for fit in fits):
            actors[getattr(row, by)].append(row)
    groups: dict[str, list[Reached]] = defaultdict(list)
    for rows in actors.values():
        entry = next((row for row in rows if steps[0](row)), None)
        if entry is not None:
            weight = min(reference.weight(row) for row in rows)
            groups[value(entry)].append(Reached(weight, walk(rows, steps, exclusions, window_ms)))
    entered = {name: sum((one.weight for one in group), Fraction(0)) for name, group in groups.items()}
    names = sorted(groups, key=lambda name: (-entered[name], name))
    return {name: [tell(groups[name], number) for number in range(1, len(steps) + 1)] for name in names}


def tell(actors: list[Reached], step: int) -> dict[str, Any]:
    def count(number: int) -> Fraction:
        return sum((one.weight for one in actors if number in one.took_ms), Fraction(0))

    took = [(one.took_ms[step] / 1000, one.weight) for one in actors if step in one.took_ms]
    return {
        "step": step,
        "count": half_up(count(step)),
        "conversion": share(count(step), count(1)),
        "step_conversion": share(count(step), count(max(step - 1, 1))),
        "median_seconds": percentile(took, Fraction(1, 2)) if took and step > 1 else None,
    }


def share(part: Fraction, whole: Fraction) -> float:
    return float(part / whole) if whole else 0.0


def retention(world: World, zone: ZoneInfo, interval: str) -> list[dict[str, Any]]:
    """Return the cohorts: visitors by the interval of their first session of the range, and when they came again."""
    labels = list(reference.labels(world, zone, interval))
    visits: dict[str, list[tuple[int, Fraction]]] = defaultdict(list)
    for rows in world.began():
        visit = reference.visit_of(rows, rows)
        began = labels.index(reference.label(reference.utc(rows[0].at), zone, interval))
        visits[visit.device_id].append((began, visit.weight))
    cohorts = []
    for number, start in enumerate(labels):
        members = [visit for visit in visits.values() if min(visit)[0] == number]
        counts = [
            sum((min(one[1] for one in visit) for visit in members if later in dict(visit)), Fraction(0))
            for later in range(number, len(labels))
        ]
        cohorts.append(
            {
                "start": start,
                "visitors": half_up(counts[0]),
                "returned": [half_up(count) for count in counts],
                "retention": [share(count, counts[0]) for count in counts],
            }
        )
    return cohorts


def place_of(row: Any) -> Place:
    """Return a step of a path: the page, or the event's name."""
    return (row.path, None) if row.type in reference.VIEWS else (None, row.name)


def paths(world: World, anchor: Place, *, is_next: bool, of_pages: bool = False) -> list[dict[str, Any]]:
    """Return the steps beside the anchor's, the most frequent first; None and None is where the session ends.

    of_pages: walk on until a page or a screen is seen.
    """
    counts: dict[Place, Fraction] = defaultdict(Fraction)
    types: dict[Place, set[str]] = defaultdict(set)
    happened = {id(row) for row in world.happened()}
    steps = [row for row in world.rows if row.type in (*reference.VIEWS, *reference.ACTIONS)]
    for walked in reference.sessions_of(steps).values():
        weight = min(reference.weight(row) for row in walked)
        for number, row in enumerate(walked):
            if place_of(row) == anchor and id(row) in happened:
                way = walked[number + 1 :] if is_next else walked[:number][::-1]
                found = [row for row in way if not of_pages or row.type in reference.VIEWS][:1]
                place = place_of(found[0]) if found else (None, None)
                counts[place] += weight
                types[place].update(row.type for row in found)
    total = sum(counts.values(), Fraction(0))
    kinds = {place: "page" if place[0] is not None else "event" if place[1] is not None else "" for place in counts}
    ordered = sorted(counts, key=lambda place: (-counts[place], kinds[place], place[0] or place[1] or ""))
    return [
        {
            "page": page,
            "event": event,
            "types": sorted(types[page, event]),
            "count": half_up(counts[page, event]),
            "share": share(counts[page, event], total),
        }
        for page, event in ordered
    ]
