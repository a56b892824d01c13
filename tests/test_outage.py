"""The engine away under load: ingestion answers 200 throughout, nothing is lost or doubled, the backlog drains."""

import signal
import time

import pytest

from tests.oracle import Report, Tally, settle
from tests.sender import Sender
from tests.server_process import Server


def hang(server: Server, sender: Sender, seconds: float) -> None:
    """Stop the engine for so long, as a machine that swaps or a database that hangs."""
    with server.held("engine"):
        sender.run_for(seconds)


def keep_away(server: Server, sender: Sender, seconds: float) -> None:
    """Kill every engine that the supervisor starts, for so long; questions say meanwhile when to ask again."""
    deadline = time.monotonic() + seconds
    asked = False
    while time.monotonic() < deadline:
        server.signal(signal.SIGKILL, "engine")
        if not asked:
            authorization = f"Bearer {server.keys.read_key}"
            answer = server.request("GET", "/api/v1/stats", Authorization=authorization)
            assert (answer.status, "retry-after" in answer.headers) == (503, True), answer
            asked = True
        sender.run_for(0.1)


def check_outage(server: Server, outage: str, seconds: float, report: Report) -> None:
    with Sender(server.port, server.keys.write_key, pause_seconds=0.02) as sender:
        sender.run_for(1)
        before = len(sender.acknowledged)
        {"hanging": hang, "killed": keep_away}[outage](server, sender, seconds)
        during = len(sender.acknowledged) - before
        sender.run_for(1)
        sender.finish()
        back = time.monotonic()
        tally = settle(server, sender.acknowledged, seconds=90)
        drained = time.monotonic() - back
    report(
        f"engine {outage} {seconds:.0f} s: acknowledged meanwhile={during} drained in {drained:.1f} s {tally.line()}"
    )
    assert set(sender.answers) == {"200"}, sender.answers
    assert during > seconds * 50
    assert tally == Tally.perfect(tally.acknowledged)


@pytest.mark.parametrize("outage", ["hanging", "killed"])
def test_ingestion_goes_on_without_the_engine_for_ten_seconds(server: Server, outage: str, report: Report) -> None:
    check_outage(server, outage, 10, report)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("outage", ["hanging", "killed"])
def test_ingestion_goes_on_without_the_engine_for_a_minute(server: Server, outage: str, report: Report) -> None:
    check_outage(server, outage, 60, report)
