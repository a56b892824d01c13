"""One batch, one POST, three outcomes: acknowledged, to be tried again, refused.

The only file that knows aiohttp and backoff; both are imported when the first batch is sent.

200            on the server's disk: an Answer. A 200 that is not the server's JSON (a captive portal) is no answer
408, 5xx, none UnreachableError; `unclear` unless the connection was never made
429, 503       ThrottledError with Retry-After, in seconds or as a date, at most 5 minutes, which only prolongs the
               pause; a 503 is `unclear` unless the server says that nothing was stored: a proxy's may come after
               the server's work
413            TooLargeError
401, 403, 404  RejectedError that can be mended; a redirect too: following it would take the key elsewhere
other 4xx      RejectedError, with the events it refused by code where the server judged them one by one
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from .errors import DeliveryError, RejectedError, ThrottledError, TooLargeError, UnreachableError
from .gzip_member import plain_bytes

if TYPE_CHECKING:
    import aiohttp

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 300.0
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 1 << 20  # a thousand refusals with their reasons; whoever sends more is not our server
NOTHING_STORED = frozenset({"spool_full", "busy"})  # codes of a 503

Count = Annotated[int, Meta(ge=0)]


class Refusal(Struct, frozen=True):
    """The server's verdict on one event."""

    code: str = "unknown"


class Answer(Struct, frozen=True):
    """What became of a batch that the server has on disk."""

    accepted: Count
    duplicates: Count = 0
    rejected: tuple[Refusal, ...] = ()

    def rejected_by_code(self) -> dict[str, int]:
        """Return how many events were refused for each reason."""
        return dict(Counter(refusal.code for refusal in self.rejected))


class _Error(Struct, frozen=True):
    code: str = "unknown"
    reason: str = ""


class _Refused(Struct, frozen=True):
    error: _Error = _Error()
    rejected: tuple[Refusal, ...] = ()


class Transport:
    """Sends batches to one server with one key; lives on the loop that called open()."""

    def __init__(self, *, endpoint: str, write_key: str, version: str, connections: int) -> None:
        self.url = endpoint.rstrip("/") + "/v1/events"
        self._endpoint = endpoint
        self._headers = {
            "Authorization": f"Bearer {write_key}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "User-Agent": f"shockmouse-analytics/{version}",
            "Accept-Encoding": "identity",
        }
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Import what sending needs, beside the loop because that takes long, and make the session."""
        await asyncio.get_running_loop().run_in_executor(None, _import_all)
        import aiohttp

        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # what is asked for is plain; a bomb must not be unpacked
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, body: bytes) -> Answer:
        """Send one encoded batch, a gzip member; returning means the server has it on disk.

        Raises DeliveryError: one of its four kinds.
        """
        status, headers, answer = await self._exchange(body)
        if status == 200:
            return self._acknowledged(answer)
        if status in (429, 503):
            raise ThrottledError(
                f"{self.url} answered {status}",
                retry_after_seconds=retry_after(headers.get("Retry-After"), now()),
                unclear=status == 503 and _refused(status, answer).code not in NOTHING_STORED,
            )
        if status == 413:
            raise TooLargeError(plain_bytes(body))
        if 300 <= status < 500 and status != 408:
            raise _refused(status, answer)
        raise UnreachableError(f"{self.url} answered {status}")

    async def _exchange(self, body: bytes) -> tuple[int, "Any", bytes]:
        import aiohttp

        if self._session is None:
            raise UnreachableError("the transport is not open", unclear=False)
        try:
            async with self._session.post(self.url, data=body, allow_redirects=False) as response:
                return response.status, response.headers, await self._read(response)
        except aiohttp.ConnectionTimeoutError as exc:
            raise UnreachableError(not_connected(self._endpoint, TimeoutError()), unclear=False) from exc
        except aiohttp.ClientConnectorError as exc:
            why: Exception = getattr(exc, "certificate_error", None) or exc.os_error
            raise UnreachableError(not_connected(self._endpoint, why), unclear=False) from exc
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError) as exc:  # RuntimeError: threads at shutdown
            raise UnreachableError(f"{self.url}: {_in_words(exc)}") from exc

    async def _read(self, response: "aiohttp.ClientResponse") -> bytes:
        answer = bytearray()
        async for part in response.content.iter_any():
            answer += part
            if len(answer) > MAX_ANSWER_BYTES:
                response.close()
                raise UnreachableError(f"{self.url} answered more than {MAX_ANSWER_BYTES >> 20} MiB")
        return bytes(answer)

    def _acknowledged(self, answer: bytes) -> Answer:
        """Return the server's answer; one that accounts for no event is not an answer to a batch."""
        message = f"{self.url} answered 200, but not as the analytics server does"
        try:
            told = msgspec.json.decode(answer, type=Answer)
        except msgspec.DecodeError as exc:
            raise UnreachableError(message) from exc
        if told.accepted + told.duplicates + len(told.rejected) == 0:
            raise UnreachableError(message)
        return told


def _import_all() -> None:
    """Import what the sending of a batch may need at any time: nothing is imported later."""
    import encodings.idna  # noqa: F401 - resolving a name does it

    import aiohttp  # noqa: F401
    import backoff  # noqa: F401


def _in_words(exc: Exception) -> str:
    return str(exc) or type(exc).__name__


def not_connected(endpoint: str, why: Exception) -> str:
    """Return that the server cannot be connected to, and why in the system's own words."""
    parts = urlsplit(endpoint)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    server = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    return f"cannot connect to {server}: {_why_not_connected(why)}"


def _why_not_connected(error: Exception) -> str:
    """Return the system's own words; asyncio's name each address that was tried."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"no answer within {CONNECT_SECONDS:g} s"
    numbers = re.findall(r"\[Errno (\d+)\]", str(error))
    if numbers:
        return ", ".join(dict.fromkeys(os.strerror(int(number)).lower() for number in numbers))
    return (getattr(error, "strerror", None) or _in_words(error)).rstrip(".")


def _refused(status: int, answer: bytes) -> RejectedError:
    try:
        refused = msgspec.json.decode(answer, type=_Refused)
    except msgspec.DecodeError:
        refused = _Refused()
    code = refused.error.code if refused.error.code != "unknown" else f"http_{status}"
    events = Counter(refusal.code for refusal in refused.rejected)
    mendable = status in (401, 403, 404) or status < 400
    return RejectedError(f"{status} {code}: {refused.error.reason}", code=code, mendable=mendable, events=events)


def now() -> datetime:
    """Return the wall clock's time in UTC."""
    return datetime.now(UTC)


def retry_after(value: str | None, at: datetime) -> float | None:
    """Return the seconds to wait that a Retry-After header asks for, at most 5 minutes; None when it says nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_PAUSE_SECONDS)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - at).total_seconds(), 0.0), LONGEST_PAUSE_SECONDS)


class Breaker:
    """Whether to send now: after a failure nothing until a pause is over, then one batch at a time until a success.

    Pauses grow exponentially with full jitter, up to 0.5 s at first and up to 5 minutes in the end; the server's wish
    can make one longer, never shorter. A refused key or address is tried every 5 minutes.
    """

    def __init__(self) -> None:
        self._steps: Generator[float, Any, None] | None = None
        self._jitter: Callable[[float], float] = float
        self.until = 0.0  # monotonic
        self.is_failing = False
        self.is_refused = False

    def slots(self, at: float, most: int) -> int:
        """Return how many batches may be on their way at this monotonic time."""
        if at < self.until:
            return 0
        return 1 if self.is_failing else most

    def hurry(self) -> None:
        """Try again at once: somebody asks for it."""
        self.until, self.is_refused = 0.0, False

    def succeed(self) -> None:
        """Go on at full speed."""
        self._steps = None
        self.until, self.is_failing, self.is_refused = 0.0, False, False

    def fail(self, error: DeliveryError, at: float) -> None:
        """Pause, as long as the error asks for."""
        seconds = self._next_pause()
        if isinstance(error, ThrottledError) and error.retry_after_seconds is not None:
            seconds = max(seconds, error.retry_after_seconds)
        if isinstance(error, RejectedError):
            seconds, self.is_refused = LONGEST_PAUSE_SECONDS, True
        self.is_failing = True
        self.until = max(self.until, at + seconds)

    def _next_pause(self) -> float:
        if self._steps is None:
            import backoff

            self._jitter = backoff.full_jitter
            self._steps = backoff.expo(factor=FIRST_PAUSE_SECONDS, max_value=LONGEST_PAUSE_SECONDS)
            next(self._steps)  # the first value is None, for backoff's own use
        return self._jitter(next(self._steps))
