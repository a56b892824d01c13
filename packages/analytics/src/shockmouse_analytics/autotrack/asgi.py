"""Tracks an ASGI application: `AnalyticsMiddleware(app, analytics)`.

Answers pass through message by message as they are, and so do websockets; of a request's body a copy is kept where it
is a small form. Only with `inject` the start of an answer waits, for the first part of its body.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from .etag import NOTHING_ASKED, digits_of, mark
from .first_party import MAX_BODY_BYTES, PREFIX, Answer, FirstParty
from .form import field_names, is_form, readable_bytes
from .front_door import FrontDoor
from .markup import insert, takes_tag, title_of
from .request import ASKED, Request, RequestHeaders
from .route import route_of_scope
from .visit import KEY, Seen, Visit, is_shared

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_ASKED = {name.encode(): name for name in ASKED}


class AnalyticsMiddleware(FrontDoor[App]):
    """Tells `analytics` of pages, forms, exceptions and durations; the settings are those of docs/web.md.

    >>> app = AnalyticsMiddleware(app, analytics, consent=lambda request: request.cookie("cookies") == "accepted")
    >>> AnalyticsMiddleware(app, analytics, trusted_proxies=["10.0.0.0/33"])
    Traceback (most recent call last):
    ValueError: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = read_request(scope)
        if self._first_party is not None and request.path.startswith(PREFIX):
            await _send(send, await _answer(self._first_party, request, receive))
            return
        visit = self._visits.begin(request)
        if visit is None:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(visit, request, {**scope, KEY: visit}, receive, send, self._first_party)
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception as exc:
            exchange.fail(exc)
            raise
        finally:
            exchange.end()


class _Exchange:
    """One request and its answer, on their way between server and application."""

    def __init__(
        self, visit: Visit, request: Request, scope: Scope, receive: Receive, send: Send, first_party: FirstParty | None
    ) -> None:
        self._visit, self._request, self._send = visit, request, send
        self._first_party = first_party if first_party is not None and first_party.has_script else None
        asked = self._first_party.condition(request, visit) if self._first_party else NOTHING_ASKED
        self._digits = asked.digits
        self.scope = _with_headers(scope, asked.headers) if asked.headers else scope
        self._receive = receive
        self._is_form = request.method == "POST" and is_form(request)
        self._form = bytearray()
        self._form_bytes = readable_bytes(request) if self._is_form else 0
        self.receive = self._listen if self._form_bytes else receive
        self._held: Message | None = None
        self._status = 0
        self._content_type = ""
        self._title: str | None = None
        self._is_first = self._is_injected = self._has_ended = False

    async def _listen(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and len(self._form) <= self._form_bytes:
            self._form += message.get("body", b"")
        return message

    async def send(self, message: Message) -> None:
        """Pass on what the application sends."""
        kind = message["type"]
        if kind == "http.response.start":
            message = self._begin(message)
            if self._held is not None:
                return
        elif kind == "http.response.body" and self._is_first:
            message = await self._first(message)
        elif self._held is not None:  # a file by its path, or an extension that we do not know
            await self._release(self._held)
        await self._send(message)
        if kind == "http.response.pathsend" or (kind == "http.response.body" and not message.get("more_body")):
            self.end()

    def fail(self, exc: Exception) -> None:
        """Record what the application raised; whoever sees it answers with 500."""
        self._status = self._status or 500
        self._visit.fail(exc, route_of_scope(self.scope, self._request.path))

    def end(self) -> None:
        """Record the answer once; nothing if it never began."""
        if self._has_ended or not self._status:
            return
        self._has_ended = True
        by_script = self._first_party is not None
        whole = bytes(self._form) if len(self._form) == self._form_bytes else b""
        self._visit.end(
            Seen(
                status=self._status,
                content_type=self._content_type,
                route=route_of_scope(self.scope, self._request.path),
                title=self._title,
                fields=field_names(whole) if self._is_form and not by_script else None,
                in_browser=self._is_injected,
            )
        )

    def _begin(self, message: Message) -> Message:
        """Look at the answer's start; hold it back if the page may get the tag."""
        pairs = list(message.get("headers", ()))
        headers = {name.decode("latin-1").lower(): value for name, value in pairs}
        self._status = message["status"]
        self._content_type = headers.get("content-type", b"").decode("latin-1").lower()
        for name, told in self._visit.headers(self._content_type, headers.get("cache-control", b"").decode("latin-1")):
            pairs.append((name.lower().encode(), told.encode()))
        if self._status == 304 and self._digits:
            self._is_injected = True  # the copy has the tag
            pairs = _marked(pairs, self._digits)
        message = {**message, "headers": pairs}
        self._is_first = self._content_type.startswith("text/html") and "content-encoding" not in headers
        if self._is_first and self._first_party and takes_tag(self._request.method, self._status, headers):
            self._held = message
        return message

    async def _first(self, message: Message) -> Message:
        """Return the first part of a page, with the tag if it has a place for it."""
        self._is_first = False
        body = message.get("body", b"")
        self._title = title_of(body)
        if self._held is None or self._first_party is None:
            return message
        headers = self._held["headers"]
        shared = is_shared(_value(headers, b"cache-control"))
        tag = self._first_party.tag(self._request, self._visit, shared=shared)
        page = insert(body, tag)
        if page is None:
            await self._release(self._held)
            return message
        self._is_injected = True
        length = str(int(_value(headers, b"content-length")) + len(tag)).encode()
        headers = _marked([_with_length(pair, length) for pair in headers], digits_of(tag, shared=shared))
        await self._release({**self._held, "headers": headers})
        return {**message, "body": page}

    async def _release(self, start: Message) -> None:
        self._held = None
        await self._send(start)


def read_request(scope: Scope) -> Request:
    """Return the request that a scope tells of."""
    pairs = scope["headers"]
    raw = dict(pairs)
    if len(raw) != len(pairs):
        raw = _join(pairs)
    headers = RequestHeaders(lambda name: raw.get(name.encode(), b"").decode("latin-1"))
    for name, value in raw.items():
        if name in _ASKED:
            headers[_ASKED[name]] = value.decode("latin-1")
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    client = scope.get("client")
    return Request(
        method=scope["method"],
        scheme="https" if scope.get("scheme") in ("https", "wss") else "http",
        host=raw.get(b"host", b"").decode("latin-1"),
        root=root,
        path=path[len(root) :] if root and path.startswith(root + "/") else path,  # older servers leave the root out
        query=scope.get("query_string", b"").decode("latin-1"),
        peer=(client[0] if client else "") or "",
        header=headers.__getitem__,
    )


def _join(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    joined: dict[bytes, bytes] = {}
    for name, value in pairs:
        sign = b"; " if name == b"cookie" else b","
        joined[name] = joined[name] + sign + value if name in joined else value
    return joined


def _value(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == wanted), "")


def _with_length(pair: tuple[bytes, bytes], length: bytes) -> tuple[bytes, bytes]:
    return (pair[0], length) if pair[0].lower() == b"content-length" else pair


def _marked(pairs: Iterable[tuple[bytes, bytes]], digits: str) -> list[tuple[bytes, bytes]]:
    told = mark([(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs], digits)
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]


def _with_headers(scope: Scope, changed: dict[str, str]) -> Scope:
    """Return the scope with these headers changed, an empty one left out."""
    kept = [pair for pair in scope["headers"] if pair[0].decode("latin-1").lower() not in changed]
    added = [(name.encode(), value.encode("latin-1")) for name, value in changed.items() if value]
    return {**scope, "headers": kept + added}


async def _answer(first_party: FirstParty, request: Request, receive: Receive) -> Answer:
    answer = first_party.answer(request)
    if answer is not None:
        return answer
    body = bytearray()
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            return Answer(400, ())
        if not message.get("more_body"):
            break
    return first_party.take(request, bytes(body))


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.all_headers()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
