"""Repaired totals equal a recomputation in plain Python, whoever is erased of whatever random events."""

import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics_server.rows import Row

from .conftest import Place
from .erasing import Node
from .spooled import NOON, make_row

pytestmark = pytest.mark.engine
DAY = 24 * 3600.0


@pytest.fixture
def node(migrated: Place, tmp_path: Path) -> Iterator[Node]:
    with Node(migrated, tmp_path) as opened:
        yield opened


def random_rows(dice: random.Random, events: int) -> list[Row]:
    """Return events of some devices, of which some are shared by several users, over a month's border, some sampled."""
    rows = []
    for _ in range(events):
        device = f"device {dice.randrange(12)}"
        at = round(NOON + dice.uniform(-12, 12) * DAY, 3)
        rows.append(
            make_row(
                project="shop",
                at=at,
                session_started=at - at % 3600,
                session_id=f"{int(at // 3600)}",
                device_id=device,
                user_id=dice.choice(["", "", f"user {dice.randrange(6)}"]),
                sample_rate=1 / (1 + int(device[-1]) % 3),
                type=dice.choice(["page", "track"]),
                name=dice.choice(["", "Bought"]),
                path=f"/{dice.randrange(4)}",
                event_id=str(uuid.UUID(int=dice.getrandbits(128))),
            )
        )
    return rows


def left_by(rows: list[Row], user: str) -> list[Row]:
    """Return the events that are not the user's: those of devices with nobody else's events are."""
    users = defaultdict(set)
    for row in rows:
        if row.user_id:
            users[row.device_id].add(row.user_id)
    own = {device for device, named in users.items() if named == {user}}
    return [row for row in rows if row.user_id != user and row.device_id not in own]


def monday_of(day: int) -> int:
    """Return the Monday of a day's week, both counted from 1970-01-01, a Thursday."""
    return day - (day + 3) % 7


def expected(rows: list[Row]) -> dict[str, Any]:
    """Return what each table must tell of these events."""
    quarters: Counter[int] = Counter()
    paths: Counter[tuple[str, str]] = Counter()
    weeks: Counter[tuple[str, str]] = Counter()
    names: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        weight = round(1 / row.sample_rate)
        quarters[int(row.at // 900) * 900] += weight
        paths[str(int(row.at // DAY)), row.path] += weight
        weeks[str(monday_of(int(row.at // DAY))), row.path] += weight
        if row.type not in ("page", "screen", "performance"):
            names[row.type, str(int(row.at // DAY)), row.name] += weight
    return {
        "events": sorted(row.event_id for row in rows),
        "sessions": dict(Counter((row.device_id, row.session_id) for row in rows)),
        "devices": dict(Counter(row.device_id for row in rows)),
        "counts_by_quarter": dict(quarters),
        "counts_by_value": dict(paths),
        "counts_by_week": dict(weeks),
        "counts_by_name": dict(names),
    }


def told(node: Node) -> dict[str, Any]:
    """Return what each table tells."""

    def counted(sql: str) -> dict[Any, int]:
        rows = [tuple(row.values()) for row in node.fetch(sql)]
        return {key[0] if len(key) == 1 else key: round(events) for *keys, events in rows for key in [tuple(keys)]}

    of_paths = "where dimension = 'path' group by all having n > 0"
    name = "from counts_by_name group by all having n > 0"
    return {
        "events": sorted(row["id"] for row in node.fetch("select toString(event_id) as id from events")),
        "sessions": counted("select device_id, session_id, sum(events) as n from sessions group by all"),
        "devices": counted("select device_id, sum(events) as n from devices group by all"),
        "counts_by_quarter": counted("select toUInt32(bucket), sum(events) as n from counts_by_quarter group by all"),
        "counts_by_value": counted(
            f"select toString(toUInt16(day)), value, sum(events) as n from counts_by_value {of_paths}"
        ),
        "counts_by_week": counted(
            f"select toString(toUInt16(week)), value, sum(events) as n from counts_by_week {of_paths}"
        ),
        "counts_by_name": counted(f"select type, toString(toUInt16(day)), name, sum(events) as n {name}"),
    }


@pytest.mark.parametrize("seed", range(3))
def test_totals_are_those_of_the_other_events(node: Node, seed: int) -> None:
    dice = random.Random(seed)
    rows = random_rows(dice, 120)
    node.load(*rows)
    for user in ("user 1", "user 4", "user nobody"):
        node.erase(user_id=user)
        rows = left_by(rows, user)
        assert told(node) == expected(rows)
