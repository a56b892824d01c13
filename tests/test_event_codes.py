"""The table of codes in docs/events.md names exactly what ingestion can answer."""

import re
from pathlib import Path

from shockmouse_analytics_server.envelope import Envelope
from shockmouse_analytics_server.errors import BatchReusedError, SpoolBrokenError, SpoolFullError
from shockmouse_analytics_server.failures import failure_of
from shockmouse_analytics_server.wire import _SentEvent
from tests.codes import given, members

PAGE = (Path(__file__).parents[1] / "packages" / "analytics-server" / "docs" / "events.md").read_text(encoding="utf-8")
DOORS = ("ingest.py", "request.py", "body.py", "envelope.py", "wire.py")
FRONT = ("guard.py", "connections.py")
OBJECTS = ("json_limits.py", "contexts.py", "fingerprints.py")


def documented() -> dict[str, set[str]]:
    """Return the table's codes by status."""
    found: dict[str, set[str]] = {}
    for status, codes in re.findall(r"^\| (\d{3}(?:, \d{3})*) \| ([^|]*`[^|]*) \|", PAGE, re.MULTILINE):
        found.setdefault(status, set()).update(re.findall("`([a-z_]+)`", codes))
    return found


def test_the_table_of_codes_is_what_the_server_can_answer() -> None:
    def refused(status: int) -> set[str]:
        answers = (("BodyError", DOORS), ("error_answer", DOORS), ("Refusal", FRONT))
        return {code for name, modules in answers for code in given(name, 1, *modules, first=status)}

    failures = [failure_of(kind()) for kind in (BatchReusedError, SpoolFullError, SpoolBrokenError)]
    answered = {str(status): refused(status) for status in (400, 401, 403, 405, 408, 413, 415, 429, 431, 503)}
    for failure in failures:
        answered[str(failure.status)].add(failure.code)
    answered["400"] |= {"all_rejected", *given("Refusal", 1, *FRONT, first="hint")}
    answered["400"] |= members(Envelope) & {"bad_events", "bad_batch_id", "bad_sent_at", "bad_library"}
    answered["400"] |= {"bad_context", "bad_dropped", *given("RefusedError", 0, *OBJECTS)}
    assert documented() == answered


def test_the_codes_of_rejected_events_are_told() -> None:
    (told,) = re.findall(r"A rejected event's code is (.*?)\n\n", PAGE, re.DOTALL)
    by_name, others = members(_SentEvent), {*given("RefusedError", 0, "wire.py", *OBJECTS), "bad_event"}
    assert set(re.findall("`([a-z]+_[a-z_]+)`", told)) - by_name == others - by_name
