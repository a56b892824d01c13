"""What happens to an encoded event between the queue and its batch, in this order; each step may drop it with a reason.

consent     drops what was tracked before a refusal, of another process too
sample      drops all events of a device that is not kept, per type
redact      replaces the values of keys that look like secrets; if asked to, values that look like secrets too
identify    adds the device id and the privacy mode
before_send the program's own function, the last to see and to change an event before it leaves

Most events of a program have the same few keys, so track() remembers which of them are harmless. It leaves out the
opening brace of an event that has no others: there is nothing to look for in it. An event of a visitor (visitor.py) has
`@` before it: its device is not this program's, so it is neither identified nor sampled here.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from .event import MAX_EVENT_BYTES, Event, decode, encode, encode_head
from .fingerprint import Fingerprint, Fingerprinter
from .privacy import Consent, redact, redact_encoded
from .sampling import keeps, rate_for

logger = logging.getLogger("shockmouse_analytics")

Redact = Literal["none", "keys", "values"]
BeforeSend = Callable[[Event], Event | None]

_MAX_HARMLESS_KEYS = 1000
_QUOTE = ord('"')
_VISITOR = ord("@")


class Finished(Struct, frozen=True):
    """Events ready for a batch, how many were left out for each reason, and what people need to know of a reason."""

    events: list[bytes]
    dropped: dict[str, int]
    why: dict[str, str] = {}


class _Drop(Struct, frozen=True):
    reason: str
    why: str = ""


class _Typed(Struct):
    type: str


class Steps:
    """Runs events through the steps; all but mark() belongs to the background, because identifying touches the disk."""

    def __init__(
        self,
        *,
        fingerprinter: Fingerprinter,
        consent: Consent,
        sample_rate: float | dict[str, float],
        before_send: BeforeSend | None,
        library: Mapping[str, str],
        redact: Redact = "keys",
    ) -> None:
        self._fingerprinter = fingerprinter
        self._consent = consent
        self._sample_rate = sample_rate
        self._samples = sample_rate != 1.0
        self._before_send = before_send
        self._library = library
        self._redacts = redact
        if redact == "values":
            from .secret_values import redact_values

            self._redact_value = redact_values
        self._harmless: set[str] = set()

    def mark(self, event: bytes, properties: Collection[object]) -> bytes:
        """Return the event, marked by what is known of its properties; they must be the only object in it, if any."""
        if self._redacts != "keys" or event.find(b"{", 1) != event.rfind(b"{", 1):  # one of them is an object too
            return event
        return event[1:] if self._harmless.issuperset(properties) or self._learn(properties) else event

    def device_id(self) -> str:
        """Return this program's device id; the first call may touch the disk."""
        return self._fingerprinter.fingerprint().device_id

    def mark_visitor(self, event: bytes) -> bytes:
        """Return the event, marked as that of a visitor."""
        return b"@" + event

    def has_withdrawn(self) -> bool:
        """Return whether the person has refused, so that what earlier runs left is not to be sent either."""
        return self._consent.has_withdrawn()

    def head(self) -> bytes:
        """Return the part of a batch before its events."""
        signals = self._fingerprinter.fingerprint().signals
        context = {"locale": signals.get("language"), "timezone": signals.get("timezone")}
        return encode_head(self._library, {name: value for name, value in context.items() if value})

    def with_fingerprint(self, events: list[bytes]) -> list[bytes]:
        """Return a batch's finished events, the first of this program's own device with its fingerprint.

        Where the program looks at what leaves, they have it already.
        """
        return self._tell_fingerprint(events) if self._before_send is None else events

    def finish(self, events: list[bytes]) -> Finished:
        """Run events through all steps."""
        self._consent.reload()
        if self._consent.refused:
            return Finished([], {"opted_out": len(events)})
        known = self._fingerprinter.fingerprint()
        start = b'{"device_id":"%b","privacy":"%b",' % (known.device_id.encode(), known.privacy.encode())
        if self._samples or self._before_send is not None:
            return self._finish_with_care(events, start, known.device_id)
        return Finished([start + e if e[0] == _QUOTE else self._identify(e, start) for e in events], {})

    def _identify(self, event: bytes, start: bytes) -> bytes:
        if event[0] == _VISITOR:
            return self._redact(event[1:])
        if event[0] == _QUOTE:
            return start + event
        return start + self._redact(event)[1:]

    def _finish_with_care(self, events: list[bytes], start: bytes, device_id: str) -> Finished:
        kept = [self._identify(event, start) for event in events if self._is_in_sample(event, device_id)]
        dropped = Counter(sampled=len(events) - len(kept))
        if self._before_send is None:
            return Finished(kept, dict(+dropped))
        outcomes = [_ask(self._before_send, event) for event in self._tell_fingerprint(kept)]
        drops = [outcome for outcome in outcomes if isinstance(outcome, _Drop)]
        dropped.update(drop.reason for drop in drops)
        why = {drop.reason: drop.why for drop in drops if drop.why}
        return Finished([outcome for outcome in outcomes if isinstance(outcome, bytes)], dict(+dropped), why)

    def _is_in_sample(self, event: bytes, device_id: str) -> bool:
        if event[0] == _VISITOR:
            return True
        kind = msgspec.json.decode(unmark(event), type=_Typed).type
        return keeps(device_id, rate_for(self._sample_rate, kind))

    def _tell_fingerprint(self, events: list[bytes]) -> list[bytes]:
        """Return the events, the first of this program's own device with its fingerprint; one is enough."""
        known = self._fingerprinter.fingerprint()
        own = b'"device_id":"%b"' % known.device_id.encode()
        for number, event in enumerate(events):
            if own in event:
                told = encode({"hash": known.hash, "signals": _text(known)})
                return [*events[:number], b'{"fingerprint":%b,%b' % (told, event[1:]), *events[number + 1 :]]
        return events

    def _redact(self, event: bytes) -> bytes:
        if self._redacts == "none":
            return event
        clean = redact_encoded(event)
        return self._redact_values(clean) if self._redacts == "values" else clean

    def _redact_values(self, event: bytes) -> bytes:
        """Return the event with its values redacted; ids and names are the program's own choice."""
        told = msgspec.json.decode(event)
        for part in ("properties", "user_properties", "context"):
            if part in told:
                told[part] = self._redact_value(told[part])
        return encode(told)

    def _learn(self, keys: Collection[object]) -> bool:
        """Return whether no key looks like a secret, and remember those that do not; of others than text say no."""
        harmless = {key for key in keys if isinstance(key, str) and redact({key: ""}) == {key: ""}}
        if len(self._harmless) < _MAX_HARMLESS_KEYS:
            self._harmless |= harmless
        return len(harmless) == len(keys)


def unmark(event: bytes) -> bytes:
    """Return an event that mark() or mark_visitor() has marked as the JSON that it was."""
    return b"{" + event if event[0] == _QUOTE else event.lstrip(b"@")


def _ask(before_send: BeforeSend, event: bytes) -> bytes | _Drop:
    try:
        changed: object = before_send(decode(event))
    except Exception as exc:  # the program's own code may raise anything; the event must not leave unseen
        return _failed(f"raised {type(exc).__name__}", exc)
    if changed is None:
        return _Drop("before_send")
    if not isinstance(changed, Event):
        return _failed(f"returned {type(changed).__name__}, but should return an Event or None")
    try:
        finished = encode(changed)
    except Exception as exc:  # as above: what is in the event is the program's own
        return _failed(f"returned an Event that cannot be sent, {type(exc).__name__}", exc)
    return _Drop("too_large") if len(finished) > MAX_EVENT_BYTES else finished


def _failed(how: str, exc: Exception | None = None) -> _Drop:
    logger.debug("before_send %s", how, exc_info=exc)
    return _Drop("before_send_failed", f"events were dropped: before_send {how}")


def _text(known: Fingerprint) -> dict[str, str]:
    """Return the signals as text: booleans as JSON writes them."""
    signals = {name: value for name, value in known.signals.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in signals.items()}
