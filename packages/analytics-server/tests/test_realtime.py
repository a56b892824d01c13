"""The last minutes: who is there, how much happens, where."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
import reference
from asking import NOON, Asker, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics_server.rows import Row

pytestmark = pytest.mark.engine

NUMBERS = itertools.count()

seen = st.builds(
    event,
    at=st.integers(-400_000, 100_000).map(lambda ms: NOON + timedelta(milliseconds=ms)),
    session_started=st.just(NOON - timedelta(hours=1)),
    device_id=st.sampled_from("abc"),
    type=st.sampled_from(["page", "screen", "track"]),
    path=st.sampled_from(["/", "/a"]),
    sample_rate=st.sampled_from([1.0, 0.5, 0.4]),
    bot=st.sampled_from(["", "", "", "crawler"]),
)


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def visitors_of(rows: list[Row]) -> int:
    devices = {row.device_id for row in rows}
    lightest = [min(reference.WEIGHTS[row.sample_rate] for row in rows if row.device_id == one) for one in devices]
    return reference.half_up(sum(lightest, start=Fraction(0)))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(seen, max_size=20))
def test_the_last_five_minutes_equal_a_recomputation(asker: Asker, rows: list[Row]) -> None:
    project = f"now{next(NUMBERS)}"
    asker.add_project(project)
    asker.store(*(msgspec.structs.replace(row, project=project) for row in rows))
    inside = [row for row in rows if NOON - timedelta(minutes=5) <= reference.utc(row.at) < NOON and not row.bot]
    views = reference.views_of(inside)
    pages = [
        {
            "path": path,
            "visitors": visitors_of([row for row in views if row.path == path]),
            "pageviews": reference.half_up(reference.weigh(row for row in views if row.path == path)),
        }
        for path in {row.path for row in views}
    ]
    answer = asker.ask("/realtime", {"to": NOON.isoformat()}, key=project)
    answer["pages"].sort(key=str)
    assert answer == {
        "visitors": visitors_of(inside),
        "events": reference.half_up(reference.weigh(inside)),
        "pageviews": reference.half_up(reference.weigh(views)),
        "events_per_second": pytest.approx(float(reference.weigh(inside) / 300)),
        "pages": sorted(pages, key=str),
        "exact": True,
    }


def test_now_is_what_is_asked_of_without_a_range(asker: Asker) -> None:
    now = datetime.now(UTC)
    asker.store(event(at=now - timedelta(minutes=1), path="/now"), event(at=now - timedelta(minutes=6), path="/before"))
    answer = asker.ask("/realtime")
    assert (answer["events"], answer["pages"]) == (1, [{"path": "/now", "visitors": 1, "pageviews": 1}])


def test_the_pages_with_the_most_visitors_come_first(asker: Asker) -> None:
    asked = {"to": (NOON + timedelta(seconds=1)).isoformat()}
    asker.store(event(path="/twice"), event(path="/twice"), *(event(path="/wide", device_id=one) for one in "xy"))
    assert [row["path"] for row in asker.ask("/realtime", asked)["pages"]] == ["/wide", "/twice"]
    assert [row["path"] for row in asker.ask("/realtime", asked | {"limit": 1})["pages"]] == ["/wide"]
