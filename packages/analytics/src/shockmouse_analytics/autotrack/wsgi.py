"""Tracks a WSGI application: `AnalyticsMiddleware(app, analytics)`.

Answers pass through part by part as they are, lists and files as the very objects that the application returned. The
body of a request is looked at, and put back, where it is a small form. Only with `inject` the start of an answer waits,
for the first part of its body.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from .etag import NOTHING_ASKED, digits_of, mark
from .first_party import MAX_BODY_BYTES, PREFIX, Answer, FirstParty
from .form import field_names, is_form, readable_bytes
from .front_door import FrontDoor
from .markup import insert, takes_tag, title_of
from .request import ASKED, Request, RequestHeaders
from .route import NO_ROUTE, route_of_environ
from .visit import KEY, Seen, Visit, is_shared

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class AnalyticsMiddleware(FrontDoor[App]):
    """Tells `analytics` of pages, forms, exceptions and durations; the settings are those of docs/web.md.

    >>> app = AnalyticsMiddleware(app, analytics, consent=lambda request: request.cookie("cookies") == "accepted")
    >>> AnalyticsMiddleware(app, analytics, trusted_proxies=["10.0.0.0/33"])
    Traceback (most recent call last):
    ValueError: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as the application does."""
        request = read_request(environ)
        if self._first_party is not None and request.path.startswith(PREFIX):
            answer = _answer(self._first_party, request, environ)
            start_response(answer.status_line, answer.all_headers())
            return [answer.body]
        visit = self._visits.begin(request)
        if visit is None:
            return self._app(environ, start_response)
        environ[KEY] = visit
        exchange = _Exchange(visit, request, environ, start_response, self._first_party)
        try:
            body = self._app(environ, exchange.start)
        except Exception as exc:
            exchange.fail(exc)
            raise
        return exchange.wrap(body)


class _Exchange:
    """One request and its answer, on their way between server and application."""

    def __init__(
        self,
        visit: Visit,
        request: Request,
        environ: Environ,
        start_response: StartResponse,
        first_party: FirstParty | None,
    ) -> None:
        self._visit, self._request, self._environ, self._start_response = visit, request, environ, start_response
        self._first_party = first_party if first_party is not None and first_party.has_script else None
        asked = self._first_party.condition(request, visit) if self._first_party else NOTHING_ASKED
        self._digits = asked.digits
        for name, value in asked.headers.items():
            environ.pop(_key(name), None)
            environ |= {_key(name): value} if value else {}
        self._fields: list[str] | None = None
        if request.method == "POST" and is_form(request) and self._first_party is None:
            self._fields = _read_form(request, environ)
        self._held: tuple[str, Headers] | None = None
        self._write_on: Write | None = None  # the server's write(), once a held answer has started
        self._status = 0
        self._route = NO_ROUTE
        self._content_type = ""
        self._title: str | None = None
        self._is_first = self._is_injected = self._has_ended = False

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Write:
        """Do what the server's start_response does."""
        self._status = int(status[:3])
        self._route = route_of_environ(self._environ, self._request.path)  # Flask forgets it before the answer ends
        lower = {name.lower(): value for name, value in headers}
        self._content_type = lower.get("content-type", "").lower()
        headers = [*headers, *self._visit.headers(self._content_type, lower.get("cache-control", ""))]
        if self._status == 304 and self._digits:
            self._is_injected = True  # the copy has the tag
            headers = mark(headers, self._digits)
        self._is_first = self._content_type.startswith("text/html") and "content-encoding" not in lower
        self._held = None
        if self._is_first and self._first_party and takes_tag(self._request.method, self._status, lower):
            self._held = status, headers
            return self._write
        return self._start_response(status, headers, exc_info) if exc_info else self._start_response(status, headers)

    def wrap(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the answer's body to the server."""
        if isinstance(body, list | tuple):
            parts = [self.part(part) for part in body]
            self.end()
            return parts
        file_wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            self.release()
            self.end()
            return body
        return _Parts(self, body)

    def part(self, part: bytes) -> bytes:
        """Return a part of the body as it is to be sent: the first of a page with the tag, if it has a place for it."""
        if not part or not self._is_first:
            return part
        self._is_first = False
        self._title = title_of(part)
        if self._held is None or self._first_party is None:
            return part
        status, headers = self._held
        lower = {name.lower(): value for name, value in headers}
        shared = is_shared(lower.get("cache-control", ""))
        tag = self._first_party.tag(self._request, self._visit, shared=shared)
        page = insert(part, tag)
        if page is not None:
            self._is_injected = True
            length = str(int(lower["content-length"]) + len(tag))
            sized = [(name, length if name.lower() == "content-length" else value) for name, value in headers]
            self._held = status, mark(sized, digits_of(tag, shared=shared))
        self.release()
        return part if page is None else page

    def release(self) -> None:
        """Start the answer that was held back."""
        held, self._held = self._held, None
        if held:
            self._write_on = self._start_response(*held)

    def fail(self, exc: Exception) -> None:
        """Record what the application raised; whoever sees it answers with 500."""
        self._held = None
        if not self._status:
            self._status, self._route = 500, route_of_environ(self._environ, self._request.path)
        self._visit.fail(exc, self._route)
        self.end()

    def end(self) -> None:
        """Record the answer once; nothing if it never began."""
        self.release()
        if self._has_ended or not self._status:
            return
        self._has_ended = True
        self._visit.end(
            Seen(
                status=self._status,
                content_type=self._content_type,
                route=self._route,
                title=self._title,
                fields=self._fields,
                in_browser=self._is_injected,
            )
        )

    def _write(self, part: bytes) -> object:
        part = self.part(part)
        self.release()
        return self._write_on(part) if self._write_on else None


class _Parts:
    """The body of an answer, part by part; the request has ended when the server closes it."""

    def __init__(self, exchange: _Exchange, body: Iterable[bytes]) -> None:
        self._exchange, self._body, self._parts = exchange, body, iter(body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = next(self._parts)
        except StopIteration:
            self._exchange.release()
            raise
        except Exception as exc:
            self._exchange.fail(exc)
            raise
        return self._exchange.part(part)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.end()


def read_request(environ: Environ) -> Request:
    """Return the request that an environment tells of."""
    headers = RequestHeaders(lambda name: environ.get(_key(name), ""))
    for key, name in _ASKED:
        if key in environ:
            headers[name] = environ[key]
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        host=environ.get("HTTP_HOST") or environ.get("SERVER_NAME", ""),
        root=_decode(environ.get("SCRIPT_NAME", "")).rstrip("/"),
        path=_decode(environ.get("PATH_INFO", "")) or "/",
        query=environ.get("QUERY_STRING", ""),
        peer=environ.get("REMOTE_ADDR", ""),
        header=headers.__getitem__,
    )


@lru_cache(1024)
def _key(header: str) -> str:
    """Return where an environment holds a request's header."""
    key = header.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_ASKED = tuple((_key(name), name) for name in ASKED)


def _decode(text: str) -> str:
    """Return a path as it was meant: WSGI hands its UTF-8 on as Latin-1."""
    return text if text.isascii() else text.encode("latin-1", "replace").decode("utf-8", "replace")


def _read_form(request: Request, environ: Environ) -> list[str]:
    """Return the names of the form's fields, and leave its body to be read by the application."""
    size = readable_bytes(request)
    if not size:
        return []
    body = environ["wsgi.input"].read(size)
    environ["wsgi.input"] = io.BytesIO(body)
    return field_names(body) if len(body) == size else []


def _answer(first_party: FirstParty, request: Request, environ: Environ) -> Answer:
    answer = first_party.answer(request)
    if answer is not None:
        return answer
    length = request.header("content-length")
    size = int(length[:20]) if length.isascii() and length.isdigit() else 0
    return first_party.take(request, environ["wsgi.input"].read(min(size, MAX_BODY_BYTES)))
