"""Where the server gives the device, it also decides whether the device is of the share that is kept."""

import json
from pathlib import Path
from typing import Any

from shockmouse_analytics_server.sampling import keeps

from .worker import Worker, event, running_worker

VECTORS = Path(__file__).parents[2] / "analytics" / "tests" / "sampling_vectors.json"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
VISITORS = 60


def visit(number: int, rate: float, **members: Any) -> list[dict[str, Any]]:
    """Return two events of one visitor; each number is a visitor of its own."""
    context = {"ip": f"203.{number}.113.7", "user_agent": BROWSER}
    return [event(context=context, sample_rate=rate, **members) for _ in range(2)]


def stored(worker: Worker, sent: list[dict[str, Any]]) -> list[bool]:
    return [len(worker.rows(each["event_id"])) == 1 for each in sent]


def test_the_shared_vectors_decide_the_same_on_the_server() -> None:
    for vector in json.loads(VECTORS.read_text("utf-8")):
        share = vector["hash"] / 2**32
        assert [keeps(vector["device_id"], share), keeps(vector["device_id"], share + 2**-32)] == [False, True]


def test_a_visitor_without_an_id_is_kept_or_left_out_whole_and_counted(tmp_path: Path) -> None:
    with running_worker(tmp_path) as worker:
        sent = [visit(number, 0.5) for number in range(VISITORS)]
        batch = {"batch_id": "0190a000-0000-7000-8000-000000000001", "events": [each for both in sent for each in both]}
        first, again = worker.post(batch), worker.post(batch)
        kept = [stored(worker, both) for both in sent]
        assert {tuple(both) for both in kept} == {(True, True), (False, False)}
        accepted = sum(map(sum, kept))
        assert 0.25 < accepted / (2 * VISITORS) < 0.75
        assert first.content == {"accepted": accepted, "duplicates": 0, "rejected": []}
        assert again.content == {"accepted": 0, "duplicates": accepted, "rejected": []}
        for both, is_kept in zip(sent, kept, strict=True):
            for each in both:
                for row in worker.rows(each["event_id"]):
                    assert (keeps(row.device_id, 0.5), row.sample_rate) == (is_kept[0], 0.5)


def test_a_device_that_the_sender_knows_was_sampled_by_the_sender(tmp_path: Path) -> None:
    with running_worker(tmp_path) as worker:
        sent = [each for number in range(20) for each in visit(number, 1e-6, device_id=f"device-{number}")]
        assert worker.post({"events": sent}).content == {"accepted": 40, "duplicates": 0, "rejected": []}
        assert stored(worker, sent) == [True] * 40
