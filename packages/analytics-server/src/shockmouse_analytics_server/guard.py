"""What every request passes first: odd, oversized or ambiguous ones are refused before anything else looks at them.

Hypercorn lets over 100 headers, Content-Length beside Transfer-Encoding and any target through. Any method, too: each
path answers itself those that it has not, as it alone knows what is allowed.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec
from msgspec import Struct

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_HEADERS = 100
DRAIN_SECONDS = 2.0
DRAIN_BYTES = 4 << 20


class Refusal(Struct, frozen=True):
    """Why a request goes no further."""

    status: int
    code: str
    reason: str


class Guard:
    """An ASGI application that hands on only requests in order, and lets a refused sender read its answer."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = UnreadBody(receive, send)
        refusal = judge(scope)
        if refusal is None:
            await self._application(scope, body.receive, body.send)
        else:
            await answer_error(body.send, refusal)


class UnreadBody:
    """Stands between a request and its application, to end the exchange in order.

    Closing a socket with unread bytes resets the connection, and the sender may lose the answer that says why its
    body was refused. So the rest of a body is read, within bounds, after the answer and before its end.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_read = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not is_last or self._is_read:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        deadline, left = time.monotonic() + DRAIN_SECONDS, DRAIN_BYTES
        while not self._is_read and left > 0:
            try:
                message = await asyncio.wait_for(self.receive(), deadline - time.monotonic())
            except TimeoutError:
                return
            left -= len(message.get("body", b""))


def judge(scope: Scope) -> Refusal | None:
    """Return why the request is refused; None lets it pass."""
    names = [name for name, _ in scope["headers"]]
    if scope["http_version"] not in ("1.0", "1.1"):
        return Refusal(400, "bad_version", "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(names) > MAX_HEADERS:
        return Refusal(431, "too_many_headers", f"at most {MAX_HEADERS} headers")
    if not scope["raw_path"].startswith(b"/"):
        return Refusal(400, "bad_path", "the target must be a path that starts with /")
    if CONTROL.search(scope["path"]):
        return Refusal(400, "bad_path", "the path must be without control characters, %00 to %1F and %7F")
    if names.count(b"content-length") + (b"transfer-encoding" in names) > 1:
        return Refusal(400, "ambiguous_length", "Content-Length must stand once, and not beside Transfer-Encoding")
    return None


async def answer_error(send: Send, refusal: Refusal, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send the refusal as every error of this server is sent, and end the connection."""
    head, body = written(refusal)
    head += headers
    await send({"type": "http.response.start", "status": refusal.status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def written(refusal: Refusal) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of the answer that refuses and ends the connection."""
    body = msgspec.json.encode({"error": {"code": refusal.code, "reason": refusal.reason}})
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return [*head, (b"connection", b"close"), (b"x-content-type-options", b"nosniff")], body
