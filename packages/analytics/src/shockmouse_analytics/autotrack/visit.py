"""One visitor's request, from its arrival to the events that tell of it.

Strict   no cookie; the server derives device and session from the shortened address and the user agent
Consent  the cookie names the device and the server derives the session. The callback is asked at each request: a cookie
         that is no longer agreed to is removed
Header   with consent, Shockmouse-Session names session and device of a sender that tells of itself, and the request's
         events join its own. It goes before the cookie, but not where the script's events get the cookie's device too
Refusal  `Sec-GPC: 1` and `DNT: 1` are strict whatever the callback says, or drop everything
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .. import session_header
from ..analytics import Analytics
from ..event import Privacy
from ..performance import describe_exception
from ..session_header import Joint
from ..visitor import Visitor
from .request import LOOPBACK, Proxies, Request
from .request_signals import HINTS, read_signals
from .route import NO_ROUTE, Route
from .routine import is_routine

COOKIE = "shockmouse_device"
COOKIE_SECONDS = 365 * 24 * 3600  # from the day of the consent, not renewed
KEY = "shockmouse.visit"  # where a Visit stands in the scope or the environment
MAX_NAME_CHARACTERS = 255
HEADER = session_header.NAME.lower()

_is_language = re.compile("[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}").fullmatch
_is_device = re.compile("[0-9a-f]{32}").fullmatch

Asked = Callable[[Request], bool]
Refusals = Literal["strict", "drop"]


class Seen(Struct, frozen=True, kw_only=True):
    """What is known of the answer once it has ended; `fields` of a form that was sent, None if it was none."""

    status: int
    content_type: str
    route: Route = NO_ROUTE
    title: str | None = None
    fields: list[str] | None = None
    in_browser: bool = False  # the script is in the page and tells of it


class Visit:
    """A request that is to be told of; `visitor` is for events of the program's own during it."""

    __slots__ = (
        "_analytics",
        "_asks",
        "_cookie",
        "_failure",
        "_request",
        "_started",
        "_times",
        "_url",
        "is_refused",
        "visitor",
    )

    def __init__(
        self,
        analytics: Analytics,
        request: Request,
        visitor: Visitor,
        url: str,
        *,
        times: bool,
        cookie: str,
        asks: bool,
        is_refused: bool,
    ) -> None:
        self._analytics, self._request, self._url, self._times = analytics, request, url, times
        self._cookie, self._asks = cookie, asks
        self._failure: BaseException | None = None
        self._started = time.perf_counter()
        self.visitor = visitor
        self.is_refused = is_refused  # by GPC, DNT or the callback; not where nobody was asked

    @property
    def has_known_device(self) -> bool:
        """Whether the device is one that came with its cookie."""
        return self.visitor.device_id is not None and not self._cookie

    def headers(self, content_type: str, cache_control: str) -> list[tuple[str, str]]:
        """Return what the answer's headers are to say besides the application's: none where caches share it."""
        if not self._cookie and not self._asks:
            return []
        if is_shared(cache_control):
            if self._cookie:
                self.forget_device()  # nobody will come back with this id
            return []
        hints = [("Accept-CH", HINTS)] if self._asks and content_type.startswith("text/html") else []
        return [("Set-Cookie", self._cookie), *hints] if self._cookie else hints

    def forget_device(self) -> None:
        """Have the server derive the device, and the session with it."""
        self.visitor = msgspec.structs.replace(self.visitor, device_id=None, session_id=None)

    def end(self, seen: Seen) -> None:
        """Record what the answer was; never raises."""
        try:
            self._end(seen)
        except Exception as failure:  # the program's answer matters more
            self._analytics._stumbled("a request could not be told of", failure)

    def fail(self, exc: BaseException, route: Route = NO_ROUTE) -> None:
        """Record an exception, once if it comes from two sides; never raises."""
        if exc is self._failure:
            return
        self._failure = exc
        try:
            told = describe_exception(exc) | {"method": self._request.method}
            if route.template:
                told["route"] = route.template
            self._record("error", type(exc).__name__[:MAX_NAME_CHARACTERS], told)
        except Exception as failure:  # the program's own exception matters more
            self._analytics._stumbled("an exception could not be told of", failure)

    def _end(self, seen: Seen) -> None:
        duration_ms = round((time.perf_counter() - self._started) * 1000, 3)
        template = seen.route.template
        told = {"status": seen.status, "duration_ms": duration_ms}
        name = template[:MAX_NAME_CHARACTERS] if template else None
        if not seen.in_browser and is_page(self._request, seen):
            self._record("page", name, told, self._page(seen.title))
        if seen.fields is not None:
            form = {"action": self._request.path, "fields": seen.fields, "outcome": "submit", "status": seen.status}
            self._record("form", (seen.route.name or template or self._request.path)[:MAX_NAME_CHARACTERS], form)
        if self._times and not seen.content_type.startswith("text/event-stream"):  # that is as long as the page is open
            timed = f"{self._request.method} {name}"[:MAX_NAME_CHARACTERS] if name else self._request.method
            self._record("performance", timed, told)

    def _record(
        self, kind: Any, name: str | None, properties: dict[str, Any], page: dict[str, str | None] | None = None
    ) -> None:
        context: dict[str, Any] = {"page": page or {"url": self._url}}
        language = self._request.header("accept-language")
        if language:
            context["locale"] = _locale(language[:80], is_coarse=self.visitor.device_id is None)
        told = self._fingerprint() if kind == "page" else None
        self._analytics.record(kind, name, properties, context=context, fingerprint=told, visitor=self.visitor)

    def _fingerprint(self) -> dict[str, Any] | None:
        """Return what the request tells of the device, as much as the visitor's mode allows."""
        privacy: Privacy = self._analytics.privacy if self.visitor.device_id else "strict"
        known = read_signals(self._request, privacy, self._analytics.project)
        return {"hash": known.hash, "signals": known.signals} if known else None

    def _page(self, title: str | None) -> dict[str, str | None]:
        referrer = self._request.header("referer").partition("?")[0].partition("#")[0]
        page = {"url": self._url, "title": title, "referrer": referrer}
        return page if title and referrer else {key: value for key, value in page.items() if value}


class Visits:
    """Decides which requests are told of, and whose they are."""

    def __init__(
        self,
        analytics: Analytics,
        *,
        consent: Asked | None = None,
        refusals: Refusals = "strict",
        skip: Asked = is_routine,
        trusted_proxies: Iterable[str] = LOOPBACK,
        timings: bool = True,
        hints: bool = False,
        inject: bool = False,
    ) -> None:
        """Take the settings of docs/web.md. Raises ValueError: a proxy is no network, or a value is unknown."""
        if refusals not in ("strict", "drop"):
            raise ValueError(f"refusals is {refusals!r}, but should be strict or drop")
        self.analytics = analytics
        self.drops_refusals = refusals == "drop"
        self._consent, self._skip, self._timings, self._injects = consent, skip, timings, inject
        self._hints = hints and analytics.privacy == "full"
        self._proxies = Proxies(trusted_proxies)

    def begin(self, request: Request) -> Visit | None:
        """Return the visit that this request is, None if it is not to be told of; never raises."""
        try:
            if not self.analytics.is_collecting or self._skip(request):
                return None
            return self.visit(request)
        except Exception as failure:  # such as one of the program's own callbacks
            self.analytics._stumbled("a request could not be told of", failure)
            return None

    def visit(self, request: Request) -> Visit | None:
        """Return the visit, whatever is requested; None only where refusals are dropped."""
        is_refusing = request.is_refusing
        if is_refusing and self.drops_refusals:
            return None
        scheme = self._proxies.scheme_of(request)
        agreed = not is_refusing and self._has_consent(request)
        joint = session_header.read(request.header(HEADER)) if agreed else None
        device_id, cookie = self._device(request, scheme, joint, agreed=agreed)
        visitor = Visitor(
            ip=self._proxies.address_of(request),
            user_agent=request.header("user-agent")[:512] or None,
            device_id=device_id,
            session_id=joint.session_id if joint and joint.device_id in (None, device_id) else None,
        )
        return Visit(
            self.analytics,
            request,
            visitor,
            request.url(scheme),
            times=self._timings,
            cookie=cookie,
            asks=self._hints and agreed,
            is_refused=is_refusing or (self._consent is not None and not agreed),
        )

    def _has_consent(self, request: Request) -> bool:
        if self._consent is None or self.analytics.privacy == "strict":
            return False
        try:
            return bool(self._consent(request))
        except Exception as failure:  # the program's own code may raise anything
            self.analytics._stumbled("the consent callback raised, which counts as no", failure)
            return False

    def _device(self, request: Request, scheme: str, joint: Joint | None, *, agreed: bool) -> tuple[str | None, str]:
        """Return the device's id, None without consent, and the cookie to set."""
        known = request.cookie(COOKIE)
        if not agreed:
            return None, _set_cookie("", 0, scheme) if known else ""
        is_known = _is_device(known) is not None
        if joint and joint.device_id and not (is_known and self._injects):
            return joint.device_id, ""
        if is_known:
            return known, ""
        made = uuid.uuid4().hex
        return made, _set_cookie(made, COOKIE_SECONDS, scheme)


@lru_cache(1024)
def _locale(accepted: str, *, is_coarse: bool) -> str | None:
    """Return the language that the browser prefers, without its country if that is enough."""
    tag = accepted.partition(",")[0].partition(";")[0].strip()
    if not _is_language(tag):
        return None
    return tag.partition("-")[0] if is_coarse else tag


def is_page(request: Request, seen: Seen) -> bool:
    """Return whether a person now sees a page: no part of one, nothing fetched ahead, no redirect."""
    if request.method != "GET" or request.header("sec-fetch-dest") not in ("", "document"):
        return False
    if (request.header("sec-purpose") or request.header("purpose")).startswith("prefetch"):
        return False
    if seen.status == 304:  # says nothing of its type
        return "text/html" in request.header("accept")
    return not 300 <= seen.status < 400 and seen.content_type.startswith(("text/html", "application/xhtml+xml"))


def is_shared(cache_control: str) -> bool:
    """Return whether a cache for many visitors may keep the answer: then no visitor's cookie may be in it."""
    directives = cache_control.lower()
    return "public" in directives or "s-maxage" in directives


def _set_cookie(value: str, seconds: int, scheme: str) -> str:
    secure = "; Secure" if scheme == "https" else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
