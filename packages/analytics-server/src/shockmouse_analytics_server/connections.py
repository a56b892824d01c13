"""HTTP connections as Hypercorn keeps them, with seven changes that it has no setting for.

HTTP/1 only   Hypercorn changes to HTTP/2 when a client asks for it on a plain port
One write     it writes head, body and an empty end one by one, which costs a small answer a third of its time
Lingering     it closes a connection at once when it cannot read a request; unread bytes then reset the connection, and
              the sender may lose the answer that says what was wrong
Clear heads   h11 makes one length of two equal ones, and takes lines that end with a bare LF; what stands before us may
              have read them otherwise, and seen another end of the request
One watch     it begins two tasks for each request to end what stays idle, a sixth of a small request's time; and it
              keeps a connection whose sender has closed it until that watch ends
Known heads   h11 checks the same few answers' headers each time
Plain errors  what it refuses itself it answers without a body, and a transfer encoding it does not know with 501
"""

import asyncio
import contextlib
import functools
import re
from http import HTTPStatus
from typing import Any

import h11
import hypercorn.asyncio.run
import hypercorn.protocol
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol

from .guard import Refusal, written

QUIET_SECONDS = 0.25
LINGER_SECONDS = 2.0
HEAD_END = re.compile(rb"\n\r?\n")
BARE_LINE_END = re.compile(rb"(?<!\r)\n")
KNOWN_HEADS = 64
LENGTH = re.compile(rb"^content-length[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)


def install() -> None:
    """From now on Hypercorn keeps connections as this module says."""
    hypercorn.protocol.H11Protocol = PlainHTTP  # type: ignore[attr-defined]
    hypercorn.asyncio.run.TCPServer = WatchedConnection  # type: ignore[assignment, attr-defined]


class WatchedConnection(TCPServer):
    """One connection's socket, and the one task that ends it when it stays idle."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._idle_since: float | None = self.loop.time()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._idle_since = self.loop.time() if event.idle else None
        else:
            await super().protocol_send(event)

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        """End the connection once it was idle for long; when the worker ends, at once unless it is busy."""
        while not self.context.terminated.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.context.terminated.wait(), self._idle_left())
            if self._idle_left() <= 0:
                break
        if self._idle_since is not None:
            await asyncio.shield(self._initiate_server_close())

    def _idle_left(self) -> float:
        """Return for how many seconds the connection may stay as it is before it is looked at again."""
        idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
        return float(self.config.keep_alive_timeout) - idle


class ClearHeads(h11.Connection):
    """Reads requests, and refuses those whose head can be read in two ways; `reason` is why it refused the last."""

    reason = "the head can be read in two ways"

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self.their_state is h11.IDLE and is_ambiguous(self.trailing_data[0]):
            self._process_error(h11.CLIENT)  # what h11 does before it raises
            raise h11.RemoteProtocolError("the head can be read in two ways", error_status_hint=400)
        try:
            return super().next_event()
        except h11.RemoteProtocolError as exc:
            self.reason = str(exc)
            raise


def is_ambiguous(received: bytes) -> bool:
    """Tell whether what begins with a head has a bare LF in it, or, when it is complete, more than one length."""
    end = HEAD_END.search(received)
    head = received[: end.end()] if end else received
    if BARE_LINE_END.search(head):
        return True
    lengths = LENGTH.findall(head) if end else []
    return len(lengths) > 1 or any(b"," in length for length in lengths)


def refusal_of(hint: int, words: str) -> Refusal:
    """Return the answer to what h11 refuses with this status and these words."""
    match hint:
        case HTTPStatus.NOT_IMPLEMENTED:
            return Refusal(400, "bad_transfer_encoding", "Transfer-Encoding must be chunked, alone, or absent")
        case HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return Refusal(431, "too_large_head", "the request's line and headers are too large")
    return Refusal(hint, "bad_request", f"this cannot be read as HTTP/1.1: {words}")


@functools.lru_cache(KNOWN_HEADS)
def response_head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    """Return the checked head; the date among the headers makes it last a second."""
    return h11.Response(status_code=status, headers=list(headers))


class PlainHTTP(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.connection = ClearHeads(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)
        self._write = self.send
        self.send = self._write_joined
        self._is_head = False
        self._held = b""
        self._is_lingering = False
        self._heard = asyncio.Event()

    async def handle(self, event: Event) -> None:
        if self._is_lingering and isinstance(event, RawData):
            self._heard.set()
            return
        await super().handle(event)

    async def stream_send(self, event: StreamEvent) -> None:
        """Mark a head whose body follows at once: one that says how long that is."""
        if isinstance(event, Response):
            self._is_head = any(name == b"content-length" for name, _ in event.headers)
            if event.status_code >= 200:
                await self._send_h11_event(response_head(event.status_code, self._headers(event)))
                return
        await super().stream_send(event)

    def _headers(self, event: Response) -> tuple[tuple[bytes, bytes], ...]:
        headers = (*event.headers, *self.config.response_headers("h11"))
        is_last = self.keep_alive_requests >= self.config.keep_alive_max_requests
        return (*headers, (b"connection", b"close")) if is_last else headers

    async def _check_protocol(self, event: h11.Request) -> None:
        """Leave the offer to upgrade unanswered, as HTTP allows; the guard refuses what already speaks HTTP/2."""

    async def _send_error_response(self, status_code: int) -> None:
        """Answer what cannot be read as HTTP in the form of every other error."""
        refusal = refusal_of(status_code, getattr(self.connection, "reason", ""))
        head, body = written(refusal)
        headers = [*head, *self.config.response_headers("h11")]
        self._is_head = True
        await self._send_h11_event(h11.Response(status_code=refusal.status, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def _write_joined(self, event: Event) -> None:
        if isinstance(event, RawData) and self._is_head:
            self._is_head, self._held = False, event.data
            return
        held, self._held = self._held, b""
        if isinstance(event, RawData):
            event = RawData(data=held + event.data)
        elif held:
            await self._write(RawData(data=held))
        if isinstance(event, Closed) and self.connection.their_state is h11.ERROR and not self._is_lingering:
            self._is_lingering = True
            self.task_group.spawn(self._linger)
        elif not isinstance(event, RawData) or event.data:
            await self._write(event)

    async def _linger(self) -> None:
        """Close the connection when its sender is quiet, or has talked for long enough."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while await asyncio.wait_for(self._heard.wait(), QUIET_SECONDS):
                    self._heard.clear()
        await self._write(Closed())
