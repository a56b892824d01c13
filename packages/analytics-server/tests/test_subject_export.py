"""A subject export while events are on their way; what is in it otherwise: test_privacy.py."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from shockmouse_analytics_server.erasure_journal import Subject
from shockmouse_analytics_server.erasure_work import Place as ExportPlace
from shockmouse_analytics_server.subject_export import lines_of
from shockmouse_analytics_server.subjects import find_ids

from .conftest import Place
from .erasing import Node
from .spooled import make_row

pytestmark = pytest.mark.engine


def test_an_event_that_is_loaded_meanwhile_is_told_once(migrated: Place, tmp_path: Path) -> None:
    stored, waiting = (make_row(project="shop", user_id="anna") for _ in range(2))

    async def export(place: ExportPlace) -> list[str]:
        subject = Subject(project="shop", user_id="anna")
        told = []
        async for table, line in lines_of(place, subject, await find_ids(place.database, subject)):
            if table in ("events", "spool"):
                told.append(msgspec.json.decode(line)["row"]["event_id"])
                await asyncio.to_thread(node.load_waiting)
        return told

    with Node(migrated, tmp_path) as node:
        node.load(stored)
        node.spool(waiting)
        assert sorted(node.run(export)) == sorted([stored.event_id, waiting.event_id])
