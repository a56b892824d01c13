"""The yardstick of `ingest_batch`: the engine alone takes the loader's blocks one after another, in its own process.

python -m tests.bench.engine DATA_DIR BLOCKS

DATA_DIR has been migrated by the server's own command; BLOCKS is a folder of files with rows as the loader sends them.
Prints one JSON object: rows, rows per second in the loader's format and from Native, always with every view.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import chdb

from shockmouse_analytics_server.loader import INSERT_SETTINGS
from tests.oracle import TOTALS

TABLES = ("events", *TOTALS)
INSERT_FORMAT = "JSONCompactEachRow"


def insert(connection: chdb.state.sqlitelike.Connection, block: bytes, form: str) -> None:
    """Store one block; returns when it is on disk."""
    with connection.send_insert("insert into events", form) as inserter:
        inserter.append(block)
        inserter.finish()


def rows_per_second(connection: chdb.state.sqlitelike.Connection, blocks: Sequence[bytes], form: str) -> float:
    """Return how fast empty tables take these blocks."""
    for table in TABLES:
        connection.query(f"truncate table {table}")
    started = time.perf_counter()
    for block in blocks:
        insert(connection, block, form)
    seconds = time.perf_counter() - started
    return int(str(connection.query("select count() from events", "TSV"))) / seconds


def as_native(connection: chdb.state.sqlitelike.Connection, rows: Sequence[int]) -> list[bytes]:
    """Return the stored rows as Native, in blocks of as many rows as the loader's."""
    blocks, offset = [], 0
    for count in rows:
        sql = f"select * from events order by project, at, event_id limit {count} offset {offset}"
        blocks.append(connection.query(sql, "Native").bytes())
        offset += count
    return blocks


def main(data_dir: Path, folder: Path) -> None:
    """Measure both formats on the same rows."""
    blocks = [path.read_bytes() for path in sorted(folder.iterdir())]
    with chdb.connect(str(data_dir / "engine")) as connection:
        connection.query("use shockmouse")
        for name, value in INSERT_SETTINGS.items():
            connection.query(f"set {name} = {value!r}")
        insert(connection, blocks[0], INSERT_FORMAT)  # warm, not counted
        compact = rows_per_second(connection, blocks, INSERT_FORMAT)
        native = rows_per_second(connection, as_native(connection, [block.count(b"\n") for block in blocks]), "Native")
    measured = {"rows_per_second": round(compact), "native_rows_per_second": round(native)}
    print(json.dumps(measured | {"block_rows": blocks[0].count(b"\n"), "blocks": len(blocks)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
