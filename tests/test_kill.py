"""kill -9 of any process under load: every acknowledged event is stored and counted exactly once."""

import random
import signal
import time

import pytest

from tests.oracle import Report, Tally, settle
from tests.sender import Sender
from tests.server_process import Server, wait_until

VICTIMS: tuple[tuple[str, ...], ...] = (
    ("http",),
    ("loader",),
    ("engine",),
    ("http", "loader", "engine"),
    ("supervisor", "http", "loader", "engine"),
    ("supervisor",),
)


def kill_and_recover(server: Server, victims: tuple[str, ...]) -> None:
    """Kill these processes at once; whoever runs a server starts it again when its supervisor is gone."""
    assert server.signal(signal.SIGKILL, *victims) >= len(victims)
    if "supervisor" in victims:
        wait_until(lambda: not server.alive(), 10, "the orphans have ended")
        server.start()


def run_kills(server: Server, rounds: int, seed: int) -> Tally:
    """Kill `rounds` times at random moments under load, each kind of victim in turn; return the final tally."""
    dice = random.Random(seed)
    with Sender(server.port, server.keys.write_key) as sender:
        for number in range(rounds):
            sender.run_for(dice.uniform(0.05, 0.6))
            wait_until(lambda: roles_are_up(server), 30, "all processes run again")
            kill_and_recover(server, VICTIMS[number % len(VICTIMS)])
        sender.finish()
        print(f"answers while killing: {dict(sender.answers)}")
        return settle(server, sender.acknowledged)


def roles_are_up(server: Server) -> bool:
    """Tell whether each role has a living process, so that the next kill meets what it aims at."""
    return {role for role, _ in server.processes()} >= {"supervisor", "http", "loader", "engine"}


def check_kills(server: Server, rounds: int, report: Report) -> None:
    seed = time.time_ns()
    tally = run_kills(server, rounds, seed)
    report(f"kills: rounds={rounds} seed={seed} {tally.line()}")
    assert tally.acknowledged > rounds * 10
    assert tally == Tally.perfect(tally.acknowledged)


@pytest.mark.timeout(300)
def test_25_kills_under_load_neither_lose_nor_double_an_event(server: Server, report: Report) -> None:
    check_kills(server, 25, report)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_200_kills_under_load_neither_lose_nor_double_an_event(server: Server, report: Report) -> None:
    check_kills(server, 200, report)
