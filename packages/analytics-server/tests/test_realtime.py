"""The last minutes: who is there, how much happens, where."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, Asker, event

pytestmark = pytest.mark.engine


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


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
