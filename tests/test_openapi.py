"""The OpenAPI document holds: schemathesis, which makes requests of it, finds no 5xx and nothing that it does not tell.

A real server with data and real keys. Each group of addresses is asked with the key that it needs; what a project does
not survive is asked of one of its own. The one answer that does not end, /events/stream, has a test of its own.
"""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.oracle import wait_until_stored
from tests.server_process import Server, clean_environment

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
STREAM = "/api/v1/events/stream"
ADMIN = "/api/v1/(projects|privacy)"
ENDING = "/api/v1/projects/.*/(keys|delete)"
QUICK_SECONDS, LONG_SECONDS = 20, 600


class Group(NamedTuple):
    """Addresses that one key opens, and their share of the time."""

    key: str
    include: str
    exclude: str
    share: float


GROUPS = {
    "ingestion": Group("write", "^/v1/events$", "^$", 0.15),
    "questions": Group("read", "^/api/v1/", f"{ADMIN}|{STREAM}", 0.5),
    "administration": Group("admin", ADMIN, ENDING, 0.15),
    "endings": Group("ending", ENDING, "^$", 0.1),
    "pages": Group("none", "^/", "^/(api|v1)/", 0.1),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose project has some events of every type."""
    with Server(tmp_path_factory.mktemp("openapi")) as running:
        now = datetime.now(UTC)
        kinds = ("page", "track", "performance", "click", "identify", "error")
        events = [
            {
                "event_id": f"0190a000-0000-7000-8000-{number:012d}",
                "type": kinds[number % len(kinds)],
                "name": f"step {number % 7}",
                "timestamp": (now - timedelta(hours=number)).isoformat(),
                "session_id": f"session-{number // 10}",
                "device_id": f"device-{number // 30}",
                "properties": {"n": number, "plan": "pro", "value": number / 3},
                "context": {"page": {"url": f"https://example.com/{number % 5}"}},
            }
            for number in range(300)
        ]
        assert running.post({"events": events}).json()["accepted"] == 300
        wait_until_stored(running, 300, 60)
        yield running


def keys(server: Server) -> dict[str, str]:
    made = server.create_project(f"p{random.getrandbits(60):x}")
    return {
        "write": server.keys.write_key,
        "read": server.keys.read_key,
        "admin": server.keys.admin_key,
        "ending": made.admin_key,
        "none": "",
    }


def explore(server: Server, group: Group, seconds: int, seed: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run schemathesis over the group's addresses for so long."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    command += ["--include-path-regex", group.include, "--exclude-path-regex", group.exclude]
    command += ["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-time", str(seconds)]
    command += ["--seed", str(seed), "--no-color", "--warnings", "off", "--continue-on-failure"]
    key = keys(server)[group.key]
    command += ["--header", f"Authorization: Bearer {key}"] if key else []
    environment = clean_environment(PYTHONWARNINGS="ignore")
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds + 240, check=False
    )


def check(server: Server, name: str, seconds: int, folder: Path) -> None:
    group = GROUPS[name]
    seed = int(os.environ.get("SHOCKMOUSE_TEST_SEED", random.getrandbits(31)))
    done = explore(server, group, max(4, round(seconds * group.share)), seed, folder)
    print(f"{name}, SHOCKMOUSE_TEST_SEED={seed}: {done.stdout.splitlines()[-3:]}")
    assert done.returncode == 0, f"SHOCKMOUSE_TEST_SEED={seed}\n{done.stdout[-12_000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("name", GROUPS)
def test_nothing_fails_and_nothing_is_undocumented(server: Server, name: str, tmp_path: Path) -> None:
    check(server, name, QUICK_SECONDS, tmp_path)


@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", GROUPS)
def test_nothing_fails_and_nothing_is_undocumented_in_ten_minutes(server: Server, name: str, tmp_path: Path) -> None:
    check(server, name, LONG_SECONDS, tmp_path)
