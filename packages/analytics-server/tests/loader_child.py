"""What the tests let a real loader process do before it kills itself: `loader_child.py WHAT FOLDER SOCKET NAME`.

insert   cut and insert a segment; die before finishing it
divide   insert a segment that is refused and divide it; die before its parts
part     load two parts, insert a third; die before finishing it
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from spooled import open_spool

from shockmouse_analytics_server import segments
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.counters import Counters
from shockmouse_analytics_server.errors import BadRowsError
from shockmouse_analytics_server.loader import Loader
from shockmouse_analytics_server.spool import Spool


async def insert(spool: Spool, loader: Loader) -> None:
    segment = segments.cut(spool.file, 1 << 40, await loader.newest_block())
    assert segment is not None
    await loader.insert(segment)


async def divide(spool: Spool, loader: Loader) -> None:
    segment = segments.cut(spool.file, 1 << 40, await loader.newest_block())
    assert segment is not None
    try:
        await loader.insert(segment)
    except BadRowsError as exc:
        await loader.refuse(segment, exc, 0)


async def part(spool: Spool, loader: Loader) -> None:
    for _ in range(2):
        found = segments.find_part(spool.file)
        assert found is not None
        await loader.load(found, found.block)
    third = segments.find_part(spool.file)
    assert third is not None
    await loader.insert(third)


STEPS = {"insert": insert, "divide": divide, "part": part}


async def main(what: str, folder: Path, socket: str, name: str) -> None:
    database = Database(url="http://engine/", socket_path=Path(socket), database=name)
    with open_spool(folder) as spool, Counters(folder / "child.sqlite") as counters:
        async with database:
            await STEPS[what](spool, Loader(spool, database, folder / "loading.lock", counters))
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
