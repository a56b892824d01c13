"""POST /v1/events: key, limits, body → judged events → rows → spool → answer. A plain ASGI endpoint, for speed.

Order    method, key, announced type and size, then the body, within its limits and time: nothing before its turn
Answer   200 is sent when the accepted events are on disk
CORS     every page may send, none with credentials: the key alone decides
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec
from msgspec import Struct

from .addresses import Proxies, client_address
from .agents import read_agent
from .appender import Appender
from .body import check_headers
from .counters import Counters
from .enrich import CLAMPED, Arrival, enrich, fingerprints_of
from .errors import BatchReusedError, BodyError, LockedError, ServerError, SpoolBrokenError, SpoolFullError, UsageError
from .failures import DISK_FAILING, failure_of, retry_seconds
from .places import Places
from .projects import Directory, Key
from .rates import RateLimit
from .request import Receive, Scope, Send, SenderGoneError, read_body, read_headers, read_token
from .rows import Row, Unplaced
from .spool import Appended, Entry
from .wire import Batch, Event, Limits, Rejection, decode

Headers = tuple[tuple[bytes, bytes], ...]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"))
KNOWN_CLIENTS = 1024
KNOWN_BYTES = 256
CORS: Headers = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"retry-after"))
PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding"),
    (b"access-control-max-age", b"86400"),
)
REFUSED = (BodyError, BatchReusedError, SpoolFullError, SpoolBrokenError, LockedError, sqlite3.Error)
# The client's reasons; whatever else a sender may claim counts as one, so that nobody fills the counters with names.
CLIENT_REASONS = frozenset(
    {
        "before_send_failed",
        "closed",
        "invalid",
        "not_kept",
        "offline_full",
        "queue_full",
        "retry_expired",
        "store_damaged",
        "store_failed",
        "too_large",
    }
)


class Answer(Struct, frozen=True):
    """A status and a body to be sent as JSON; None is no body."""

    status: int
    content: object = None
    headers: Headers = ()


class Ingest:
    """The endpoint; it owns the buckets of its rate limit and the addresses of senders that it knows."""

    def __init__(
        self,
        *,
        directory: Directory,
        appender: Appender,
        counters: Counters,
        places: Places,
        limits: Limits,
        trusted_proxies: Proxies,
        rate_limit: float = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Accept events into the spool; `rate_limit` is events per second and key, 0 is none."""
        self._directory = directory
        self._appender = appender
        self._counters = counters
        self._places = places
        self._limits = limits
        self._proxies = trusted_proxies
        self._known_address = lru_cache(KNOWN_CLIENTS)(partial(client_address, proxies=trusted_proxies))
        self._rates = RateLimit(rate_limit)
        self._clock = clock
        read_agent("Mozilla/5.0")  # the patterns are compiled now, not while the first event waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except SenderGoneError:
            return
        except REFUSED as exc:
            answer = self._refuse(exc)
        body = b"" if answer.content is None else msgspec.json.encode(answer.content)
        headers = [*JSON_HEADERS, *CORS, *answer.headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] == "OPTIONS":
            return Answer(204, headers=PREFLIGHT)
        if scope["method"] != "POST":
            return error_answer(405, "method_not_allowed", "events come by POST", ((b"allow", b"OPTIONS, POST"),))
        headers = read_headers(scope)
        token = read_token(headers, scope["query_string"])
        key = self._write_key(token)
        try:
            return await self._take(scope, receive, headers, token, key)
        except REFUSED as exc:
            return self._refuse(exc, key.project)

    async def _take(self, scope: Scope, receive: Receive, headers: Mapping[bytes, str], token: str, key: Key) -> Answer:
        """Return the answer to a request whose key was found."""
        content_type, encoding = headers.get(b"content-type", ""), headers.get(b"content-encoding", "")
        check_headers(content_type, encoding)
        wait = self._rates.wait_seconds(key.prefix, self._clock())
        if wait:
            return error_answer(429, "rate_limit", "too many events for this key", retry_after(wait))
        body = await read_body(receive, headers, self._limits.max_body_bytes)
        batch = decode(body, content_type, encoding, self._limits)
        if batch.keys - {token}:
            raise BodyError(400, "two_keys", "the body names another write key than the request")
        self._rates.take(key.prefix, len(batch.events) + len(batch.rejected))
        if not batch.events:
            self._count_rejected(batch.rejected, key.project)
            return all_rejected(batch.rejected)
        return await self._store(batch, self._arrival(batch, key, scope, headers))

    def _write_key(self, token: str) -> Key:
        key = self._directory.find_key(token) if token else None
        if key is None:
            if token:
                raise BodyError(401, "unknown_key", "the server does not know this key: it is mistyped or revoked")
            raise BodyError(401, "no_key", "a write key is needed: Authorization: Bearer wk_…")
        if key.kind != "write":
            raise BodyError(403, "wrong_key", f"events need a write key, wk_…, and this is another kind: {key.kind}")
        return key

    def _arrival(self, batch: Batch, key: Key, scope: Scope, headers: Mapping[bytes, str]) -> Arrival:
        try:
            project = self._directory.project(key.project)
        except UsageError as exc:  # deleted since the key was looked up
            raise BodyError(401, "unknown_key", "the key's project is deleted") from exc
        now = self._clock()
        return Arrival(
            project=project.name,
            batch_id=str(batch.batch_id),
            library=batch.library,
            sent_at=batch.sent_at.timestamp() if batch.sent_at else None,
            received_at=round(now, 3),
            address=self._address(scope, headers),
            user_agent=headers.get(b"user-agent", ""),
            is_refused=headers.get(b"sec-gpc") == "1" or headers.get(b"dnt") == "1",
            ip_mode=project.ip,
            retention_days=project.retention_days,
            rollup_retention_days=project.counts_days,
            salts=partial(self._directory.salts, now),
            country_of=self._places.country,
            fingerprints=fingerprints_of(batch.events),
        )

    def _address(self, scope: Scope, headers: Mapping[bytes, str]) -> str:
        peer = scope["client"][0] if scope["client"] else ""
        hops = headers.get(b"x-forwarded-for", ""), headers.get(b"forwarded", "")
        if len(hops[0]) + len(hops[1]) > KNOWN_BYTES:  # not worth remembering
            return client_address(peer, *hops, self._proxies)
        return self._known_address(peer, *hops)

    async def _store(self, batch: Batch, arrival: Arrival) -> Answer:
        """Return the answer for a batch with accepted events; they are on disk then."""
        rows: list[Row] = []
        unplaced: list[Unplaced] = []
        erased = 0
        for event in batch.events:
            row = enrich(event, arrival)
            if self._is_erased(row, event):
                erased += 1
            elif isinstance(row, Row):
                rows.append(row)
            else:
                unplaced.append(row)
        appended = await self._appender.append(
            Entry(arrival.project, batch.batch_id, batch.digest, rows, unplaced, arrival.received_at)
        )
        self._count(batch, appended, arrival.project)
        if erased and not appended.duplicates:
            self._counters.add("dropped", "erased", erased, project=arrival.project)
        return Answer(
            200,
            {
                "accepted": appended.accepted,
                "duplicates": appended.duplicates or batch.duplicates,
                "rejected": batch.rejected,
            },
        )

    def _is_erased(self, row: Row | Unplaced, event: Event) -> bool:
        """Tell whether the event is late, of a subject that was erased since it happened.

        A time that was out of bounds has become that of arrival: then the sender's own tells.
        """
        devices, row = (row.devices, row.row) if isinstance(row, Unplaced) else ((), row)
        at = event.at.timestamp() if row.time_flag in CLAMPED else row.at
        users = (row.user_id, previous_id(row)) if row.type == "alias" else (row.user_id,)
        return any(self._directory.is_erased(row.project, user, (row.device_id, *devices), at) for user in users)

    def _count(self, batch: Batch, appended: Appended, project: str) -> None:
        add = partial(self._counters.add, project=project)
        add("accepted", amount=appended.accepted)
        if appended.duplicates or batch.duplicates:
            add("duplicates", amount=appended.duplicates or batch.duplicates)
        if appended.sampled_out:
            add("dropped", "sampled", appended.sampled_out)
        if appended.accepted:
            for reason, events in batch.dropped.items():
                add("client_dropped", reason if reason in CLIENT_REASONS else "other", events)
        self._count_rejected(batch.rejected, project)

    def _count_rejected(self, rejected: Sequence[Rejection], project: str) -> None:
        for code, events in Counter(rejection.code for rejection in rejected).items():
            self._counters.add("rejected", code, events, project=project)

    def _refuse(self, exc: Exception, project: str = "") -> Answer:
        answer = refusal(exc)
        code = exc.code if isinstance(exc, BodyError) else str(answer.status)
        self._counters.add("refused", code, project=project)
        return answer


class _Alias(Struct):
    previous_id: Any = None


def previous_id(row: Row) -> str:
    """Return the other id that an alias event names."""
    return str(msgspec.json.decode(row.properties, type=_Alias).previous_id or "")


def refusal(exc: Exception) -> Answer:
    """Return the answer to a request that failed as a whole; after a 503 the sender keeps its batch and comes again."""
    is_ours = isinstance(exc, ServerError) and not isinstance(exc, LockedError)
    status, code, reason = failure_of(exc) if is_ours else DISK_FAILING
    seconds = retry_seconds(status, code)
    headers = ((b"www-authenticate", b"Bearer"),) if status == 401 else () if seconds is None else retry_after(seconds)
    return error_answer(status, code, reason, headers)


def all_rejected(rejected: Sequence[Rejection]) -> Answer:
    """Return the answer to a batch without a valid event; one event alone gives the error its own code."""
    first = rejected[0]
    code, reason = (first.code, first.reason) if len(rejected) == 1 else ("all_rejected", "every event was rejected")
    return Answer(400, {"error": {"code": code, "reason": reason}, "rejected": rejected})


def error_answer(status: int, code: str, reason: str, headers: Headers = ()) -> Answer:
    return Answer(status, {"error": {"code": code, "reason": reason}}, headers)


def retry_after(seconds: int) -> Headers:
    return ((b"retry-after", str(seconds).encode()),)
