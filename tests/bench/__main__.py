"""Prints the figures of one run, one JSON object a line: `python -m tests.bench [--quick] [PART…]`.

The parts are ingest, client and questions, which ends with exports; all of them without arguments. Server, engine and
load generator run on this machine at the same time, so read the ratios: both sides of each were measured in this run.
`encode_us` tells the machine's speed; a figure `…_at_reference` is what it would be on the machine of the targets.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench import erasure, exports, reference
from tests.bench.delivery import measure
from tests.bench.ingestion import Ingestion, Result, Size
from tests.bench.questions import Questions, accuracy
from tests.server_process import Server


class Sizes(NamedTuple):
    """How much each part does."""

    ingest: Size
    client: dict[str, int]
    generated: tuple[int, ...]
    repeats: int
    visitors: tuple[int, ...]


FULL_CLIENT = {"track": 20_000, "flush": 50_000, "burst": 200_000, "memory": 50_000, "import": 15}
QUICK_CLIENT = {"track": 1000, "flush": 2000, "burst": 2000, "memory": 2000, "import": 2}
MANY = tuple(10**power for power in range(3, 8))
FULL = Sizes(Size(batches=3000, singles=15_000, rounds=3, markers=15), FULL_CLIENT, (1_000_000, 10_000_000), 9, MANY)
QUICK = Sizes(Size(batches=20, singles=300, rounds=1, markers=2), QUICK_CLIENT, (20_000,), 2, (1000,))


def ingest(folder: Path, sizes: Sizes) -> Iterator[Result]:
    """Yield the figures of ingestion."""
    with Server(folder) as server:
        measured = Ingestion(server, folder, sizes.ingest)
        yield measured.memory()
        batch = measured.batch()
        yield batch
        yield measured.single()
        yield measured.visible(0)
        yield measured.visible(batch["events_per_second"] / 2)
        yield measured.disk()


def client(folder: Path, sizes: Sizes) -> Iterator[Result]:
    """Yield the figures of the client and of its middleware."""
    with Server(folder) as server:
        yield from measure(server, folder, sizes.client)


def questions(folder: Path, sizes: Sizes) -> Iterator[Result]:
    """Yield the figures of the questions, for each number of generated events, and how they grow."""
    with Server(folder) as server:
        measured = Questions(server, folder, sizes.repeats)
        for events in sizes.generated:
            yield {"bench": "generate", "events": events, "seconds": round(measured.generate(events), 1)}
            yield from measured.ask()
        yield from measured.growth()
        yield from accuracy(server.data_dir, sizes.visitors)
        for form in exports.FORMATS:
            yield exports.measure(server, form)
        yield erasure.measure(server)


PARTS = {"ingest": ingest, "client": client, "questions": questions}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures nothing")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    arguments = parser.parse_args()
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "workers": 1, "quick": arguments.quick}
    speed = {"encode_us": round(reference.encode_us(), 3)}
    print(json.dumps({"bench": "machine"} | machine | speed), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with it
    for part in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="shockmouse-bench-") as folder:
            for result in PARTS[part](Path(folder), QUICK if arguments.quick else FULL):
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
