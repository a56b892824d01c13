"""Analytics: the public verbs, and the wiring of everything behind them.

track() → consent → session, ids, encoding (a snapshot) → RequestsManager → in the background: steps → batch → server
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Never, Self

import msgspec

from . import session_header
from .arguments import as_dict, check_event, check_id, check_purposes, check_time, not_a
from .config import ClientConfig
from .counts import Stats
from .delivering import Delivering
from .errors import ConfigError
from .event import (
    MAX_EVENT_BYTES,
    Batch,
    Event,
    EventType,
    Privacy,
    encode,
    is_of_user,
)
from .fingerprint import Fingerprinter
from .misuse import caller, explain, raised_at
from .performance import Measure, describe_exception
from .privacy import COLLECTING, Consent
from .requests_manager import RequestsManager
from .sampling import rate_for
from .session import Sessions
from .session_header import Joint
from .steps import BeforeSend, Redact, Steps, unmark
from .undecided import Undecided
from .visitor import Visitor, check_visitor

if TYPE_CHECKING:
    from .vitals import Vitals

logger = logging.getLogger("shockmouse_analytics")

Properties = Mapping[str, Any]

FLUSH_SECONDS = 10.0
HEAR_SECONDS = 1.0  # between two looks at the disk for an answer that another process was given


class Analytics:
    """Records what happens in a program and delivers it; safe to use from any thread.

    No verb blocks or raises because of delivery. A mistake in a call raises TypeError or ValueError with `debug`, and
    is counted and logged otherwise. Settings that are not given come from SHOCKMOUSE_CLIENT_<NAME>, see config.py.

    >>> with Analytics("wk_shop_0123456789", endpoint=endpoint) as analytics:
    ...     analytics.track("Report exported", {"pages": 12})
    ...     analytics.flush(timeout=10)
    True
    """

    def __init__(
        self,
        write_key: str | None = None,
        *,
        endpoint: str | None = None,
        privacy: Privacy | None = None,
        sample_rate: float | Mapping[EventType, float] | None = None,
        flush_events: int | None = None,
        flush_seconds: float | None = None,
        batch_bytes: int | None = None,
        queue_events: int | None = None,
        queue_bytes: int | None = None,
        offline: bool | None = None,
        offline_bytes: int | None = None,
        offline_dir: str | Path | None = None,
        retry_seconds: float | None = None,
        session_minutes: float | None = None,
        fingerprint_names: bool | None = None,
        redact: Redact | None = None,
        before_consent: Literal["collect", "queue", "drop"] | None = None,
        vitals_seconds: float | None = None,
        before_send: BeforeSend | None = None,
        debug: bool | None = None,
        enabled: bool | None = None,
        **unknown: Never,
    ) -> None:
        """Check the settings and wire the parts. Raises ConfigError, for an unknown name too.

        No connection is made, and no thread but for vitals and for events that an earlier run has left on disk.
        """
        arguments = {name: value for name, value in locals().items() if name not in ("self", "before_send", "unknown")}
        config = ClientConfig.load(arguments | unknown, os.environ)
        if before_send is not None and not callable(before_send):
            raise ConfigError(f"before_send is {before_send!r}, but should be a function that takes an Event")
        state_dir = config.state_dir()
        remembered = None if config.privacy == "strict" else state_dir
        self._debug = config.debug
        self._privacy = config.privacy
        self._write_key, self._project = config.write_key, config.project
        self._enabled = config.enabled
        self._sample_rate = config.sample_rate
        self._consent = Consent(project=config.project, state_dir=state_dir)
        self._before_consent = config.before_consent
        self._awaits_consent = config.before_consent != "collect" and COLLECTING not in self._consent.purposes
        self._heard_at = float("-inf")
        self._undecided = Undecided(max_events=config.queue_events, max_bytes=config.queue_bytes)
        self._sessions = Sessions(minutes=config.session_minutes)
        self._user_id: str | None = None
        self._registered: dict[str, Any] = {}
        self._steps = Steps(
            fingerprinter=Fingerprinter(
                privacy=config.privacy,
                project=config.project,
                state_dir=remembered,
                names=config.fingerprint_names,
            ),
            consent=self._consent,
            sample_rate=config.sample_rate,
            before_send=before_send,
            library={"name": "shockmouse-analytics", "version": _version()},
            redact=config.redact,
        )
        self._manager = RequestsManager(_delivering(config, state_dir), self._steps)
        if self._consent.was_remembered:
            self._manager.purge_left()
        self._deliver_left()
        is_asked = config.enabled and config.vitals_seconds > 0
        self._vitals = self._start_vitals(config.vitals_seconds) if is_asked else None

    def track(self, name: str, properties: Properties | None = None, *, visitor: Visitor | None = None) -> None:
        """Record that something happened: `track("Report exported", {"format": "pdf"})`.

        In a program that serves others, `visitor` says whose doing it is. With `debug` raises TypeError or ValueError:
        the name has not 1 to 255 characters, the properties are no JSON object, or the event has more than 64 KiB.

        >>> analytics.track("Basket filled", {"pieces": 2}, visitor=Visitor(ip="203.0.113.77", user_id="user-42"))
        >>> analytics.track("Report exported", {"file": object()})
        Traceback (most recent call last):
        TypeError: Encoding objects of type object is unsupported
        """
        self._record("track", name, properties, visitor=visitor)

    def page(
        self,
        url: str | None = None,
        *,
        title: str | None = None,
        referrer: str | None = None,
        name: str | None = None,
        properties: Properties | None = None,
        visitor: Visitor | None = None,
    ) -> None:
        """Record a page view, of a visitor where the program serves others.

        >>> analytics.page("https://example.com/pricing", title="Pricing", referrer="https://search.example.org/")
        """
        given: dict[str, object] = {"url": url, "title": title, "referrer": referrer}
        page = {called: value for called, value in given.items() if value is not None}
        for called, value in page.items():
            if not isinstance(value, str):
                self._misused(not_a(called, value, "a string"))
                return
        context = {"page": page}
        self._record("page", name, properties, context=context, visitor=visitor)

    def screen(self, name: str, properties: Properties | None = None) -> None:
        """Record that a program's window or view was shown.

        >>> analytics.screen("Settings", {"tab": "Network"})
        """
        self._record("screen", name, properties)

    def identify(self, user_id: str, properties: Properties | None = None) -> None:
        """Say who uses the program from now on, until reset(), and what is known about them.

        With `debug` raises ValueError: the id has not 1 to 256 characters, or stands for none, such as "undefined".

        >>> analytics.identify("user-42", {"plan": "pro"})
        """
        if self._is_id(user_id):
            self._user_id = user_id
            self._record("identify", None, None, user_properties=properties)

    def group(self, group_id: str, properties: Properties | None = None) -> None:
        """Say which group, such as a company, the user belongs to.

        >>> analytics.group("acme", {"seats": 5})
        """
        if self._is_id(group_id, "group_id"):
            self._record("group", None, properties, made={"group_id": group_id})

    def alias(self, user_id: str, previous_id: str | None = None) -> None:
        """Say that `user_id` is the same person as `previous_id`, by default the one identified before.

        >>> analytics.alias("user-42", "trial-7")
        """
        given: object = previous_id  # whoever has no type checker may pass anything
        is_left_out = given is None or (type(given) is str and not given)
        if self._is_id(user_id) and (is_left_out or self._is_id(given, "previous_id")):
            previous, self._user_id = self._user_id if is_left_out else previous_id, user_id
            self._record("alias", None, None, made={"previous_id": previous})

    def register(self, properties: Properties) -> None:
        """Send these properties with every event from now on; an event's own win. None takes a property back.

        >>> analytics.register({"edition": "team", "beta": True})
        >>> analytics.register({"beta": None})
        """
        try:
            merged = {**self._registered, **(as_dict(properties) or {})}
            size = len(encode(merged))
        except Exception as exc:  # what a program hands over is its own, and may raise anything
            self._misused(exc)
            return
        if size > MAX_EVENT_BYTES:
            self._misused(ValueError(f"the properties have {size} bytes, and an event {MAX_EVENT_BYTES} at most"))
            return
        self._registered = {name: value for name, value in merged.items() if value is not None}

    def reset(self) -> None:
        """Forget the user and the registered properties, and begin a new session: somebody logged out.

        >>> analytics.reset()
        """
        self._user_id = None
        self._registered = {}
        self._sessions.reset()

    def forget(self, user_id: str) -> bool:
        """Throw away what waits of this user, also for consent, in memory and on disk; return whether that was done.

        Waits for the disk, for 2 s at most. What lies where the disk fails or others lock the queue is thrown away once
        this process gets at it, or by the next run if that could be remembered on disk; nothing need be called again.
        If it is the user identified now, reset() too. What the server has acknowledged is the server's to erase.

        >>> analytics.forget("user-42")
        True
        """
        if not self._is_id(user_id):
            return False
        if self._user_id == user_id:
            self.reset()
        self._manager.drop("forgotten", self._undecided.leave_out(lambda event: is_of_user(unmark(event), user_id)))
        return not self._enabled or self._manager.forget(user_id)

    def opt_out(self) -> bool:
        """Collect nothing from now on, also after a restart, and forget what waits; return whether that was done.

        What waits for consent too. Waits for the disk, for 2 s at most. If the refusal could not be stored it holds
        until the process ends. What waits where the disk fails or others lock the queue is forgotten once this process
        gets at it, by the next run if the refusal is stored.

        >>> analytics.opt_out()
        True
        >>> analytics.is_collecting
        False
        """
        is_remembered = self._consent.opt_out()
        self._release()
        return self._manager.purge() and is_remembered

    def opt_in(self) -> None:
        """Take opt_out() back. DO_NOT_TRACK in the environment stays in force.

        What was collected before the refusal, and could not be thrown away then, is thrown away first, if it can be.

        >>> analytics.opt_in()
        >>> analytics.is_collecting
        True
        """
        if self._consent.has_withdrawn():
            self._manager.purge_left()
        self._consent.opt_in()

    def consent(self, purposes: Mapping[str, bool]) -> None:
        """Remember on disk what the person says to each purpose, and tell it: `consent({"analytics": True})`.

        The purpose `analytics` decides: no is an opt_out(), yes an opt_in() that also sends what `before_consent`
        has kept. Waits for the disk, for 2 s at most. With `debug` raises TypeError: an answer is not True or False.

        >>> analytics.consent({"analytics": True, "newsletter": False})
        """
        if not self._fits(check_purposes, purposes, "purposes") or not self._enabled:
            return
        self._consent.decide(purposes)
        if COLLECTING in purposes:
            self._awaits_consent = False
            self._release()
        if self._consent.refused:
            self._manager.purge()
        else:
            self._record("consent", None, None, made={"purposes": dict(purposes)})

    @property
    def purposes(self) -> Mapping[str, bool]:
        """What the person has said to each purpose, also in earlier runs; without those that were not asked.

        >>> analytics.consent({"newsletter": False})
        >>> analytics.purposes["newsletter"]
        False
        """
        return dict(self._consent.purposes)

    def measure(self, name: str, properties: Properties | None = None) -> Measure:
        """Record how many milliseconds something takes: in a `with` or `async with` block, or as a decorator.

        >>> with analytics.measure("render", {"pages": 12}):
        ...     text = "page" * 12
        >>> @analytics.measure("add")
        ... def add(a, b):
        ...     return a + b
        >>> add(1, 2)
        3
        """
        return Measure(self._record_duration, name, properties)

    def watch_loop(self) -> None:
        """Tell the lag of the running event loop with the vitals, see `vitals_seconds`; called in a coroutine.

        >>> async def main():
        ...     analytics.watch_loop()
        >>> asyncio.run(main())
        """
        if self._vitals is not None:
            import asyncio

            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._misused(ValueError("watch_loop() should be called in a coroutine"))
            else:
                self._vitals.watch(loop)

    def capture_exception(
        self, exc: BaseException, properties: Properties | None = None, *, visitor: Visitor | None = None
    ) -> None:
        """Record an exception: its type, message and where it was raised; no values of variables.

        >>> try:
        ...     int("twelve")
        ... except ValueError as exc:
        ...     analytics.capture_exception(exc, {"field": "pages"})
        """
        given: object = exc
        if not isinstance(given, BaseException):
            self._misused(not_a("exc", given, "an exception"))
            return
        self._record("error", type(exc).__name__, properties, made=describe_exception(exc), visitor=visitor)

    def record(
        self,
        kind: EventType,
        name: str | None = None,
        properties: Properties | None = None,
        *,
        context: Properties | None = None,
        fingerprint: Properties | None = None,
        visitor: Visitor | None = None,
    ) -> None:
        """Record an event of any type, with its context as it is sent: what automatic tracking is made of.

        `fingerprint` is of the visitor's device: this program's own is told without being asked for.

        >>> analytics.record("click", "Save", {"tag": "button"}, context={"page": {"path": "/editor"}})
        """
        self._record(kind, name, properties, context=context, fingerprint=fingerprint, visitor=visitor)

    def pass_on(self, batch: Batch, *, sampled: int = 0) -> None:
        """Deliver a batch that a visitor's browser has cut, under its own id and as it is; it goes to disk first.

        `sampled` counts events that were left out of it, because their device is not one that is kept.

        >>> event = b'{"event_id":"0190b8a5-0000-7000-8000-00000000000a","type":"page","timestamp":"2026-01-01"}'
        >>> head = encode_head({"name": "shockmouse-agent", "version": "0.1.0"}, {})
        >>> analytics.pass_on(cut_batch("0190b8a5-0000-7000-8000-000000000001", head, [event]))
        """
        given: object = batch
        if not isinstance(given, Batch):
            self._misused(not_a("batch", given, "a Batch"))
            return
        if not self._enabled:
            return
        self._manager.drop("sampled", sampled)
        if self._consent.refused:
            self._manager.drop("opted_out", batch.events)
        elif batch.events:
            self._manager.put_batch(batch)

    def session_headers(self, visitor: Visitor | None = None) -> dict[str, str]:
        """Return the header for an outgoing request that lets the other side's events join this session.

        Of a visitor it is theirs, if it is known. Empty while nothing is collected. The first call may touch the disk.

        >>> analytics.session_headers(Visitor(session_id="s-1", device_id="d-1"))
        {'Shockmouse-Session': '01;s=s-1;d=d-1'}
        """
        given: object = visitor
        if not isinstance(given, Visitor | None):
            self._misused(not_a("visitor", given, "a Visitor"))
            return {}
        if not self.is_collecting or self._awaits_consent:
            return {}
        if visitor is None:
            session = self._sessions.touch(time.monotonic(), time.time())
            joint = Joint(session.id, self._steps.device_id())
        elif visitor.session_id:
            joint = Joint(visitor.session_id, visitor.device_id)
        else:
            return {}
        value = session_header.write(joint)
        return {session_header.NAME: value} if value else {}

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Send what waits; return True when all of it is acknowledged within so many seconds.

        That is what this process has tracked and what lies on disk from earlier runs, but for what another process is
        sending or collecting at this moment. Raises ClosedError; with `debug`, the DeliveryError that kept something
        from being acknowledged.

        >>> analytics.track("Report exported")
        >>> analytics.flush(timeout=5)
        True
        """
        if not self._is_time(timeout):
            return False
        self._deliver_left()
        return self._judge(self._manager.flush(timeout))

    async def aflush(self, timeout: float = FLUSH_SECONDS) -> bool:  # noqa: ASYNC109 - as flush()
        """Return what flush() returns without blocking the running loop.

        >>> async def main():
        ...     analytics.track("Job finished")
        ...     return await analytics.aflush(timeout=5)
        >>> asyncio.run(main())
        True
        """
        if not self._is_time(timeout):
            return False
        self._deliver_left()
        return self._judge(await self._manager.aflush(timeout))

    def deliver_stored(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Send what waits on disk, of other processes too; return True when nothing waits any more.

        Waits for so many seconds at most. Raises as flush().

        >>> analytics.deliver_stored(timeout=10)
        True
        """
        return self._is_time(timeout) and self._judge(self._manager.deliver_stored(timeout))

    def close(self) -> None:
        """Deliver for a second at most; what is not acknowledged then stays on disk. Happens by itself at exit.

        Events that still wait for consent are dropped: nothing of them may stay.

        >>> analytics.close()
        >>> analytics.flush()
        Traceback (most recent call last):
        shockmouse_analytics.errors.ClosedError: the client is closed: make a new one
        """
        if self._vitals is not None:
            self._vitals.stop()
        self._hear_answer()
        self._manager.drop("no_consent", len(self._undecided.take()))
        self._manager.close()

    def stats(self) -> Stats:
        """Return what became of this process's events so far; those that wait for consent count as queued.

        >>> analytics.stats().dropped
        {}
        """
        stats = self._manager.stats()
        return msgspec.structs.replace(stats, queued=stats.queued + len(self._undecided))

    @property
    def is_collecting(self) -> bool:
        """Whether events are collected: neither switched off nor refused. Consent may be awaited nevertheless.

        >>> Analytics(enabled=False).is_collecting
        False
        """
        return self._enabled and not self._consent.refused

    @property
    def privacy(self) -> Privacy:
        """How much is told about a device, at most.

        >>> analytics.privacy
        'balanced'
        """
        return self._privacy

    @property
    def project(self) -> str:
        """The project that the key belongs to.

        >>> analytics.project
        'shop'
        """
        return self._project

    @property
    def write_key(self) -> str:
        """The key that events are sent with; public by nature, a browser's script has it too.

        >>> analytics.write_key
        'wk_shop_0123456789'
        """
        return self._write_key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    def _record(
        self,
        kind: EventType,
        name: str | None,
        properties: Properties | None,
        *,
        user_properties: Properties | None = None,
        context: Properties | None = None,
        fingerprint: Properties | None = None,
        visitor: Visitor | None = None,
        made: dict[str, Any] | None = None,
    ) -> None:
        """Queue one event; `made` are properties of ours, which win over the program's."""
        if not self._enabled:
            return
        self._hear_answer(HEAR_SECONDS)
        if self._consent.refused:
            self._manager.drop("opted_out")
            return
        waits = self._awaits_consent and visitor is None  # visitors are asked by whoever serves them
        if waits and self._before_consent == "drop":
            self._manager.drop("no_consent")
            return
        try:
            if self._registered or made:
                properties = {**self._registered, **(as_dict(properties) or {}), **(made or {})}
            event = self._event(kind, name, properties, user_properties, context, fingerprint, visitor)
            encoded = self._encode(event, is_visitors=visitor is not None)
        except Exception as exc:  # what a program hands over is its own, and may raise anything
            self._misused(exc)
            return
        if waits:
            self._keep_undecided(encoded)
        else:
            self._manager.put(encoded)

    def _flush_own(self, timeout: float) -> bool:
        """Return whether what this process has tracked is acknowledged within so many seconds. Raises as flush()."""
        return self._judge(self._manager.flush_own(timeout))

    def _deliver_left(self) -> None:
        """Begin to deliver what earlier runs have left on disk, unless nothing may be sent now."""
        self._hear_answer()
        if self.is_collecting and not self._awaits_consent:
            self._manager.deliver_left()

    def _keep_undecided(self, encoded: bytes) -> None:
        self._manager.drop("queue_full", self._undecided.put(encoded))
        if not self._awaits_consent or self._consent.refused:  # decided in between, by another thread
            self._release()

    def _hear_answer(self, every_seconds: float = 0.0) -> None:
        """Let go of what waits if the person has answered in another process; looks on disk once in so many seconds."""
        if not self._awaits_consent or not self._enabled or time.monotonic() < self._heard_at + every_seconds:
            return
        self._heard_at = time.monotonic()
        self._consent.hear()
        if COLLECTING in self._consent.purposes:
            self._awaits_consent = False
            self._release()

    def _release(self) -> None:
        """Let what waited for consent go its way, which after a refusal is none."""
        events = self._undecided.take()
        if self._consent.refused:
            self._manager.drop("opted_out", len(events))
            return
        for event in events:
            self._manager.put(event)

    def _event(
        self,
        kind: EventType,
        name: str | None,
        properties: Properties | None,
        user_properties: Properties | None,
        context: Properties | None,
        fingerprint: Properties | None,
        visitor: Visitor | None,
    ) -> Event:
        check_event(kind, name)
        boot = self._manager.boot
        seq = boot.next()
        at = time.time()
        event_id = boot.event_id(int(at * 1000), seq)
        timestamp = datetime.fromtimestamp(at, UTC)
        context = as_dict(context, "context") if context else None
        # Two calls: more than 15 named arguments go by way of a dictionary, which takes ten times as long.
        if visitor is not None:  # nothing of this program's own device, session and user is in it
            check_visitor(visitor)
            return Event(
                event_id=event_id,
                type=kind,
                timestamp=timestamp,
                name=name,
                boot_id=boot.id,
                seq=seq,
                session_id=visitor.session_id,
                device_id=visitor.device_id,
                user_id=visitor.user_id,
                privacy=visitor.privacy(self._privacy),
                fingerprint=as_dict(fingerprint, "fingerprint") if fingerprint else None,
                user_properties=as_dict(user_properties),
                properties=as_dict(properties),
                context=visitor.context() | (context or {}),
            )
        session = self._sessions.touch(time.monotonic(), at)
        return Event(
            event_id=event_id,
            type=kind,
            timestamp=timestamp,
            name=name,
            boot_id=boot.id,
            seq=seq,
            session_id=session.id,
            session_started_at=session.started_at,
            user_id=self._user_id,
            sample_rate=rate_for(self._sample_rate, kind),
            user_properties=as_dict(user_properties),
            properties=as_dict(properties),
            context=context,
        )

    def _encode(self, event: Event, *, is_visitors: bool) -> bytes:
        encoded = encode(event)
        if len(encoded) > MAX_EVENT_BYTES:
            raise ValueError(f"the event has {len(encoded)} bytes, but at most {MAX_EVENT_BYTES} are allowed")
        if is_visitors:
            return self._steps.mark_visitor(encoded)
        return encoded if event.context or event.user_properties else self._steps.mark(encoded, event.properties or ())

    def _record_duration(self, name: str, properties: Properties | None, made: dict[str, Any]) -> None:
        self._record("performance", name, properties, made=made)

    def _record_vitals(self, name: str, vitals: dict[str, Any]) -> None:
        self._record("performance", name, None, made=vitals)

    def _start_vitals(self, every_seconds: float) -> "Vitals":
        from .vitals import Vitals

        return Vitals(self._record_vitals, every_seconds)

    def _is_id(self, given: object, called: str = "user_id") -> bool:
        return self._fits(check_id, given, called)

    def _is_time(self, given: object) -> bool:
        return self._fits(check_time, given, "timeout")

    def _fits(self, check: Callable[[object, str], None], given: object, called: str) -> bool:
        try:
            check(given, called)
        except Exception as exc:  # what a program hands over is its own, and may raise anything
            self._misused(exc)
            return False
        return True

    def _stumbled(self, what: str, exc: Exception) -> None:
        """Have a failure around events told, once a minute; its traceback is logged for who looks closely."""
        logger.debug(what, exc_info=exc)
        self._manager.counts.warn(what, f"{what}: {type(exc).__name__} at {raised_at(exc)}")

    def _misused(self, exc: Exception) -> None:
        if not self._debug:
            self._manager.misuse(explain(exc), caller())
        elif isinstance(exc, TypeError | ValueError):
            raise exc
        else:
            raise ValueError(f"what was given raised {type(exc).__name__}") from exc

    def _judge(self, is_acknowledged: bool) -> bool:
        error = self._manager.last_error
        if not is_acknowledged and self._debug and error is not None:
            raise error
        return is_acknowledged


def _version() -> str:
    from . import __version__

    return __version__


def _delivering(config: ClientConfig, state_dir: Path) -> Delivering:
    return Delivering(
        endpoint=config.endpoint,
        write_key=config.write_key,
        version=_version(),
        flush_events=config.flush_events,
        flush_seconds=config.flush_seconds,
        batch_bytes=config.batch_bytes,
        queue_events=config.queue_events,
        queue_bytes=config.queue_bytes,
        retry_seconds=config.retry_seconds,
        offline_bytes=config.offline_bytes,
        offline_dir=state_dir if config.offline else None,
        queue_name=config.queue_name,
    )
