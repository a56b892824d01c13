"""The documentation's examples, in curl and in Python, run against a real server; Python's check the answers' types."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.oracle import waiting

from shockmouse_analytics_server.api import PATHS

from .serving import Server, serving, wait_until

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parent.parent / "docs"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION, DEVICE = "0190a2b4-6d5c-7f00-8000-2b1c5d9e7a10", "6f1d0c"
MARK = "--- the answer of: "


def visit() -> list[dict[str, Any]]:
    """Return the events of one visit, such that every example has something to tell."""
    begun = datetime.now(UTC) - timedelta(minutes=3)
    told: list[dict[str, Any]] = [
        {"type": "page", "context": {"page": {"url": "https://shop.example/"}}},
        {"type": "page", "context": {"page": {"url": "https://shop.example/pricing"}}},
        {"type": "performance", "name": "LCP", "properties": {"value": 1840.5}},
        {"type": "track", "name": "Order placed", "properties": {"price": 120, "plan": "pro"}},
    ]
    return [
        {
            "event_id": str(uuid.uuid4()),
            "timestamp": (begun + timedelta(seconds=number)).isoformat(),
            "session_id": SESSION,
            "device_id": DEVICE,
            "user_id": "ada",
            "fingerprint": {"hash": "f00", "signals": {"os": "Linux"}},
            "user_properties": {"plan": "pro"},
        }
        | event
        for number, event in enumerate(told)
    ]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the examples want to have exported: a server's address and a read key, with a visit stored."""
    data_dir = tmp_path_factory.mktemp("served") / "data"
    with serving(data_dir) as server:
        write_key, read_key = (server.printed[number].split()[2] for number in (1, 2))
        body = json.dumps(visit()).encode()
        sent = server.ask("POST", "/v1/events", body, Authorization=f"Bearer {write_key}", Content_Type="text/plain")
        assert sent.json()["accepted"] == 4
        wait_until(lambda: count(server, read_key) == 4, 60, "the visit is stored")
        wait_until(lambda: waiting(data_dir) == 0, 60, "every view has it")
        address = f"http://127.0.0.1:{server.port}/api/v1"
        yield {**os.environ, "STATS_URL": address, "READ_KEY": read_key, "PYTHONWARNINGS": "error"}


def count(server: Server, key: str) -> int:
    reply = server.ask("GET", "/api/v1/stats", Authorization=f"Bearer {key}")
    return int(reply.json()["events"]) if reply.status == 200 else 0


def test_the_typed_examples_get_answers_of_their_types(environment: dict[str, str]) -> None:
    program = "\n".join(PYTHON.findall((DOCS / "answers.md").read_text("utf-8")))
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    for line in (
        "1 visitors, 0 in the 30 days before",
        "['/', '/pricing', '', '']",
        "0 of 1 fingerprints are shared",
        "LCP  1840.5",
        "property.price ['number'] [120]",
        "Order placed 1.0",
    ):
        assert line in told


def test_every_question_has_its_types_and_an_example() -> None:
    text = (DOCS / "answers.md").read_text("utf-8")
    asked = {re.sub(r"\{.*\}", "{id:path}", path) for path in re.findall(r'ask\(\s*f?"(/[^"]*)"', text)}
    assert asked == {path.path for path in PATHS}


def test_the_examples_in_curl_are_answered(environment: dict[str, str]) -> None:
    parts = SHELL.findall((DOCS / "api.md").read_text("utf-8"))
    lines = [line for part in parts for line in part.splitlines() if not line.startswith("export ")]
    questions = [line for line in lines if line.startswith(("ask ", "ask_with_body "))]
    streams = [line for line in lines if line.startswith("curl ")]
    told = [line for line in lines if line not in (*questions, *streams)]
    script = "\n".join([*told, *(f"echo {MARK!r}{number}; {line}; echo" for number, line in enumerate(questions))])
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [answer.partition("\n")[2].strip() for answer in done.stdout.split(MARK)[1:]]
    assert len(answers) == len(questions) > 15
    for question, answer in zip(questions, answers, strict=True):
        if question.startswith("ask /export"):
            assert answer.startswith('"at",')
        else:
            assert "error" not in json.loads(answer), question
    (stream,) = streams
    follows = subprocess.run(
        ["bash", "-euc", f"{stream} --max-time 3"], env=environment, capture_output=True, timeout=60, check=False
    )
    assert follows.stdout.startswith(b"retry: 2000\n\n")
