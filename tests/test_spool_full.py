"""A full spool: 503 with Retry-After instead of loss, the server goes on answering, and it takes events again."""

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle import Report, Tally, settle
from tests.sender import event
from tests.server_process import Answer, Server, wait_until


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, spool_max_bytes=str(4 << 20)) as running:
        yield running


def send_batch(server: Server, dice: random.Random, acknowledged: list[str]) -> Answer:
    """Post 200 events and log them when they are acknowledged."""
    events = [event(dice) for _ in range(200)]
    answer = server.post({"batch_id": str(uuid.uuid4()), "events": events})
    if answer.status == 200:
        acknowledged += [made["event_id"] for made in events]
    return answer


def test_a_full_spool_answers_503_with_retry_after_and_drains(small_server: Server, report: Report) -> None:
    dice, acknowledged = random.Random(1), list[str]()
    with small_server.held("engine"):
        answers = [send_batch(small_server, dice, acknowledged)]
        while answers[-1].status == 200 and len(answers) < 500:
            answers.append(send_batch(small_server, dice, acknowledged))
        full = answers[-1]
        assert full.status == 503, full
        assert int(full.headers["retry-after"]) > 0
        assert "error" in full.json()
        assert small_server.request("GET", "/healthz").status == 200
        assert [send_batch(small_server, dice, acknowledged).status for _ in range(3)] == [503, 503, 503]
    wait_until(lambda: send_batch(small_server, dice, acknowledged).status == 200, 60, "events are taken again", 0.5)
    tally = settle(small_server, acknowledged)
    report(f"spool full after {len(answers) - 1} batches of 200: {tally.line()}")
    assert tally == Tally.perfect(len(acknowledged))
