"""Log lines: one event each, without keys, line breaks or what somebody sent."""

import io
import json
import logging
from typing import Literal

import pytest

from shockmouse_analytics_server.errors import DatabaseError, SpoolFullError
from shockmouse_analytics_server.logs import Lines

KEY = "rk_site_" + "a" * 32


def written(form: Literal["text", "json"], *arguments: object, error: BaseException | None = None) -> str:
    """Return the line of one warning."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines("http", form))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning(*arguments, exc_info=error)  # type: ignore[arg-type]
    return stream.getvalue()


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as exc:
        return exc


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_line_stays_one_line(form: Literal["text", "json"]) -> None:
    line = written(form, "a\nb\r\nc\x00d\x1b[31m\u2028e")
    assert (line.count("\n"), "a b c d [31m e" in line) == (1, True)


def test_keys_are_left_out(form: Literal["text", "json"]) -> None:
    line = written(form, "refused %s", KEY)
    assert ("rk_…" in line or "rk_\\u2026" in line, KEY[8:] in line) == (True, False)


def test_json_lines_hold_fields() -> None:
    found = json.loads(written("json", "started %s", "engine"))
    assert sorted(found) == ["at", "level", "message", "pid", "process"]
    assert (found["level"], found["process"], found["message"]) == ("warning", "http", "started engine")


def test_foreign_exceptions_are_told_by_class_and_place_only(form: Literal["text", "json"]) -> None:
    line = written(form, "failed", error=raised(ValueError("secret of a visitor")))
    assert "failed: ValueError at test_logs.py:" in line
    assert "secret" not in line


def test_what_the_database_quotes_is_left_out(form: Literal["text", "json"]) -> None:
    line = written(form, "failed", error=raised(DatabaseError("Code: 27. Cannot parse 'secret'", 27)))
    assert "failed: DatabaseError code 27 at" in line
    assert "secret" not in line


def test_our_own_words_are_told(form: Literal["text", "json"]) -> None:
    assert "SpoolFullError 10 MiB are waiting at" in written(
        form, "no", error=raised(SpoolFullError("10 MiB are waiting"))
    )
