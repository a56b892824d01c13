"""A request as the front doors of ASGI and WSGI hand it on, and where it came from.

Address  the right-most hop of X-Forwarded-For that no trusted proxy vouches for, else the peer itself. Without a
         trusted peer the header is the visitor's own claim and counts for nothing. A peer without an address is a Unix
         socket: whoever writes to it runs on this machine, as on the loopback address
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote

from msgspec import Struct

LOOPBACK = ("127.0.0.0/8", "::1")
UNIX_SOCKET = "127.0.0.1"

MAX_HOPS = 32
MAX_QUERY_CHARACTERS = 2048

# What each request is asked for: read at once, as asking for one after another takes three times as long.
ASKED = (
    *("user-agent", "cookie", "accept-language", "referer", "sec-gpc", "dnt", "x-forwarded-for", "x-forwarded-proto"),
    *("sec-fetch-dest", "sec-purpose", "purpose", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"),
)
_NONE = dict.fromkeys(ASKED, "")

_is_plain = re.compile(r"[A-Za-z0-9/!$&'()*+,;=:@~._-]*").fullmatch


class RequestHeaders(dict[str, str]):
    """Those of ASKED, empty until they are filled in; `find` returns any other, empty where it is not there."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[str], str]) -> None:
        super().__init__(_NONE)
        self._find = find

    def __missing__(self, name: str) -> str:
        return self._find(name)


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request; `header("user-agent")` is empty where there is none.

    root  the path under which the application is mounted, without a slash at its end
    path  the rest of the path, decoded
    """

    method: str
    scheme: str
    host: str
    root: str
    path: str
    query: str
    peer: str
    header: Callable[[str], str]

    @property
    def is_refusing(self) -> bool:
        """Whether the browser says that its visitor does not want to be told apart: GPC or DNT."""
        return self.header("sec-gpc") == "1" or self.header("dnt") == "1"

    def cookie(self, name: str) -> str:
        """Return the value of a cookie as it was sent, empty where there is none."""
        header = self.header("cookie")
        if name not in header:
            return ""
        pairs = (part.strip().partition("=") for part in header.split(";"))
        return next((value for key, _, value in pairs if key == name), "")

    def url(self, scheme: str) -> str:
        """Return the address as it may be told: of the query only what names a campaign."""
        query = _campaign(self.query[:MAX_QUERY_CHARACTERS]) if self.query else ""
        return f"{scheme}://{self.host}{_quote(self.root + self.path)}{query}"


class Proxies:
    """The networks whose word about a visitor's address is believed."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take addresses and networks. Raises ValueError: one is neither."""
        self._networks = tuple(ip_network(name, strict=False) for name in names)
        self._found = lru_cache(4096)(self._find)
        self._known = lru_cache(1024)(lambda peer: self._trusts(_read_address(peer)))

    def address_of(self, request: Request) -> str:
        """Return the visitor's address, empty if the request tells none."""
        peer = request.peer or UNIX_SOCKET
        if not self._known(peer):
            return peer
        return self._found(peer, request.header("x-forwarded-for")[-1024:])

    def scheme_of(self, request: Request) -> str:
        """Return http or https: what the visitor's browser used, where a trusted proxy tells it."""
        if request.scheme == "http" and self._known(request.peer or UNIX_SOCKET):
            told = request.header("x-forwarded-proto").rpartition(",")[2].strip().lower()
            return "https" if told == "https" else "http"
        return request.scheme

    def _find(self, peer: str, forwarded_for: str) -> str:
        found = peer
        for hop in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
            address = _read_address(hop)
            if address is None:
                break
            found = str(address)
            if not self._trusts(address):
                break
        return found

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _quote(path: str) -> str:
    """Return a decoded path as browsers write it."""
    return path if _is_plain(path) else quote(path, safe="/!$&'()*+,;=:@~")


@lru_cache(1024)
def _campaign(query: str) -> str:
    """Return the parts of a query that name a campaign, with the question mark; other parts may hold secrets."""
    kept = [part for part in query.split("&") if part.startswith("utm_")]
    return "?" + "&".join(kept) if kept else ""


def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a hop's text, without port, brackets and zone."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
