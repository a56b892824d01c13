"""The live stream: what came, in order, after any event, from whatever process stored it."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import reference
from asking import NOON, Asker, event

from shockmouse_analytics_server.errors import QuestionError
from shockmouse_analytics_server.loader import INSERT_SETTINGS
from shockmouse_analytics_server.question import Question
from shockmouse_analytics_server.ranges import Range, find_zone
from shockmouse_analytics_server.rows import ROW_COLUMNS, Row
from shockmouse_analytics_server.stream import Place, Streams

pytestmark = pytest.mark.engine

SECONDS = 60


@pytest.fixture
def asker(shared: Any, tmp_path: Path) -> Iterator[Asker]:
    with Asker(shared.open(), shared.open(read_only=True), tmp_path) as asker:
        yield asker


class Listener:
    """A browser on the stream, which leaves when it has heard enough."""

    def __init__(self, asker: Asker, query: dict[str, str], last_id: str | None) -> None:
        headers = [(b"authorization", f"Bearer {asker.keys['shop']}".encode())]
        headers += [(b"last-event-id", last_id.encode())] if last_id else []
        self._scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/api/v1/events/stream", "raw_path": b"", "query_string": urlencode(query).encode(),
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("api", 80), "root_path": "",
        }  # fmt: skip
        self._app = asker.app
        self._has_enough = asyncio.Event()
        self._heard = b""

    async def listen(self, count: int) -> list[tuple[str, Any]]:
        """Return the ids and contents of so many events."""

        async def receive() -> Any:
            await self._has_enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self._heard += message.get("body", b"")
            if self._heard.count(b"\n\ndata: ") + self._heard.count(b"\ndata: ") >= count:
                self._has_enough.set()

        await asyncio.wait_for(self._app(self._scope, receive, send), SECONDS)
        blocks = [block.split("\n") for block in self._heard.decode().split("\n\n") if block.startswith("id: ")]
        return [(lines[0].removeprefix("id: "), json.loads(lines[2].removeprefix("data: "))) for lines in blocks]


def listen(asker: Asker, count: int, last_id: str | None = None, **query: str) -> list[tuple[str, Any]]:
    async def start() -> list[tuple[str, Any]]:
        return await Listener(asker, query, last_id).listen(count)

    return asker.run(start())


def id_of(row: Row) -> str:
    return f"{round(row.received_at * 1000)}-{row.event_id}"


def received(seconds: float, **overrides: Any) -> Row:
    at = NOON + timedelta(seconds=seconds)
    return event(**{"at": at, "received_at": at, "session_started": NOON} | overrides)


BEFORE = f"{round(NOON.timestamp() * 1000) - 1}-{uuid.UUID(int=0)}"


def test_a_stream_goes_on_after_any_event_in_the_order_of_receipt(asker: Asker) -> None:
    rows = [received(number // 3, at=NOON - timedelta(minutes=number)) for number in range(12)]
    asker.store(*rows[::2])
    asker.store(*rows[1::2], received(1, project="rival"), received(1, bot="crawler"))
    rows.sort(key=lambda row: (row.received_at, *reference.order(row)[1:]))
    heard = listen(asker, 12, BEFORE)
    assert [name for name, _ in heard] == [id_of(row) for row in rows]
    assert [told["event_id"] for _, told in heard] == [row.event_id for row in rows]
    for number in (0, 5, 10):
        assert [name for name, _ in listen(asker, 11 - number, id_of(rows[number]))] == [
            id_of(row) for row in rows[number + 1 :]
        ]


def test_what_is_told_is_a_row_of_events(asker: Asker) -> None:
    asker.store(received(1, properties={"a.b": "x\ny"}), received(2, path="/other"))
    (heard,) = listen(asker, 1, BEFORE, filter="path:is:/")
    assert (
        heard[1] == asker.ask("/events", {"from": "2026-03-01", "to": "2026-04-01", "filter": "path:is:/"})["rows"][0]
    )
    (robot,) = listen(asker, 1, id_of(received(1)), filter="path:is:/other")
    assert robot[1]["path"] == "/other"


def test_events_are_told_when_they_have_come(asker: Asker) -> None:
    now = datetime.now(UTC)
    old = event(at=now - timedelta(hours=1), received_at=now - timedelta(hours=1))
    fresh = event(at=now, received_at=now)
    asker.store(old, fresh)
    assert [name for name, _ in listen(asker, 1)] == [id_of(fresh)]


def test_more_than_one_reading_holds_is_told_without_gaps(asker: Asker) -> None:
    rows = [received(number / 100) for number in range(1200)]
    asker.store(*rows)
    assert [name for name, _ in listen(asker, 1200, BEFORE)] == [id_of(row) for row in rows]


@pytest.mark.parametrize("last_id", ["nonsense", "1-2", f"{10**13}-{uuid.UUID(int=0)}", "9" * 13 + "-" + "-" * 36])
def test_an_id_that_no_stream_gave_is_refused(asker: Asker, last_id: str) -> None:
    headers = {"Authorization": f"Bearer {asker.keys['shop']}", "Last-Event-ID": last_id}
    assert asker.refusal("/events/stream", headers=headers)[:2] == (400, "bad_cursor")


def test_a_stream_has_no_range_and_needs_a_read_key(asker: Asker) -> None:
    assert asker.refusal("/events/stream", {"from": "2026-01-01"})[:2] == (400, "unknown_parameter")
    assert asker.refusal("/events/stream", key="shop write")[:2] == (403, "wrong_key")


def test_streams_are_few_and_leave_their_place(shared: Any) -> None:
    streams = Streams(lambda: None, limit=1)
    question = Question(project="none", range=Range(NOON, NOON, find_zone("UTC")))

    async def fill(database: Any) -> str:
        async with aclosing(streams.follow(database, question, Place(NOON), lambda: None)) as told:
            assert await anext(told) == b"retry: 2000\n\n"
            with pytest.raises(QuestionError) as refused:
                streams.check()
        streams.check()
        return f"{refused.value.status} {refused.value.code}"

    assert shared.run(fill, read_only=True) == "503 too_many_streams"


def test_nothing_is_told_before_what_was_received_earlier_is_stored(asker: Asker, shared: Any) -> None:
    """The newer of two events was stored first, as where the older one's neighbours are being divided."""
    now = datetime.now(UTC)
    older, newer = (event(at=now, received_at=now - timedelta(seconds=seconds)) for seconds in (60, 50))
    waiting: list[float] = [older.received_at]
    asker.store(newer)
    project = asker.project("shop")
    question = Question(project=project, range=Range(NOON, NOON, find_zone("UTC")))
    streams = Streams(lambda: waiting[0] if waiting else None)

    async def listen_on(database: Any) -> list[str]:
        place, heard = Place(now - timedelta(seconds=120)), []
        async with aclosing(streams.follow(database, question, place, lambda: None)) as told:
            assert await anext(told) == b"retry: 2000\n\n"
            coming = asyncio.create_task(anext(told))
            done, _ = await asyncio.wait([coming], timeout=2.5)
            assert not done
            await store(older)
            waiting.clear()
            heard = (await coming).decode().split("\n")
        return [line.removeprefix("id: ") for line in heard if line.startswith("id: ")]

    async def store(row: Row) -> None:
        own = msgspec.structs.replace(row, project=project)
        async with shared.open() as opened:
            await opened.insert("events", ROW_COLUMNS, msgspec.json.encode(own), settings=INSERT_SETTINGS)

    assert shared.run(listen_on, read_only=True) == [id_of(older), id_of(newer)]


def test_a_stream_ends_with_its_key(shared: Any) -> None:
    question = Question(project="none", range=Range(NOON, NOON, find_zone("UTC")))

    asked = iter([None])

    def allowed_once() -> None:
        if next(asked, "revoked"):
            raise QuestionError("unknown key", code="unknown_key", status=401)

    async def listen_on(database: Any) -> list[bytes]:
        return [part async for part in Streams(lambda: None).follow(database, question, Place(NOON), allowed_once)]

    assert shared.run(listen_on, read_only=True) == [b"retry: 2000\n\n"]
