"""Every question over random traffic answers what a plain recomputation of the same events says.

Traffic    late, skewed, repeated, sampled and out-of-order events, bots, sessions over midnight and over every border
Way        bodies as senders write them → wire → enrichment → spool → loader → engine → the query API
Cheap      every data set is a project of its own; all are loaded together, and a few questions drawn at random asked
Again      SHOCKMOUSE_TEST_SEED=… draws the same data as a failed run
"""

import asyncio
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import reference
import traffic
from asking import Asker
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from inquiries import EVERYTHING, Asked, Inquiry, ask, inquiries
from msgspec import Struct
from spooled import open_spool
from traffic import BORDERS, Traffic, traffics, understand

from shockmouse_analytics_server.api import PATHS
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.enrich import Arrival, enrich
from shockmouse_analytics_server.loader import Loader
from shockmouse_analytics_server.rows import Row
from shockmouse_analytics_server.spool import Entry, Spool
from shockmouse_analytics_server.wire import Limits, decode

pytestmark = pytest.mark.engine

PARTS = 3  # the views of each project are made by so many inserts at least, and merged by the questions


class Case(Struct, frozen=True):
    """A data set and what is asked of it."""

    traffic: Traffic
    inquiry: Inquiry


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def draw(count: int, number: int) -> list[Case]:
    """Return so many random data sets, always the same of a number."""
    drawn: list[Case] = []

    @seed(number)
    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.builds(Case, traffic=traffics, inquiry=inquiries))
    def keep(case: Case) -> None:
        drawn.append(case)

    keep()
    return drawn[:count]


def load(asker: Asker, cases: list[Case], folder: Path) -> None:
    """Send all the traffic through validation, enrichment, spool and loader, each project's in its order."""
    arriving = [traffic.send(case.traffic, f"set{number}") for number, case in enumerate(cases)]
    with open_spool(folder) as spool, Counters(folder / "counters.sqlite") as counters:
        loader = Loader(spool, asker.writing, folder / "loading.lock", counters)
        for part in range(PARTS):
            slices = [sent[len(sent) * part // PARTS : len(sent) * (part + 1) // PARTS] for sent in arriving]
            accept(asker, slices, spool)
            while asker.run(loader.load_round(asyncio.Event())):
                pass
        assert (spool.status().rows, spool.status().quarantined) == (0, 0)


def accept(asker: Asker, slices: list[list[traffic.Sent]], spool: Spool) -> None:
    entries = [
        entry(one, asker.project(f"set{number}")) for number, sent in enumerate(slices) for one in sent
    ]  # fmt: skip
    for first in range(0, len(entries), 1000):
        spool.append(entries[first : first + 1000])


def entry(sent: traffic.Sent, project: str) -> Entry:
    """Return what a request becomes; every event of it is valid."""
    batch = decode(json.dumps(sent.body).encode(), "application/json", "", Limits())
    assert not batch.rejected
    arrival = Arrival(
        project=project,
        batch_id=str(batch.batch_id),
        library=batch.library,
        sent_at=batch.sent_at.timestamp() if batch.sent_at else None,
        received_at=sent.received_ms / 1000,
        address="",
        user_agent="",
        is_refused=False,
        ip_mode="truncate",
        retention_days=395,
        rollup_retention_days=0,
        salts=lambda: (b"", b""),
        country_of=lambda address: traffic.COUNTRIES.get(address, ""),
    )
    rows = [enrich(event, arrival) for event in batch.events]
    placed = [row for row in rows if isinstance(row, Row)]
    unplaced = [row for row in rows if not isinstance(row, Row)]
    return Entry(project, batch.batch_id, batch.digest, placed, unplaced, arrival.received_at)


def differences(asker: Asker, number: int, case: Case, questions: int) -> Iterator[str]:
    """Ask so many of the questions, chosen by the number; yield what was told and what is right where they differ."""
    seen = understand(traffic.send(case.traffic, f"set{number}"))
    every = list(ask(case.inquiry, seen, case.traffic.border))
    asked = random.Random(number).sample(every, min(questions, len(every)))
    answers = asker.ask_each([(one.path, one.params, one.body) for one in asked], key=f"set{number}")
    for one, answer in zip(asked, answers, strict=True):
        yield difference(one, answer)


def difference(asked: Asked, answer: Any) -> str:
    told, right = (reference.near(each) for each in asked.check(answer))
    return "" if told == right else f"{asked.path} {asked.params} {asked.body}\n  told  {told}\n  right {right}"


def compare(asker: Asker, count: int, folder: Path, *, questions: int) -> None:
    """Compare so many data sets by so many questions each; the closing line tells how many answers differ."""
    number = int(os.environ.get("SHOCKMOUSE_TEST_SEED") or random.randrange(2**32))
    began = time.monotonic()
    cases = draw(count, number)
    for project in range(len(cases)):
        asker.add_project(f"set{project}")
    load(asker, cases, folder)
    verdicts: Counter[bool] = Counter()
    wrong = []
    for project, case in enumerate(cases):
        for found in differences(asker, project, case, questions):
            verdicts[not found] += 1
            wrong += [f"set {project}: {found}"] if found else []
    closing = (
        f"{len(cases)} data sets, {verdicts.total()} questions, {verdicts[False]} differences,"
        f" {time.monotonic() - began:.0f} s (SHOCKMOUSE_TEST_SEED={number})"
    )
    print(closing)
    assert not wrong, "\n".join([closing, *wrong[:3]])


def test_every_path_is_asked() -> None:
    case = draw(1, 0)[0]
    seen = understand(traffic.send(case.traffic, "set"))
    ever = msgspec.structs.replace(case.inquiry, ends=[-(10**8), 10**8], bots="include", fit=EVERYTHING)
    named = [row for row in seen if row.has_own_session] or [msgspec.structs.replace(seen[0], has_own_session=True)]
    asked = {
        re.sub("^(/sessions|/devices)/(?!summary).*", r"\1/{id:path}", one.path) for one in ask(ever, named, BORDERS[0])
    }
    assert asked == {path.path for path in PATHS} | {"/export"}


def test_answers_equal_a_recomputation(asker: Asker, tmp_path: Path) -> None:
    compare(asker, 200, tmp_path, questions=4)


@pytest.mark.faults
@pytest.mark.timeout(5400)
def test_answers_equal_a_recomputation_over_thousands(asker: Asker, tmp_path: Path) -> None:
    compare(asker, 2000, tmp_path, questions=6)
