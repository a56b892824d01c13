"""Every code and reason of data health has words in the dashboard's one table, and no word is without a code."""

import pytest

from shockmouse_analytics_server.envelope import Envelope
from shockmouse_analytics_server.ingest import CLIENT_REASONS
from shockmouse_analytics_server.wire import _SentEvent
from tests.browser.reader import Reader
from tests.codes import given, members

pytestmark = pytest.mark.browser
WORDS = """async () => (await import(
  document.querySelector("script[type=module]").src.replace("dashboard.js", "reasons.js"))).REASONS"""


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
