"""The browser script served by the site itself, and its events taken by the site: nothing goes to another host.

GET  /_shockmouse/agent.js   the script that tools/build_agent.py has made small, with an ETag, gzipped where asked
POST /_shockmouse/events     a batch of the script's; 202 when the client has it, which delivers it like its own events

A blocker knows neither host nor path, and while the analytics server is away the batches wait on this machine's disk.
"""

import gzip
import hashlib
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import resources
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from .browser_batch import read_batch
from .etag import Condition, digits_of, read_condition
from .request import Request
from .visit import Visit, Visits

logger = logging.getLogger("shockmouse_analytics")

PREFIX = "/_shockmouse/"
SCRIPT = PREFIX + "agent.js"
EVENTS = PREFIX + "events"
FILE = "agent.min.js"
MAX_BODY_BYTES = 128 << 10  # browsers send at most 64 KiB when a page ends

_CODES = {400: "bad_batch", 401: "unknown_key", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Answer(Struct, frozen=True):
    """A whole answer; header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers with the length of the body."""
        return [*self.headers, ("content-length", str(len(self.body)))]


class FirstParty:
    """Answers what begins with PREFIX, and makes the tag that brings the script into a page."""

    def __init__(self, visits: Visits) -> None:
        """Read the script from the package."""
        self._visits = visits
        self._script = _read_script()
        self._zipped = gzip.compress(self._script or b"", 9, mtime=0)
        self._digest = hashlib.sha256(self._script or b"").hexdigest()[:16]

    @property
    def has_script(self) -> bool:
        """Whether there is a script to bring into pages."""
        return self._script is not None

    def tag(self, request: Request, visit: Visit, *, shared: bool) -> bytes:
        """Return the element that loads the script; one and the same for all visitors where the answer is shared."""
        analytics = self._visits.analytics
        options = f' data-key="{analytics.write_key}" data-events="events"'
        if analytics.privacy != "balanced":
            options += f' data-privacy="{analytics.privacy}"'
        if self._visits.drops_refusals:
            options += ' data-gpc="drop"'
        if visit.visitor.device_id and not shared:
            options += ' data-consent="given"'
        return f'<script defer src="{_escape(request.root)}{SCRIPT}"{options}></script>'.encode()

    def condition(self, request: Request, visit: Visit) -> Condition:
        """Return what a request for a page asks about the copies that its browser has."""
        return read_condition(
            request.header,
            lambda: {digits_of(self.tag(request, visit, shared=shared), shared=shared) for shared in (True, False)},
        )

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request, None if its body is needed for that: see take()."""
        if request.path == SCRIPT:
            return self._answer_script(request)
        if request.path != EVENTS:
            return _refuse(404, "nothing is here")
        if request.method != "POST":
            return _refuse(405, "events come by POST", ("allow", "POST"))
        if self._visits.analytics.write_key not in parse_qs(request.query[:1000]).get("key", []):
            return _refuse(401, "the key is not this site's")
        length = request.header("content-length")
        if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
            return too_large()
        return None

    def take(self, request: Request, body: bytes) -> Answer:
        """Pass on the batch in a body; return the answer."""
        if len(body) > MAX_BODY_BYTES:
            return too_large()
        analytics, visit = self._visits.analytics, self._visits.visit(request)
        if visit is None or not analytics.is_collecting:
            return Answer(202, ())
        if not visit.has_known_device:
            visit.forget_device()
        try:
            passed = read_batch(
                body, visit.visitor, privacy=analytics.privacy, is_refusing=visit.is_refused, at=datetime.now(UTC)
            )
        except ValueError as exc:
            return _refuse(400, str(exc))
        analytics.pass_on(passed.batch, sampled=passed.sampled)
        return _json(202, {"accepted": passed.batch.events})

    def _answer_script(self, request: Request) -> Answer:
        if self._script is None:
            return _refuse(404, "this installation has no script")
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "the script is read by GET", ("allow", "GET, HEAD"))
        is_zipped = "gzip" in request.header("accept-encoding")
        etag = f'"{self._digest}-gzip"' if is_zipped else f'"{self._digest}"'  # not the same bytes
        headers = (
            ("content-type", "text/javascript; charset=utf-8"),
            ("cache-control", "public, max-age=3600"),
            ("etag", etag),
            ("vary", "Accept-Encoding"),
            ("x-content-type-options", "nosniff"),
        )
        if etag in request.header("if-none-match"):
            return Answer(304, headers[1:4])
        if is_zipped:
            return Answer(200, (*headers, ("content-encoding", "gzip")), self._zipped)
        return Answer(200, headers, self._script)


def too_large() -> Answer:
    """Return the answer to a body over the limit."""
    return _refuse(413, f"the body is larger than {MAX_BODY_BYTES} bytes")


def _refuse(status: int, reason: str, *headers: tuple[str, str]) -> Answer:
    return _json(status, {"error": {"code": _CODES[status], "reason": reason}}, *headers)


def _json(status: int, content: object, *headers: tuple[str, str]) -> Answer:
    fixed = (("content-type", "application/json"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
    return Answer(status, (*fixed, *headers), msgspec.json.encode(content))


def _escape(path: str) -> str:
    return path.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _read_script() -> bytes | None:
    script = resources.files(__package__.rpartition(".")[0]) / "browser" / FILE
    try:
        return script.read_bytes()
    except OSError:
        logger.warning("pages get no script: this installation has no browser/%s", FILE)
        return None
