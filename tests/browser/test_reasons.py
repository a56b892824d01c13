"""Every code and reason of data health has words in the dashboard's one table, and no word is without a code."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from msgspec.structs import fields

from shockmouse_analytics_server.envelope import Envelope
from shockmouse_analytics_server.ingest import CLIENT_REASONS
from shockmouse_analytics_server.wire import _SentEvent
from tests.browser.reader import Reader

pytestmark = pytest.mark.browser
WORDS = """async () => (await import(
  document.querySelector("script[type=module]").src.replace("dashboard.js", "reasons.js"))).REASONS"""


def given(function: str, position: int, *modules: str, first: str = "") -> Iterator[str]:
    """Yield the texts that stand as this argument where the modules call the function, with this first argument."""
    package = files("shockmouse_analytics_server")
    for module in modules:
        for node in ast.walk(ast.parse(package.joinpath(module).read_text(encoding="utf-8"))):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name != function or len(node.args) <= position or (first and constants(node.args[0]) != [first]):
                continue
            yield from constants(node.args[position])


def constants(node: ast.expr) -> list[str]:
    """Return the text that an expression is, or those it chooses between."""
    choices = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [each.value for each in choices if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def members(kind: Any) -> set[str]:
    """Return the codes of a struct's members that may be refused; keys are read apart."""
    return {f"bad_{field.name}" for field in fields(kind)} - {"bad_key", "bad_write_key"}


def test_every_code_has_words(reader: Reader) -> None:
    words = reader.open("?view=health").evaluate(WORDS)
    parts = ("wire.py", "json_limits.py", "contexts.py", "fingerprints.py")
    rejected = {*given("RefusedError", 0, *parts), *members(_SentEvent), "bad_event"}
    assert set(words["rejected"]) == rejected
    doors = ("ingest.py", "request.py", "body.py", "envelope.py", "wire.py")
    of_batch = members(Envelope) & {"bad_events", "bad_batch_id", "bad_sent_at", "bad_library"}
    assert set(words["refused"]) == {*rejected, *given("BodyError", 1, *doors), *of_batch, "400", "503"}
    assert set(words["client_dropped"]) == {*CLIENT_REASONS, "other"}
    assert set(words["dropped"]) == set(given("add", 1, "ingest.py", first="dropped"))
    assert set(words["load_failures"]) == set(given("add", 1, "loader.py", first="load_failures"))
    assert all(text[0].isupper() and text.endswith(".") for part in words.values() for text in part.values())
