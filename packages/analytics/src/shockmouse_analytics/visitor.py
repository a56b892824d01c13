"""Whose doing an event is, in a program that serves others: a web application's visitor.

Without a visitor an event belongs to the program's own device and session. With one it belongs to the visitor, and
what is not said of them the server derives: the device from the truncated address, the user agent and a daily salt,
the session from the device's visits.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, astuple, replace

from . import session_header
from .arguments import not_a
from .event import Privacy

_PREFIX_BITS = {4: 24, 6: 48}
_TEXT = frozenset({str, type(None)})
_NAT64 = IPv6Network("64:ff9b::/96")


class Visitor(Struct, frozen=True, kw_only=True):
    """A person on the other side of a request; every field may be left out.

    ip          the address the request came from; only /24 or /48 of it is kept, before anything is queued
    user_agent  the request's header
    device_id   an id of your own for the visitor's device, such as a first-party cookie that the visitor agreed to
    session_id  an id of your own for the visit
    user_id     who is signed in

    >>> analytics.page("https://shop.example.com/", visitor=Visitor(ip="203.0.113.77", user_agent="Mozilla/5.0 …"))
    """

    ip: str | None = None
    user_agent: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None

    def joined(self, header: str | None) -> "Visitor":
        """Return the visitor with the session and device that a request's Shockmouse-Session header tells.

        What is known already stays; so does a visitor whose header says nothing.

        >>> Visitor(ip="203.0.113.77").joined("01;s=s-1;d=d-1")
        Visitor(ip='203.0.113.77', user_agent=None, device_id='d-1', session_id='s-1', user_id=None)
        """
        joint = session_header.read(header)
        if joint is None or self.session_id or self.device_id not in (None, joint.device_id):
            return self
        return replace(self, session_id=joint.session_id, device_id=joint.device_id)

    def privacy(self, privacy: Privacy) -> Privacy:
        """Return the mode of this visitor's events: without a device that they agreed to it is strict.

        >>> Visitor(ip="203.0.113.77").privacy("balanced"), Visitor(device_id="d-1").privacy("balanced")
        ('strict', 'balanced')
        """
        return privacy if self.device_id else "strict"

    def context(self) -> dict[str, Any]:
        """Return what an event's context says of the visitor.

        The null values keep this program's own locale and time zone, the defaults of its batches, off the visitor.

        >>> Visitor(ip="203.0.113.77").context()
        {'locale': None, 'timezone': None, 'ip': '203.0.113.0', 'user_agent': None}
        """
        address = truncate(self.ip) if self.ip else None
        return {"locale": None, "timezone": None, "ip": address, "user_agent": self.user_agent}


@lru_cache(maxsize=4096)
def truncate(address: str) -> str | None:
    """Return the address with all but its network removed: /24 of IPv4, /48 of IPv6; None if it is no address."""
    try:
        given = ip_address(address.strip().partition("%")[0])
    except ValueError:
        return None
    given = told_address(given) if isinstance(given, IPv6Address) else given
    unused = given.max_prefixlen - _PREFIX_BITS[given.version]
    return str(type(given)(int(given) >> unused << unused))


def told_address(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address of the client that the address tells (mapped, NAT64, 6to4, Teredo), else the address."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, address))[1]


def check_visitor(given: object) -> None:
    """A visitor is one, and each of its fields is text or None: nothing has looked at them yet. Raises TypeError."""
    if type(given) is Visitor and _TEXT.issuperset(map(type, astuple(given))):
        return
    if not isinstance(given, Visitor):
        raise not_a("visitor", given, "a Visitor")
    for name, value in asdict(given).items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"a visitor's {name} should be a string, not {type(value).__name__}")
