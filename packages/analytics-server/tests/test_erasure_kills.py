"""An erasure whose engine, or whose every process, is killed in the middle of each of its steps; real processes.

In the middle of a step: the one before is noted as done, this one is not, and the engine stands still, so that this one
cannot have ended when the kill comes. The step that needs no engine takes milliseconds: there the process that erases
stands still, and may have just ended the step. A step that is over before anybody saw it is left out; most are not.
"""

import contextlib
import datetime as dt
import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shockmouse_analytics_server import person_erasure, project_erasure, spool_search
from shockmouse_analytics_server.erasure_journal import unfinished
from shockmouse_analytics_server.folder import directory_path, erasing_lock
from shockmouse_analytics_server.spool_search import Ids

from .serving import PROGRAM, Server, command, environment, is_alive, serving, wait_until
from .spooled import entry_of, make_row, open_spool

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

STEPS = [name for name, _ in person_erasure.STEPS]


class Site:
    """One data folder over as many starts of `serve` as its kills need, with the erasure that a command asked for."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.others = 0
        self.keys: dict[str, str] = {}
        self.server: Server
        self._serving = contextlib.ExitStack()
        self._command: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.server = self._serving.enter_context(serving(self.data_dir))
        self.keys |= self.server.keys

    def kill_everything(self) -> None:
        """No process of the server is left, nor the command that erases."""
        family = [*psutil.Process(self.server.process.pid).children(), psutil.Process(self.server.process.pid)]
        self.end_command()
        self._serving.close()
        wait_until(lambda: not any(map(is_alive, family)), 10, "all have ended")

    def end_command(self) -> None:
        if self._command is not None:
            self._command.kill()
            self._command.wait()
            self._command = None

    def begin(self, *arguments: str) -> None:
        """Have a command erase or delete, and return when that is under way."""
        self._command = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=environment(data_dir=str(self.data_dir)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.done() is not None, 40, "the erasure is under way")

    def done(self) -> list[str] | None:
        """Return the finished steps of the erasure; None: none is under way."""
        return next((each.done for each in unfinished(directory_path(self.data_dir))), None)

    def send(self, *events: dict[str, Any]) -> int:
        """Return how many events were accepted."""
        now = dt.datetime.now(dt.UTC).isoformat()
        whole = [{"event_id": str(uuid.uuid4()), "type": "page", "timestamp": now, **each} for each in events]
        key = f"Bearer {self.keys['write']}"
        body = json.dumps({"events": whole}).encode()
        answer = self.server.ask("POST", "/v1/events", body, Authorization=key, Content_Type="application/json")
        assert answer.status == 200
        return int(answer.json()["accepted"])

    def send_other(self) -> None:
        """One more event of somebody else."""
        self.others += self.send({"device_id": f"other {self.others}", "user_id": "ben"})

    def ask(self, target: str) -> Any:
        answer = self.server.ask("GET", f"/api/v1/{target}", Authorization=f"Bearer {self.keys['read']}")
        return answer.json() if answer.status == 200 else {}

    @contextlib.contextmanager
    def held_in(self, step: str, steps: list[str]) -> Iterator[bool]:
        """Inside, the erasure is in the middle of the step; False: that was over too soon to be seen."""
        before = steps[: steps.index(step)]
        if not self.is_at(before):
            yield False
            return
        time.sleep(random.uniform(0, 1) if step == "begin" else random.uniform(0, 0.01))
        held = psutil.Process(int(erasing_lock(self.data_dir).read_text())) if step == "spool" else self.engine()
        held.send_signal(signal.SIGSTOP)
        try:
            yield self.done() == before or (step == "spool" and self.done() == [*before, step])
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                held.send_signal(signal.SIGCONT)

    def engine(self) -> psutil.Process:
        (engine,) = self.server.children("engine")
        return engine

    def is_at(self, done: list[str]) -> bool:
        """Wait until just these steps are finished; False: more are, or all."""
        deadline = time.monotonic() + 60
        while (now := self.done()) != done:
            if now is None or len(now) > len(done):
                return False
            assert time.monotonic() < deadline, f"{done} are never the finished steps: {now}"
            time.sleep(0.001)
        return True

    def quarantined(self, user: str) -> int:
        with open_spool(self.data_dir) as spool:
            return len(spool_search.quarantined_lines(spool.file, Ids("default", {user}, set())))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "data")
    made.start()
    yield made
    made.kill_everything()


def kill_engine(site: Site) -> None:
    (engine,) = site.server.children("engine")
    os.kill(engine.pid, signal.SIGKILL)
    wait_until(lambda: site.server.children("engine") not in ([], [engine]), 30, "the engine runs again")


def kill_all(site: Site) -> None:
    site.kill_everything()
    site.start()


@pytest.mark.parametrize("kill", [kill_engine, pytest.param(kill_all, marks=pytest.mark.faults)])
def test_a_person_is_erased_whatever_is_killed_in_the_middle_of_each_step(
    site: Site, kill: Callable[[Site], None]
) -> None:
    user, device = f"user-{uuid.uuid4()}", f"device-{uuid.uuid4()}"
    late = dt.datetime.now(dt.UTC).isoformat()
    site.send({"user_id": user, "device_id": device}, {"device_id": device}, {"user_id": user, "device_id": device})
    site.send_other()
    refused = make_row(event_id="x", at=time.time(), user_id=user, device_id=device)
    with open_spool(site.data_dir) as spool:
        spool.append([entry_of([refused])])
    wait_until(lambda: site.quarantined(user) == 1, 30, "a row of the person is in quarantine")
    wait_until(lambda: site.ask("stats").get("events") == 4, 30, "the others are counted")
    assert holding(site.data_dir, user) != []

    arguments = ["erase", "--project", "default", "--user-id", user]
    site.begin(*arguments)
    kills = 0
    for step in STEPS:
        with site.held_in(step, STEPS) as is_held:
            if is_held:
                kill(site)
                kills += 1
        site.send_other()
    assert kills > 2
    wait_until(lambda: site.done() is None, 60, "the erasure is done")

    (receipt,) = [json.loads(line) for line in command(site.data_dir, *arguments, "--receipts").out.splitlines()]
    lines = {line["name"]: (line["rows_before"], line["rows_removed"], line["rows_left"]) for line in receipt["tables"]}
    assert {name: line for name, line in lines.items() if any(line)} == {
        "events": (3, 3, 0),
        "sessions": (1, 1, 0),
        "devices": (1, 1, 0),
        "counts_by_quarter": (1, 1, 0),
        "counts_by_value": (lines["counts_by_value"][0], lines["counts_by_value"][0], 0),
        "counts_by_week": (lines["counts_by_week"][0], lines["counts_by_week"][0], 0),
        "quarantine": (1, 1, 0),
        "visits": (1, 1, 0),
    }
    assert holding(site.data_dir, user) == holding(site.data_dir, device) == []
    counted = {"events": site.others, "pageviews": site.others, "visitors": site.others, "sessions": site.others}
    wait_until(lambda: counted.items() <= site.ask("stats").items(), 30, f"the totals are {counted}")
    assert [row["device_id"] for row in site.ask("devices")["rows"] if not row["device_id"].startswith("other")] == []
    (row,) = site.ask("breakdown?dimension=type&metrics=events,visitors")["rows"]
    assert (row["events"], row["visitors"]) == (site.others, site.others)
    assert site.send({"user_id": user, "timestamp": late}, {"device_id": device, "timestamp": late}) == 0


def test_a_project_is_deleted_whatever_is_killed_and_the_command_says_so(site: Site) -> None:
    """All is killed in each step but the last; then the command that was killed is given again."""
    command(site.data_dir, "project", "create", "shop")
    steps = [name for name, _ in project_erasure.STEPS]
    with open_spool(site.data_dir) as spool:
        spool.append([entry_of([make_row(project="shop", user_id="anna", at=time.time()) for _ in range(3)])])
    site.begin("project", "delete", "shop", "--yes")
    kills = 0
    for step in steps[:-1]:
        with site.held_in(step, steps) as is_held:
            if is_held:
                kill_all(site)
                kills += 1
    assert kills > 0
    again = command(site.data_dir, "project", "delete", "shop", "--yes")
    if again.code == 0:
        assert again.out.startswith("project shop is deleted with 3 events")
    else:  # the server was faster
        assert "there is no project 'shop'" in again.err
    wait_until(lambda: site.done() is None, 60, "the deletion is done")
    (entry,) = map(json.loads, command(site.data_dir, "project", "audit", "shop").out.splitlines()[-1:])
    assert {"name": "events", "rows_before": 3, "rows_removed": 3, "rows_left": 0} in entry["detail"]["tables"]


def holding(folder: Path, text: str) -> list[str]:
    """Return the files that have the text."""
    arguments = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", text, str(folder)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False).stdout.splitlines()
