"""How a person walks through the shop, and what the browser script would tell of each page.

A walk is a list of steps. Most end early: of ten who look at a cheese about four put one into the basket, three of
these see the checkout, and two order.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from people import Person, Source, new_source
from shop import CHECKOUT_FIELDS, CHEESE_TITLES, STORY_TITLES, TITLES

ENTRIES = ["/", "/", "/cheese", *CHEESE_TITLES, *STORY_TITLES]
NEXT = {
    "/": (("/cheese", 6), ("/stories", 2), ("/cheese/comte", 2), ("", 4)),
    "/cheese": (*((path, 2) for path in CHEESE_TITLES), ("/stories", 1), ("", 4)),
    "/stories": (*((path, 3) for path in STORY_TITLES), ("", 2)),
    "/basket": (("/checkout", 7), ("/cheese", 1), ("", 3)),
    "/checkout": (("/thanks", 6), ("", 4)),
    "/contact": (("/thanks", 5), ("", 3)),
    "/thanks": (("", 1),),
    **dict.fromkeys(CHEESE_TITLES, (("/basket", 4), ("/cheese", 4), ("", 4))),
    **dict.fromkeys(STORY_TITLES, (("/cheese", 3), ("/contact", 1), ("", 5))),
}


@dataclass
class Step:
    """A page that is looked at: how long, and what leads on; `next_path` is empty on the last one."""

    path: str
    query: str
    referrer: str
    seconds: float
    next_path: str
    fields: list[str] = field(default_factory=list)  # of a form that was begun on it

    @property
    def is_bought(self) -> bool:
        """Whether a cheese was put into the basket here."""
        return self.path in CHEESE_TITLES and self.next_path == "/basket"

    @property
    def is_sent(self) -> bool:
        """Whether the form was sent."""
        return bool(self.fields) and self.next_path == "/thanks"


def walk(dice: random.Random, origin: str, *, source: Source | None = None) -> Iterator[Step]:
    """Yield the steps of one visit."""
    source = source or new_source(dice, ENTRIES)
    path, query, referrer = source.entry, source.campaign, source.referrer
    for number in range(14):
        choices = NEXT[path]
        leaves = dice.random() < (0.3 if number == 0 else 0.08)
        next_path = "" if leaves else dice.choices([to for to, _ in choices], [weight for _, weight in choices])[0]
        seconds = min(dice.lognormvariate(3.0 if path not in STORY_TITLES else 4.2, 0.8), 900)
        step = Step(path, query, referrer, seconds, next_path)
        if path == "/checkout":
            step.fields = list(CHECKOUT_FIELDS[: len(CHECKOUT_FIELDS) if next_path else dice.randrange(4)])
        elif path == "/contact":
            step.fields = ["email", "question"] if next_path else ["email"]
        yield step
        if not next_path:
            return
        path, query, referrer = next_path, "", origin + path + query


def script_events(
    dice: random.Random, step: Step, origin: str, at: datetime, person: Person
) -> Iterator[dict[str, Any]]:
    """Yield what the browser script would tell of a page: the view; then, asked as it is left, what is known."""
    page = {"url": origin + step.path + step.query, "path": step.path, "title": TITLES[step.path]}
    page |= {"referrer": step.referrer}

    def event(kind: str, name: str, when: datetime, properties: dict[str, Any] | None = None) -> dict[str, Any]:
        told = {"event_id": str(uuid.uuid4()), "type": kind, "name": name, "timestamp": when.isoformat()}
        return told | {"properties": properties or {}, "context": {"page": page}}

    yield event("page", TITLES[step.path], at)
    left = at + timedelta(seconds=step.seconds)
    for name, value in vitals(dice, step, has_phone=person.has_phone):
        yield event("performance", name, left, {"value": value})
    scrolled = min(100, round(dice.uniform(35, 130)))
    yield event(
        "performance", "engagement", left, {"scroll_percent": scrolled, "engaged_ms": round(step.seconds * 800)}
    )
    if step.is_bought:
        yield event("click", "Add to basket", left, {"tag": "button", "id": "add", "name": "Add to basket"})
    if step.fields:
        action = "/order" if step.path == "/checkout" else "/contact"
        told: dict[str, Any] = {"form": step.path[1:], "action": action, "fields": step.fields}
        told |= {"outcome": "submit" if step.is_sent else "abandon", "duration_ms": round(step.seconds * 600)}
        yield event("form", step.path[1:], left, told)
    elif step.next_path:
        title = TITLES[step.next_path]
        yield event("click", title, left, {"tag": "a", "text": title, "href": origin + step.next_path})
    if dice.random() < 0.01:
        text = "Uncaught TypeError: wheel is undefined"
        yield event("error", text, left, {"message": text, "file": f"{origin}/shop.js", "line": 17, "column": 5})


def vitals(dice: random.Random, step: Step, *, has_phone: bool) -> Iterator[tuple[str, float]]:
    """Yield name and value of the five measures; stories are slow, phones slower than desktops.

    What would have come after the page was left is not measured.
    """
    slow = (1.7 if has_phone else 1.0) * (2.2 if step.path in STORY_TITLES else 1.0)
    ttfb = dice.lognormvariate(5.2, 0.5) * slow
    fcp = ttfb + dice.lognormvariate(6.0, 0.5) * slow
    lcp = fcp + dice.lognormvariate(6.0, 0.7) * slow
    for name, value in (("TTFB", ttfb), ("FCP", fcp), ("LCP", lcp)):
        if value < step.seconds * 1000:
            yield name, round(value, 1)
    yield "CLS", round(dice.choice((0, 0, 0, 0.02, 0.06, 0.18)) * dice.random() * 2, 4)
    if dice.random() < 0.7:
        yield "INP", round(dice.lognormvariate(4.3, 0.6) * slow / 8) * 8.0
