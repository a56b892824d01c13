"""What happens to an encoded event between the queue and its batch, in this order; each step may drop it with a reason.

consent     drops what was tracked before a refusal
sample      drops all events of a device that is not kept, per type
redact      replaces the values of keys that look like secrets
identify    adds the device id and the privacy mode
before_send the program's own function, the last to see and to change an event before it leaves
"""

import logging
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from .event import MAX_EVENT_BYTES, Event, decode, encode, encode_head
from .fingerprint import Fingerprint, Fingerprinter
from .privacy import Consent, redact_encoded
from .sampling import keeps, rate_for

logger = logging.getLogger("shockmouse_analytics")

BeforeSend = Callable[[Event], Event | None]


class Drop(Struct, frozen=True):
    """An event is left out, for this reason."""

    reason: str


class _Typed(Struct):
    type: str


class Steps:
    """Runs events through the steps; belongs to the background, because identifying touches the disk."""

    def __init__(
        self,
        *,
        fingerprinter: Fingerprinter,
        consent: Consent,
        sample_rate: float | Mapping[str, float],
        before_send: BeforeSend | None,
        library: Mapping[str, str],
    ) -> None:
        self._fingerprinter = fingerprinter
        self._consent = consent
        self._sample_rate = sample_rate
        self._samples = sample_rate != 1.0
        self._before_send = before_send
        self._library = library

    def head(self) -> bytes:
        """Return the part of a batch before its events."""
        signals = self._fingerprinter.fingerprint().signals
        context = {"locale": signals.get("language"), "timezone": signals.get("timezone")}
        return encode_head(self._library, {name: value for name, value in context.items() if value})

    def with_fingerprint(self, event: bytes) -> bytes:
        """Return a finished event with the device's fingerprint; one event of a batch is enough."""
        known = self._fingerprinter.fingerprint()
        return b'{"fingerprint":%b,%b' % (encode({"hash": known.hash, "signals": _text(known)}), event[1:])

    def apply(self, event: bytes) -> bytes | Drop:
        """Return the finished event, or why it is left out."""
        if self._consent.refused:
            return Drop("opted_out")
        known = self._fingerprinter.fingerprint()
        if self._samples and not self._is_kept(event, known.device_id):
            return Drop("sampled")
        event = redact_encoded(event)
        event = b'{"device_id":"%b","privacy":"%b",%b' % (known.device_id.encode(), known.privacy.encode(), event[1:])
        return event if self._before_send is None else self._ask(self._before_send, event)

    def _is_kept(self, event: bytes, device_id: str) -> bool:
        kind = msgspec.json.decode(event, type=_Typed).type
        return keeps(device_id, rate_for(self._sample_rate, kind))

    def _ask(self, before_send: BeforeSend, event: bytes) -> bytes | Drop:
        try:
            changed = before_send(decode(event))
            finished = None if changed is None else encode(changed)
        except Exception as exc:  # the program's own code may raise anything; the event must not leave unseen
            logger.debug("before_send raised %r", exc)
            return Drop("before_send_failed")
        if finished is None:
            return Drop("before_send")
        return Drop("too_large") if len(finished) > MAX_EVENT_BYTES else finished


def _text(known: Fingerprint) -> dict[str, str]:
    """Return the signals as text: booleans as JSON writes them."""
    signals = {name: value for name, value in known.signals.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in signals.items()}
