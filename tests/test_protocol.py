"""The contract between the packages: whatever the client can produce, the server accepts unchanged."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics import Analytics
from shockmouse_analytics.counts import LOSSES
from shockmouse_analytics.gzip_member import append, pack, plain_bytes
from shockmouse_analytics_server.body import plain_bytes as read_body
from shockmouse_analytics_server.errors import BodyError
from shockmouse_analytics_server.ingest import CLIENT_REASONS
from shockmouse_analytics_server.wire import Batch, Limits, decode


class Posted(NamedTuple):
    """One request as it arrived."""

    body: bytes
    content_type: str
    content_encoding: str

    def decoded(self) -> Batch:
        return decode(self.body, self.content_type, self.content_encoding, Limits())

    def document(self) -> dict[str, Any]:
        """Return the JSON that was sent."""
        plain = gzip.decompress(self.body) if self.content_encoding == "gzip" else self.body
        document: dict[str, Any] = json.loads(plain)
        return document


class Recorder(ThreadingHTTPServer):
    """An endpoint that acknowledges every batch and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.posted: list[Posted] = []


class _Recording(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        posted = Posted(body, self.headers["Content-Type"], self.headers.get("Content-Encoding", ""))
        self.server.posted.append(posted)
        answer = json.dumps({"accepted": len(posted.document()["events"]), "duplicates": 0, "rejected": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def client(recorder: Recorder, folder: Path, **given: Any) -> Analytics:
    endpoint = f"http://127.0.0.1:{recorder.server_port}"
    return Analytics("wk_default_0000000000000000000000", endpoint=endpoint, offline_dir=folder, **given)


def check(recorder: Recorder, sent: int) -> None:
    """Every event that was posted is accepted by the server's decoder with the values that were sent."""
    accepted = 0
    for posted in recorder.posted:
        batch, document = posted.decoded(), posted.document()
        assert batch.rejected == ()
        assert str(batch.batch_id) == document["batch_id"]
        assert batch.library.name == "shockmouse-analytics"
        accepted += len(batch.events)
        for event, original in zip(batch.events, document["events"], strict=True):
            assert seen(event) == expected(original)
    assert accepted == sent


PLAIN = ("event_id", "type", "name", "timestamp", "session_id", "device_id", "user_id", "privacy", "boot_id")


def seen(event: Any) -> dict[str, Any]:
    """Return what the server made of an event, in the client's words."""
    fields = {name: getattr(event, name) for name in PLAIN}
    objects = {name: json.loads(bytes(getattr(event, name))) for name in ("properties", "user_properties")}
    fingerprint = {"hash": event.fingerprint.hash, "signals": sorted(event.fingerprint.signals)}
    return fields | objects | {"seq": event.seq, "sample_rate": event.sample_rate, "fingerprint": fingerprint}


def expected(original: dict[str, Any]) -> dict[str, Any]:
    """Return what the client sent, with what it left out as the server says it."""
    fields = {name: original.get(name) or "" for name in PLAIN}
    objects = {name: original.get(name) or {} for name in ("properties", "user_properties")}
    given = original.get("fingerprint") or {}
    fingerprint = {"hash": given.get("hash", ""), "signals": sorted(given.get("signals", {}))}
    numbers = {"seq": original.get("seq", 0), "sample_rate": original.get("sample_rate", 1.0)}
    return fields | objects | numbers | {"fingerprint": fingerprint}


@pytest.mark.parametrize("privacy", ["strict", "balanced", "full"])
def test_every_verb_in_every_mode_is_accepted_unchanged(recorder: Recorder, tmp_path: Path, privacy: str) -> None:
    with client(recorder, tmp_path, privacy=privacy) as analytics:
        analytics.register({"release": "1.2.3"})
        analytics.track("before anyone is known")
        analytics.identify("user-42", {"plan": "pro", "since": 2024})
        analytics.track("Report exported", {"format": "pdf", "pages": 12, "list": [1, 2.5, None, "x"]})
        analytics.page(url="https://example.com/a?b=c#d", title="Titel", referrer="https://search.example/")
        analytics.page()
        analytics.screen("Settings", {"tab": "privacy"})
        analytics.group("team-7", {"seats": 12})
        analytics.alias("user-43")
        with analytics.measure("render"):
            analytics.reset()
        analytics.capture_exception(ValueError("nothing of this travels"))
        assert analytics.flush(timeout=20)
    check(recorder, 10)


INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255).filter(
    lambda name: any(category(character) not in INVISIBLE for character in name)
)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=100)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))
PROPERTIES = st.dictionaries(KEYS, VALUES, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.tuples(NAMES, PROPERTIES), min_size=1, max_size=40))
def test_any_name_and_any_json_properties_are_accepted_unchanged(
    recorder: Recorder, tmp_path: Path, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    recorder.posted.clear()
    with client(recorder, tmp_path) as analytics:
        for name, properties in calls:
            analytics.track(name, properties)
        assert analytics.flush(timeout=20)
        assert dict(analytics.stats().dropped) == {}
    check(recorder, len(calls))


LIMIT = 1 << 20
TEXTS = st.text(st.characters(codec="utf-8"), max_size=2000).map(str.encode)


@given(start=TEXTS, times=st.integers(1, 200), end=TEXTS)
def test_what_is_added_to_a_packed_batch_is_read_as_one_member(start: bytes, times: int, end: bytes) -> None:
    body = append(pack(start * times), end)
    assert read_body(body, "gzip", LIMIT) == gzip.decompress(body) == start * times + end
    assert plain_bytes(body) == len(start * times + end)


@given(start=TEXTS, end=TEXTS, place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_packed_batch_that_a_disk_has_damaged_is_refused_or_read_as_it_was(
    start: bytes, end: bytes, place: float, bit: int
) -> None:
    damaged = bytearray(pack(start))
    damaged[int(len(damaged) * place)] ^= 1 << bit
    try:
        read = read_body(append(bytes(damaged), end), "gzip", LIMIT)
    except BodyError:
        return
    assert read == start + end


def test_the_server_knows_every_loss_that_the_client_tells_of() -> None:
    assert LOSSES <= CLIENT_REASONS
