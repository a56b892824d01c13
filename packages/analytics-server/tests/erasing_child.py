"""An erasure that dies when a step has run, before that is noted: `erasing_child.py FOLDER SOCKET NAME STEP`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from shockmouse_analytics_server import erasure_journal, person_erasure
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.erasure_journal import Subject
from shockmouse_analytics_server.erasure_work import Place, Work
from shockmouse_analytics_server.folder import directory_path, spool_path
from shockmouse_analytics_server.projects import Directory
from shockmouse_analytics_server.spool import Spool


async def main(data_dir: Path, socket: str, name: str, last: str) -> None:
    with (
        Directory(directory_path(data_dir)) as directory,
        Spool(spool_path(data_dir), max_bytes=1 << 30, reserve_bytes=0) as spool,
    ):
        async with Database(url="http://engine/", socket_path=Path(socket), database=name) as database:
            place = Place(database, directory, spool, data_dir, None, has_other_nodes=False)
            begun = erasure_journal.begin(place.journal, Subject(project="shop", user_id="anna"), "test", 0.0)
            work = Work(place, begun)
            for step, run in person_erasure.STEPS:
                await run(work)
                if step == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                begun.done.append(step)
                await work.save()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
