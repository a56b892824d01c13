"""What a browser's request tells of the device, as much as the visitor's privacy mode allows and no more.

SIGNALS  the only list of what may be told: name, the least private mode in which it is, the header, why. The whole user
         agent is not in it: it travels in the context, because the server reads families and versions from it, and the
         server keeps it in `full` only
Told     in the `fingerprint` of page views, of the headers that the browser sends by itself. Those that are `asked` for
         are sent by browsers that know the site's Accept-CH, which the middleware adds where it is told to
"""

import hashlib
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Struct

from ..event import Privacy
from .request import Request

MAX_CHARACTERS = 200
_RANKS = {"strict": 0, "balanced": 1, "full": 2, "never": 3}


class RequestSignal(Struct, frozen=True):
    """One fact about the device, and the first of strict, balanced, full in which it is told."""

    name: str
    mode: Literal["strict", "balanced", "full", "never"]
    why: str
    header: str = ""
    asked: bool = False


SIGNALS: tuple[RequestSignal, ...] = (
    RequestSignal("brands", "strict", "families and main versions of browsers", "sec-ch-ua"),
    RequestSignal("mobile", "strict", "a class of devices", "sec-ch-ua-mobile"),
    RequestSignal("platform", "strict", "family of the operating system", "sec-ch-ua-platform"),
    RequestSignal("languages", "full", "which translations are worth it, in the order of liking", "accept-language"),
    RequestSignal("accept", "full", "which formats a browser takes", "accept"),
    RequestSignal("accept_encoding", "full", "which compressions a browser takes", "accept-encoding"),
    RequestSignal("architecture", "full", "which builds are needed", "sec-ch-ua-arch", asked=True),
    RequestSignal("model", "full", "the exact device", "sec-ch-ua-model", asked=True),
    RequestSignal("platform_version", "full", "the exact system", "sec-ch-ua-platform-version", asked=True),
    RequestSignal("full_versions", "full", "the exact browser", "sec-ch-ua-full-version-list", asked=True),
    RequestSignal("header_order", "never", "WSGI does not tell it"),
    RequestSignal("address", "never", "personal data; its network is enough to derive a device for a day"),
    RequestSignal("tls", "never", "tells machines apart against their will, and is not seen by an application"),
    RequestSignal("etag", "never", "an id that a visitor cannot remove"),
    RequestSignal("refusal", "never", "GPC and DNT are obeyed, not measured"),
)
_ALLOWED: dict[Privacy, tuple[RequestSignal, ...]] = {
    mode: tuple(signal for signal in SIGNALS if _RANKS[signal.mode] <= _RANKS[mode])
    for mode in ("strict", "balanced", "full")
}
HINTS = ", ".join(signal.header for signal in SIGNALS if signal.asked)
_HEADERS = {mode: tuple(signal.header for signal in signals) for mode, signals in _ALLOWED.items()}


class RequestFingerprint(Struct, frozen=True, gc=False):
    """What is told: the hash is of the signals and the project, so that two projects cannot compare theirs."""

    hash: str
    signals: dict[str, str]


def read_signals(request: Request, privacy: Privacy, project: str) -> RequestFingerprint | None:
    """Return what the request tells in this mode; None where it tells nothing."""
    values = tuple(map(request.header, _HEADERS[privacy]))
    return _fingerprint(privacy, project, values) if any(values) else None


@lru_cache(2048)  # most visitors of a site have the same few browsers
def _fingerprint(privacy: Privacy, project: str, values: tuple[str, ...]) -> RequestFingerprint:
    named = zip(_ALLOWED[privacy], values, strict=True)
    signals = {signal.name: value[:MAX_CHARACTERS] for signal, value in named if value}
    digest = hashlib.sha256(project.encode("utf-8", "replace") + b"\0" + msgspec.json.encode(signals))
    return RequestFingerprint(digest.hexdigest()[:32], signals)
