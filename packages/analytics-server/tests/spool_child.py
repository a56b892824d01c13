"""What the tests let real processes do to a spool before they kill them: `spool_child.py WHAT FOLDER ARGUMENTS…`.

append SEED   append batches for ever; a line of event ids for each that is acknowledged, the error's name for others
same COUNT    append the same batches as every other such process, then print how many events were new and known
hold          take the write lock, say so, and keep it
cut           cut a segment and die before its insert
"""

import os
import random
import signal
import sys
import time
import uuid
from pathlib import Path

from spooled import entry_of, make_row, open_spool

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.errors import ServerError
from shockmouse_analytics_server.spool import Spool


def append(spool: Spool, seed: str) -> None:
    dice = random.Random(seed)
    while True:
        rows = [make_row(context="x" * dice.randrange(2_000)) for _ in range(dice.randrange(1, 50))]
        try:
            spool.append([entry_of(rows)])
        except ServerError as exc:
            print(type(exc).__name__, flush=True)
            time.sleep(0.01)
            continue
        print(*[row.event_id for row in rows], flush=True)


def same(spool: Spool, count: str) -> None:
    """Batch ids and event ids depend on the number only."""
    accepted = duplicates = 0
    for number in range(int(count)):
        batch_id = uuid.uuid5(uuid.NAMESPACE_URL, str(number))
        rows = [make_row(event_id=str(uuid.uuid5(batch_id, str(index)))) for index in range(3)]
        for answer in spool.append([entry_of(rows, batch_id=batch_id)]):
            accepted += answer.accepted
            duplicates += answer.duplicates
    print(accepted, duplicates, flush=True)


def hold(spool: Spool) -> None:
    with spool.file.transaction():
        print("held", flush=True)
        signal.pause()


def cut(spool: Spool) -> None:
    assert segments.cut(spool.file, 1 << 40, 0)
    os.kill(os.getpid(), signal.SIGKILL)


STEPS = {"append": append, "same": same, "hold": hold, "cut": cut}

if __name__ == "__main__":
    with open_spool(Path(sys.argv[2])) as opened:
        STEPS[sys.argv[1]](opened, *sys.argv[3:])
