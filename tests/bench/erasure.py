"""How long it takes to erase one user among all events, and how questions are answered meanwhile."""

import json
import threading
import time
from statistics import median

from tests.bench.ingestion import Result
from tests.oracle import query
from tests.server_process import Server

ASK_SECONDS = 0.2
LONGEST_SECONDS = 900
# The user with the most events of the generated ones.
BUSIEST = """
select user_id, count() as events from events where project = 'together' and user_id != ''
group by user_id order by events desc, user_id limit 1
"""


def measure(server: Server) -> Result:
    """Return the figures of one erasure; raises where a question was not answered meanwhile."""
    (user,) = query(server.data_dir, BUSIEST)
    (stored,) = query(server.data_dir, "select count() as n from events")
    ended = threading.Event()
    answered: list[float] = []
    asking = threading.Thread(target=ask_often, args=(server, ended, answered))
    asking.start()
    started = time.monotonic()
    try:
        arguments = ("erase", "--project", "together", "--user-id", user["user_id"])
        receipt = json.loads(server.command(*arguments, seconds=LONGEST_SECONDS))
        seconds = time.monotonic() - started
    finally:
        ended.set()
        asking.join()
    if not answered or any(table["rows_left"] for table in receipt["tables"]):
        raise RuntimeError(f"erasure failed: {receipt}, {len(answered)} answers")
    return {
        "bench": "erasure",
        "events": stored["n"],
        "erased_events": user["events"],
        "seconds": round(seconds, 1),
        "answers_meanwhile": len(answered),
        "stats_median_ms": round(median(answered) * 1000, 1),
        "stats_slowest_ms": round(max(answered) * 1000, 1),
    }


def ask_often(server: Server, ended: threading.Event, answered: list[float]) -> None:
    """Ask one question after the other until the erasure has ended; how long each took."""
    while not ended.is_set():
        started = time.monotonic()
        server.ask("stats")
        answered.append(time.monotonic() - started)
        ended.wait(ASK_SECONDS)
