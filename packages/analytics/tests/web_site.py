"""A small site behind the middleware of either front door, asked without a server around it."""

import asyncio
import io
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack import asgi, wsgi

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HTML = [("Content-Type", "text/html; charset=utf-8")]
PAGE = b"<html><head><title>Pricing &amp;\n more</title></head><body>Hello</body></html>"

Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """What the server would send; header names in lower case."""

    status: int
    headers: dict[str, str]
    parts: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


class View(NamedTuple):
    """What the site answers on every path: a whole body with its length, or parts without one, or an exception.

    A conditional one answers 304 to whoever has its ETag, or was there since it changed.
    """

    status: int = 200
    headers: Headers = HTML
    parts: tuple[bytes, ...] = (PAGE,)
    streams: bool = False
    raises: Exception | None = None
    conditional: bool = False

    def seen_by(self, conditions: dict[str, str]) -> "View":
        """Return what a request with these conditions is answered."""
        told = {name.lower(): value for name, value in self.headers}
        has_copy = (
            told.get("etag") in conditions["if-none-match"]
            if "if-none-match" in conditions
            else "if-modified-since" in conditions
        )
        if not self.conditional or not has_copy:
            return self
        kept = [pair for pair in self.headers if pair[0] in ("ETag", "Last-Modified")]
        return View(status=304, headers=kept, parts=(b"",), streams=True)

    def all_headers(self) -> Headers:
        length = [] if self.streams else [("Content-Length", str(sum(map(len, self.parts))))]
        return [*self.headers, *length]


class Site:
    """Answers requests by way of the middleware; `bodies` and `conditions` are what the application has read."""

    def __init__(self, front: str, analytics: Analytics, view: View, **settings: Any) -> None:
        self.bodies: list[bytes] = []
        self.conditions: list[dict[str, str]] = []  # header names in lower case
        self.front = front
        if front == "asgi":
            self.app: Any = asgi.AnalyticsMiddleware(self._asgi(view), analytics, **settings)
        else:
            self.app = wsgi.AnalyticsMiddleware(self._wsgi(view), analytics, **settings)

    def get(self, path: str = "/pricing", **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Return the answer to a browser's request; a header named `user_agent` replaces the browser's."""
        sent = {"host": "shop.example.com", "user-agent": FIREFOX}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            sent |= {"content-length": str(len(body))}
        path, _, query = path.partition("?")
        return (self._ask_asgi if self.front == "asgi" else self._ask_wsgi)(method, path, query, body, sent)

    def _ask_asgi(self, method: str, path: str, query: str, body: bytes, sent: dict[str, str]) -> Answer:
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("203.0.113.77", 5000),
        }
        messages: list[Any] = []
        waiting = [{"type": "http.request", "body": body[:3], "more_body": True}]
        waiting += [{"type": "http.request", "body": body[3:]}]

        async def receive() -> Any:
            return waiting.pop(0)

        async def send(message: Any) -> None:
            messages.append(message)

        asyncio.run(self.app(scope, receive, send))
        start, *rest = messages
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, [message["body"] for message in rest])

    def _ask_wsgi(self, method: str, path: str, query: str, body: bytes, sent: dict[str, str]) -> Answer:
        started: list[tuple[str, Headers]] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "203.0.113.77",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in sent.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        answer = self.app(environ, lambda status, headers: started.append((status, headers)))
        parts = list(answer)
        if hasattr(answer, "close"):
            answer.close()
        status, headers = started[0]
        return Answer(int(status[:3]), {name.lower(): value for name, value in headers}, parts)

    def _asgi(self, view: View) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope |= {"endpoint": self._asgi, "path_params": {"name": "pricing"}}
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message["body"], message.get("more_body", False)
            self.bodies.append(body)
            asked = {name.decode(): value.decode() for name, value in scope["headers"] if name.startswith(b"if-")}
            self.conditions.append(asked)
            if view.raises:
                raise view.raises
            told = view.seen_by(asked)
            headers = [(name.encode(), value.encode()) for name, value in told.all_headers()]
            await send({"type": "http.response.start", "status": told.status, "headers": headers})
            for number, part in enumerate(told.parts, 1):
                await send({"type": "http.response.body", "body": part, "more_body": number < len(told.parts)})

        return app

    def _wsgi(self, view: View) -> Callable[..., Iterable[bytes]]:
        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            self.bodies.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH", "0"))))
            asked = {
                name[5:].lower().replace("_", "-"): environ[name] for name in environ if name.startswith("HTTP_IF_")
            }
            self.conditions.append(asked)
            if view.raises:
                raise view.raises
            told = view.seen_by(asked)
            start_response(f"{told.status} Said", told.all_headers())
            return (part for part in told.parts) if told.streams else list(told.parts)

        return app
