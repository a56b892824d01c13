"""Where an event happened: the page, screen, language and program, read from the free-form `context`.

Known fields are cut to their length, never refused for it: a long address must not cost the event. What has no field
of its own is kept as checked JSON text. A batch's context gives defaults: a key of the event's context replaces it.
"""

from functools import lru_cache
from typing import Annotated

from msgspec import DecodeError, Meta, Raw, Struct
from msgspec.json import Decoder, encode

from .json_limits import decode_part, normalise

MAX_URL = 2048
MAX_TITLE = 512
MAX_USER_AGENT = 512
MAX_WORD = 128
_CACHED_BYTES = 2048
_CACHED_CONTEXTS = 512


class Page(Struct, frozen=True):
    """The page an event happened on, as its sender describes it."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""


class Context(Struct, frozen=True, kw_only=True):
    """A context's known fields, empty where unknown; `rest` is JSON text."""

    page: Page = Page()
    screen: str = ""
    locale: str = ""
    timezone: str = ""
    user_agent: str = ""
    ip: str = ""
    app_name: str = ""
    app_version: str = ""
    webdriver: bool = False
    rest: str = "{}"
    keys: int = 0


_Length = Annotated[int, Meta(ge=0, le=0xFFFF)]


class _SentPage(Struct):
    url: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None


class _SentScreen(Struct):
    width: _Length | None = None
    height: _Length | None = None


class _SentApp(Struct):
    name: str | None = None
    version: str | None = None


class _SentContext(Struct):
    page: _SentPage | None = None
    screen: _SentScreen | None = None
    locale: str | None = None
    timezone: str | None = None
    user_agent: str | None = None
    ip: str | None = None
    app: _SentApp | None = None
    webdriver: bool | None = None


class _PlainContext(_SentContext, forbid_unknown_fields=True):
    """A context without anything that has no field of its own, as most are."""


_known = Decoder(_SentContext)
_plain = Decoder(_PlainContext)
_members = Decoder(dict[str, Raw])
EMPTY = Context()


def read_context(defaults: bytes, own: bytes) -> Context:
    """Return the context of one event: its own members over the batch's.

    Raises RefusedError: a known field has another type, or the rest is over a limit.
    """
    if not defaults and not own:
        return EMPTY
    if len(defaults) + len(own) <= _CACHED_BYTES:
        return _read_cached(defaults, own)
    return _read(defaults, own)


def excess_bytes(raw: Raw) -> int:
    """Return how much of a context are ends of known texts that will be cut off anyway."""
    sent = decode_part(_known, raw, "context")
    page = sent.page or _SentPage()
    texts = ((page.url, MAX_URL), (page.path, MAX_URL), (page.referrer, MAX_URL), (page.title, MAX_TITLE))
    agent = ((sent.user_agent, MAX_USER_AGENT),)
    return sum(max(0, len(text.encode()) - most) for text, most in texts + agent if text)


def _read(defaults: bytes, own: bytes) -> Context:
    raw = encode(_members_of(defaults) | _members_of(own)) if defaults and own else defaults or own
    sent, rest, keys = _take_apart(raw)
    page, app = sent.page or _SentPage(), sent.app or _SentApp()
    return Context(
        page=Page(
            url=_cut(page.url, MAX_URL),
            path=_cut(page.path, MAX_URL),
            title=_cut(page.title, MAX_TITLE),
            referrer=_cut(page.referrer, MAX_URL),
        ),
        screen=f"{sent.screen.width}x{sent.screen.height}" if sent.screen and sent.screen.width else "",
        locale=_cut(sent.locale, MAX_WORD),
        timezone=_cut(sent.timezone, MAX_WORD),
        user_agent=_cut(sent.user_agent, MAX_USER_AGENT),
        ip=_cut(sent.ip, MAX_WORD),
        app_name=_cut(app.name, MAX_WORD),
        app_version=_cut(app.version, MAX_WORD),
        webdriver=bool(sent.webdriver),
        rest=rest,
        keys=keys,
    )


_read_cached = lru_cache(_CACHED_CONTEXTS)(_read)


def _take_apart(raw: bytes) -> tuple[_SentContext, str, int]:
    """Return the known fields, the others as JSON text, and how many keys these have."""
    try:
        return _plain.decode(raw), "{}", 0
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return decode_part(_known, raw, "context"), *_rest(raw)


def _rest(raw: bytes) -> tuple[str, int]:
    """Return the members without a field of their own, as JSON text, and how many keys they have."""
    rest = {name: value for name, value in _members_of(raw).items() if name not in _SentContext.__struct_fields__}
    if not rest:
        return "{}", 0
    checked, keys = normalise(encode(rest), "context")
    return bytes(checked).decode(), keys


def _members_of(raw: bytes) -> dict[str, Raw]:
    return decode_part(_members, raw, "context")


def _cut(text: str | None, most: int) -> str:
    return text[:most] if text else ""
