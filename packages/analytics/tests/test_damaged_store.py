"""Whatever damage a store has: it can be opened, what is whole is had from it once, and the rest is counted.

SHOCKMOUSE_TEST_SEED=… damages the same bytes as a failed run.
"""

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from shockmouse_analytics.errors import StoreError
from shockmouse_analytics.event import Boot, cut_batch
from shockmouse_analytics.offline import OfflineStore
from shockmouse_analytics.store_batches import Held
from shockmouse_analytics.store_file import set_aside
from shockmouse_analytics.store_folders import StoreFolders
from shockmouse_analytics.store_groups import Group

pytestmark = pytest.mark.crashes

FILE = "queue.sqlite"
PAGE = 4096
BATCHES, IN_BATCH = 60, 5
GROUPS, IN_GROUP = 10, 2
TOTAL = BATCHES * IN_BATCH + GROUPS * IN_GROUP


def folders(folder: Path, losses: list[int | None]) -> StoreFolders:
    return StoreFolders(
        [folder], FILE, owner="me", max_bytes=1 << 26, complain=lambda path, exc: None, lost=losses.append
    )


def fill(folder: Path) -> None:
    boot = Boot()
    store = next(folders(folder, []).open())
    with store.writing():
        for number in range(BATCHES):
            events = [json.dumps({"n": number, "noise": os.urandom(60).hex()}).encode() for _ in range(IN_BATCH)]
            batch = cut_batch(boot.event_id(1, number), b'"library":{},"context":{},', events)
            store.batches.add(Held(batch, 1.5 if number % 2 else None), leased=number % 3 == 0)
        for _ in range(GROUPS):
            store.groups.leave(Group(IN_GROUP, b'{"a":1},{"b":2}'))
    store.close()


def take(store: OfflineStore) -> int:
    """Return how many events can be had from the store. Raises StoreError."""
    with store.writing():
        return sum(group.events for group in store.groups.adopt()) + sum(
            held.batch.events for held in store.batches.take_all()
        )


def had(folder: Path) -> tuple[int, int | None]:
    """Return how many events a new process gets from a damaged store, and how many it says are lost."""
    losses: list[int | None] = []
    found = folders(folder, losses)
    store = next(found.open())
    try:
        got = take(store)
    except StoreError as exc:
        if not exc.damaged:
            raise
        store.close()
        damaged = set_aside(folder / FILE)
        store = next(found.open())
        found.salvage(damaged, store)
        got = take(store)
    store.close()
    return got, sum(losses) if None not in losses else None


@pytest.mark.parametrize("kind", ["noise", "nothing", "some bytes"])
def test_any_damaged_page_costs_what_is_in_it_and_that_is_counted(tmp_path: Path, kind: str) -> None:
    seed = int(os.environ.get("SHOCKMOUSE_TEST_SEED") or random.randrange(2**32))
    print(f"SHOCKMOUSE_TEST_SEED={seed}")
    dice = random.Random(seed)
    fill(tmp_path / "whole")
    for page in range((tmp_path / "whole" / FILE).stat().st_size // PAGE):
        folder = tmp_path / str(page)
        shutil.copytree(tmp_path / "whole", folder)
        with (folder / FILE).open("r+b") as file:
            content = bytearray(os.pread(file.fileno(), PAGE, page * PAGE))
            if kind == "some bytes":
                for _ in range(40):
                    content[dice.randrange(PAGE)] = dice.randrange(256)
            else:
                content = bytearray(dice.randbytes(PAGE) if kind == "noise" else PAGE)
            os.pwrite(file.fileno(), content, page * PAGE)
        got, lost = had(folder)
        assert got <= TOTAL, page
        assert lost is None or got + lost == TOTAL, page
