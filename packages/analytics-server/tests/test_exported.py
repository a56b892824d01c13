"""A line of an export becomes the row that it was, as far as ingestion would have it."""

import json
import uuid
from typing import Any

import msgspec
import pytest
from asking import NOON
from export_lines import EVER, line_of

from shockmouse_analytics_server.exported import read_row
from shockmouse_analytics_server.json_limits import RefusedError


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "yesterday"},
        {"at": "2026-03-10T12:00:00"},
        {"at": "1999-12-31T00:00:00Z"},
        {"at": "2026-03-12T12:00:01Z"},
        {"received_at": "2126-01-01T00:00:00Z"},
        {"session_started_at": "2026-03-01T00:00:00Z"},
        {"sent_at": "1815-01-01T00:00:00Z"},
        {"event_id": "one"},
        {"type": "party"},
        {"device_id": ""},
        {"session_id": "x" * 65},
        {"sample_rate": 0},
        {"sample_rate": 2},
        {"seq": -1},
        {"name": None},
        {"name": 5},
        {"title": "x" * 20_000},
        {"privacy": "loud"},
        {"properties": []},
        {"properties": {"x": 10**30}},
        {"context": "no json"},
        {"context": []},
        {"context": {"x": 10**30}},
        {"fingerprint": {"os": 1}},
        {"project": "rival"},
        {"surprise": 1},
    ],
)
def test_a_line_that_is_no_event_of_an_export_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        read_row(line_of(**wrong), EVER, NOON.timestamp() + 100 * 86_400)
    assert refused.value.reason


@pytest.mark.parametrize("privacy", ["strict", "balanced", "full"])
def test_of_an_address_is_kept_what_ingestion_would_keep(privacy: str) -> None:
    line = line_of(ip="198.51.100.77", user_agent="Firefox", privacy=privacy)
    kept = [read_row(line, msgspec.structs.replace(EVER, ip=mode), 2e9) for mode in ("truncate", "drop", "keep")]
    expected = ["198.51.100.0", "", "198.51.100.77"] if privacy == "full" else ["", "", "198.51.100.77"]
    assert [row.ip for row in kept] == expected
    assert [row.user_agent for row in kept] == ["Firefox" if privacy == "full" else ""] * 3


def test_a_refused_line_is_told_in_our_words() -> None:
    with pytest.raises(RefusedError, match=r"^seq is -1, but should be a whole number of at least 0$"):
        read_row(line_of(seq=-1), EVER, NOON.timestamp() + 100 * 86_400)


def test_what_is_missing_is_empty() -> None:
    needed = ("at", "received_at", "event_id", "type", "device_id", "session_id", "session_started_at")
    whole = json.loads(line_of(fingerprint={}, properties={}, sent_at=None))
    row = read_row(json.dumps({name: whole[name] for name in needed}).encode(), EVER, NOON.timestamp())
    empty = {"path": "", "timestamp": "", "privacy": "", "seq": 0, "batch_id": row.event_id}
    same = read_row(line_of(event_id=row.event_id, **empty), EVER, NOON.timestamp())
    assert msgspec.json.encode(row) == msgspec.json.encode(same)
    for name in needed:
        with pytest.raises(RefusedError, match=name):
            read_row(json.dumps({other: whole[other] for other in needed if other != name}).encode(), EVER, 2e9)


def test_an_export_of_before_names_the_sessions_start_otherwise_and_has_its_context_as_text() -> None:
    line = json.loads(line_of(batch_id=str(uuid.uuid4()), context={"x": [1, "two\nlines"], "n": None}))
    before = line | {"context": json.dumps(line["context"], indent=1)}
    before["session_started"] = before.pop("session_started_at")
    rows = [read_row(json.dumps(each).encode(), EVER, NOON.timestamp()) for each in (line, before)]
    assert msgspec.json.encode(rows[0]) == msgspec.json.encode(rows[1])
