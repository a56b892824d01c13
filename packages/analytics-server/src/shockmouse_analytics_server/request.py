"""What a request says besides its events: headers, key and the bytes of its body, each within limits.

Key      `Authorization: Bearer KEY`, or `?key=KEY` for beacons, which cannot set headers; never two different ones
Body     no longer than allowed, whether its length was announced or not, and complete within BODY_SECONDS
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from .errors import BodyError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 30.0


class SenderGoneError(Exception):
    """The connection ended before the body did: nobody waits for an answer."""


def read_headers(scope: Scope) -> dict[bytes, str]:
    """Return the headers by lower-case name; one that came several times is one, its values joined by commas."""
    headers: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


def read_token(headers: Mapping[bytes, str], query: bytes) -> str:
    """Return the key the request carries, empty when it has none.

    Raises BodyError: it carries two.
    """
    tokens = set[str]()
    for credentials in headers.get(b"authorization", "").split(
        ","
    ):  # several headers are one by now; no key has a comma
        scheme, _, token = credentials.strip().rpartition(" ")
        if scheme.strip().lower() == "bearer" or (tokens and not scheme):
            tokens.add(token)
    if b"key=" in query:
        tokens |= set(parse_qs(query.decode("latin-1"), max_num_fields=100).get("key", []))
    tokens.discard("")
    if len(tokens) > 1:
        raise BodyError(400, "two_keys", "the request carries two different keys")
    return tokens.pop() if tokens else ""


async def read_body(
    receive: Receive, headers: Mapping[bytes, str], max_bytes: int, *, seconds: float = BODY_SECONDS
) -> bytes:
    """Return the whole body.

    Raises BodyError: 413 as soon as it is known to be too large, 408 when it is not complete in time;
    SenderGoneError: it never will be.
    """
    if int(headers.get(b"content-length", "0")) > max_bytes:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(seconds):
            return await _receive_all(receive, max_bytes)
    except TimeoutError as exc:
        raise BodyError(408, "slow_body", f"the body was not complete after {seconds:.0f} seconds") from exc


async def _receive_all(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(max_bytes: int) -> BodyError:
    return BodyError(413, "too_large", f"the body is larger than {max_bytes} bytes")
