"""The demo's two months: what a shop's days look like, up to this minute, and nothing that contradicts itself."""

import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[1] / "tools" / "demo"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DEMO))
    yield __import__("history")
    for name in ("history", "people", "walks", "shop"):
        sys.modules.pop(name, None)


def test_today_is_a_day_like_those_before_it(history: Any) -> None:
    began = [at for _, at in history.visits(random.Random(7), NOON)]
    days = Counter((NOON.date() - at.date()).days for at in began)
    mornings = Counter((NOON.date() - at.date()).days for at in began if at.hour < NOON.hour)
    assert set(range(history.DAYS + 1)) <= set(days)
    assert max(began) < NOON
    assert days[0] == mornings[0]
    usual = sum(mornings[day] for day in (1, 2, 5, 6)) / 4
    assert 0.5 < mornings[0] / usual < 1.6
    assert sum(NOON - at < timedelta(hours=1) for at in began) > 0
    assert all(sum(at.hour == hour for at in began) > 0 for hour in range(24))  # somewhere it is day


def test_no_event_is_of_the_future_and_no_page_is_measured_after_it_was_left(history: Any) -> None:
    dice, late = random.Random(7), Counter[bool]()
    for person, began in list(history.visits(dice, NOON))[-400:]:
        shown = began
        for event in history.visit(dice, person, began, NOON):
            at = datetime.fromisoformat(event["timestamp"])
            assert at <= NOON
            if event["type"] == "page":
                shown = at
            elif event["name"] in ("TTFB", "FCP", "LCP"):
                late[timedelta(milliseconds=event["properties"]["value"]) > at - shown] += 1
    assert (late[True], late[False] > 1000) == (0, True)


def test_people_come_back_over_all_weeks_and_fewer_with_each(history: Any) -> None:
    first: dict[str, datetime] = {}
    back, cohort = dict[int, set[str]](), Counter[int]()
    for person, at in sorted(history.visits(random.Random(7), NOON), key=lambda visit: visit[1]):
        week = (at - first.setdefault(person.device_id, at)).days // 7
        back.setdefault(week, set()).add(person.device_id)
    for began in first.values():
        cohort.update(range((NOON - began).days // 7 + 1))
    shares = [len(back.get(week, ())) / cohort[week] for week in range(8)]
    assert all(share > 0 for share in shares)
    assert shares[1] > shares[3] > shares[5] > 0.005
