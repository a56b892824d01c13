"""Exports: every field of every event, in three formats; cells that are no formulas; long ones in little memory."""

import asyncio
import csv
import io
import json
import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from asking import NOON, RANGE, Asker, event

from shockmouse_analytics_server.export import COLUMNS, SHOWN, export
from shockmouse_analytics_server.filters import compile_filters, parse
from shockmouse_analytics_server.question import Question
from shockmouse_analytics_server.ranges import Range, find_zone
from shockmouse_analytics_server.rows import Row

from .serving import command

pytestmark = pytest.mark.engine

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '"', "a,b", "two\nlines", "'", "größe", " =1"]


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


def cells(answer: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.decode(), newline="")))


def test_json_lines_hold_every_field_as_it_was(asker: Asker) -> None:
    properties = {"a.b": 1, "a": {"b": [1, "x"]}, "when": "2026-01-01T00:00:00Z", "big": 2**53 + 1}
    row = event(properties=properties, fingerprint={"os": "Linux"}, sent_at=NOON.timestamp(), context='{"x":\n1}')
    asker.store(row, event(project="rival"), event(at=NOON + timedelta(days=90)))
    (line,) = asker.response("/export", RANGE).content.splitlines()
    given = {name: getattr(row, name) for name in COLUMNS}
    given |= dict.fromkeys(("at", "session_started", "received_at", "sent_at"), "2026-03-10T12:00:00.000Z")
    given |= {"properties": properties, "user_properties": {}, "context": {"x": 1}}
    given["session_started_at"] = given.pop("session_started")
    assert json.loads(line) == given


def test_events_come_in_order_and_bots_as_asked_for(asker: Asker) -> None:
    rows = [event(at=NOON + timedelta(seconds=-number), name=str(number)) for number in range(5)]
    asker.store(*rows, event(name="robot", bot="crawler"))
    lines = asker.response("/export", RANGE).content.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["4", "3", "2", "1", "0"]
    lines = asker.response("/export", RANGE | {"bots": "only", "filter": "name:is:robot"}).content.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["robot"]


def test_no_cell_is_a_formula_and_every_cell_stands_in_quotes(asker: Asker) -> None:
    asker.store(*(event(at=NOON + number * timedelta(seconds=1), name=text) for number, text in enumerate(DANGEROUS)))
    answer = asker.response("/export", RANGE | {"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    found = cells(answer.content)
    assert [row["name"] for row in found] == [f"'{text}" if text[0] in "=+-@\t\r" else text for text in DANGEROUS]
    assert {tuple(row) for row in found} == {tuple(SHOWN.values())}
    assert {(row["sample_rate"], row["sent_at"], row["properties"]) for row in found} == {("1", "", "{}")}
    assert found[0]["at"] == "2026-03-10T12:00:00.000Z"
    first, second = answer.content.decode().splitlines()[:2]
    assert first == ",".join(f'"{name}"' for name in SHOWN.values())
    assert second.startswith('"') and second.count('","') == len(COLUMNS) - 1  # noqa: PT018


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_filters_mean_what_is_stored_whatever_the_format(asker: Asker, form: str) -> None:
    asker.store(event(name="-yes-", properties={"plan": "pro"}), event(name="-no-", properties={"plan": "free"}))
    asked = [("filter", "property.plan:is:pro"), ("filter", "name:is:-yes-"), ("filter", "entry_path:is:/")]
    answer = asker.response("/export", [*RANGE.items(), *asked, ("format", form)])
    assert (answer.status_code, b"-yes-" in answer.content, b"-no-" in answer.content) == (200, True, False)


def test_an_empty_export_has_its_head_only(asker: Asker) -> None:
    assert asker.response("/export", RANGE).content == b""
    assert cells(asker.response("/export", RANGE | {"format": "csv"}).content) == []


def test_parquet_is_read_back_by_the_engine(asker: Asker, shared: Any, tmp_path: Path) -> None:
    rows = [event(name=text, properties={"n": 1}, fingerprint={"os": "Linux"}) for text in DANGEROUS]
    asker.store(*rows)
    file = tmp_path / "export.parquet"
    file.write_bytes(asker.response("/export", RANGE | {"format": "parquet"}).content)
    if shared.engine.data_dir is None:
        assert file.read_bytes()[-4:] == b"PAR1"
        return
    columns = "select name, event_id, at, properties, fingerprint"
    sql = f"{columns} from file('{file}', Parquet) order by name"

    async def ask(database: Any) -> Any:
        return await database.fetch(sql)

    assert shared.run(ask) == [
        {"name": row.name, "event_id": row.event_id, "at": "2026-03-10T12:00:00.000Z", "properties": '{"n":1}',
         "fingerprint": '{"os":"Linux"}'}
        for row in sorted(rows, key=lambda row: row.name.encode())
    ]  # fmt: skip


def test_a_long_export_takes_little_memory(asker: Asker, shared: Any) -> None:
    rows: list[Row] = [event(at=NOON + timedelta(milliseconds=n), title="x" * 2000, name=str(n)) for n in range(20_000)]
    asker.store(*rows)
    question = Question(project=asker.project("shop"), range=Range(NOON, NOON + timedelta(days=1), find_zone("UTC")))

    async def measure(database: Any) -> tuple[int, int, int]:
        process = psutil.Process(os.getpid())
        before, size, most = process.memory_info().rss, 0, 0
        async for part in export(database, question, "jsonl"):
            size += len(part.body)
            most = max(most, process.memory_info().rss - before)
            await asyncio.sleep(0)
        return size, most, size // 2

    size, most, half = shared.run(measure, read_only=True)
    assert size > 40_000_000
    assert most < half


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_an_export_in_slices_is_whole_and_in_order(asker: Asker, form: str) -> None:
    dice = random.Random(1)
    moments = [NOON + timedelta(milliseconds=dice.choice((0, 1, 2, 5000, 86_400_000))) for _ in range(200)]
    rows = [event(at=at, name=f"step {number}") for number, at in enumerate(moments)]
    asker.store(*rows, event(at=NOON - timedelta(days=30)))
    filters = compile_filters([parse("name:is_not:step 3"), parse("entry_path:is:/")])
    month = Range(NOON - timedelta(days=9), NOON + timedelta(days=20), find_zone("UTC"))
    question = Question(project=asker.project("shop"), range=month, conditions=filters)

    async def read() -> tuple[bytes, list[int]]:
        parts = [part async for part in export(asker.asking, question, form, slice_events=7)]
        return b"".join(part.body for part in parts), [part.events for part in parts if part.events]

    answer, slices = asker.run(read())
    wanted = [row for row in sorted(rows, key=stored_order) if row.name != "step 3"]
    if form == "parquet":
        import pyarrow.parquet as parquet  # comes with the engine only

        table = parquet.read_table(io.BytesIO(answer))
        found = [{"name": name, "event_id": row_id} for name, row_id in zip(table["name"].to_pylist(),
                 table["event_id"].to_pylist(), strict=True)]  # fmt: skip
    else:
        found = cells(answer) if form == "csv" else [json.loads(line) for line in answer.splitlines()]
    assert [(row["name"], row["event_id"]) for row in found] == [(row.name, row.event_id) for row in wanted]
    assert (sum(slices), max(slices)) == (len(wanted), 7)


def stored_order(row: Row) -> tuple[float, int, int]:
    """Return what ClickHouse sorts by: of an id the second half first."""
    number = UUID(row.event_id).int
    return row.at, number & ((1 << 64) - 1), number >> 64


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [({"format": "xml"}, 400, "unknown_format"), ({"limit": 5}, 400, "unknown_parameter")],
)
def test_what_is_not_understood_is_refused(asker: Asker, asked: dict[str, Any], status: int, code: str) -> None:
    assert asker.refusal("/export", asked)[:2] == (status, code)


def test_only_a_read_key_exports(asker: Asker) -> None:
    assert asker.refusal("/export", key="shop write")[:2] == (403, "wrong_key")
    assert asker.refusal("/export", headers={})[:2] == (401, "no_key")


def test_the_command_writes_to_standard_output(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert command(folder, "project", "create", "shop").code == 0
    done = command(folder, "export", "--project", "shop", "--format", "csv", "--from", "2026-01-01")
    assert (done.code, cells(done.out.encode()), done.err) == (0, [], "")
    assert done.out.count("\n") == 1
    wrong = command(folder, "export", "--project", "shop", "--from", "yesterday")
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 1)
    assert command(folder, "export", "--project", "nobody").code == 1
