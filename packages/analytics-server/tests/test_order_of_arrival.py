"""A session tells the same whatever order its events arrive in, and however late."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from asking import NOON, RANGE, Asker, event

pytestmark = pytest.mark.engine

MINUTE = timedelta(minutes=1)
ORDERS = list(permutations(range(3)))


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def test_what_a_session_began_and_ended_with_does_not_hang_on_the_order_of_arrival(asker: Asker) -> None:
    paths, users, countries = ("/in", "/on", "/out"), ("ada", "bob", "cleo"), ("FR", "DE", "IT")
    asker.run(asker.writing.execute("system stop merges sessions"))  # so that each question does the merging
    for place in range(3):
        asker.store(
            *(
                event(device_id=f"{order}", session_id="visit", session_started=NOON, at=NOON + order[place] * MINUTE,
                      path=paths[order[place]], user_id=users[order[place]], country=countries[order[place]])
                for order in ORDERS
            )
        )  # fmt: skip
    sessions = asker.ask("/sessions", RANGE)["rows"]
    told = {(row["entry_path"], row["exit_path"], row["user_id"], row["country"]) for row in sessions}
    by_exit = asker.ask("/breakdown", RANGE | {"dimension": "exit_path", "metrics": "sessions"})["rows"]
    of_user = asker.ask("/sessions", RANGE | {"filter": "user_id:is:cleo"})["rows"]
    everybody = asker.ask("/sessions", RANGE | {"bots": "include"})["rows"]
    asker.run(asker.writing.execute("system start merges sessions"))
    assert (len(sessions), told) == (len(ORDERS), {("/in", "/out", "cleo", "FR")})
    assert [(row["exit_path"], row["sessions"]) for row in by_exit] == [("/out", len(ORDERS))]
    assert len(of_user) == len(ORDERS)
    assert everybody == sessions


def test_a_late_event_changes_the_session_it_belongs_to(asker: Asker) -> None:
    midnight = NOON + timedelta(hours=12)
    asker.store(event(at=midnight + MINUTE, path="/second", session_started=midnight + MINUTE))
    asker.store(event(at=midnight - MINUTE, path="/first", session_started=midnight + MINUTE))
    session = asker.ask("/sessions", {"from": "2026-03-10", "to": "2026-03-11"})["rows"][0]
    assert (session["started_at"], session["entry_path"], session["exit_path"]) == (
        "2026-03-10T23:59:00.000Z", "/first", "/second",
    )  # fmt: skip
    assert asker.ask("/sessions", {"from": "2026-03-11", "to": "2026-03-12"})["rows"] == []
