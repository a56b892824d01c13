"""The address of a visitor: found behind trusted proxies, and shortened before anything is written.

Found    the right-most hop that no trusted proxy vouches for, of X-Forwarded-For, else of Forwarded (RFC 7239)
Kept     truncate: the IPv4 /24 or IPv6 /48 it lies in; drop: nothing; keep: the address. An IPv6 address that tells an
         IPv4 address within its first or last bits (6to4, Teredo, NAT64) is cut as that one
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

NAT64 = IPv6Network("64:ff9b::/96")
MAX_HOPS = 32
_CACHED_ADDRESSES = 4096
_FOR = re.compile(r"(?:^|;)\s*for\s*=\s*\"?([^\";]*)", re.IGNORECASE)


class Proxies(Struct, frozen=True):
    """The networks whose word about a client's address is believed."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, names: Sequence[str]) -> "Proxies":
        """Return the proxies named as addresses or networks.

        Raises ValueError: one is neither.
        """
        return cls(tuple(ip_network(name, strict=False) for name in names))

    def trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.networks)


def client_address(peer: str, forwarded_for: str, forwarded: str, proxies: Proxies) -> str:
    """Return the client's address, empty when the peer has none.

    A proxy usually writes one of the two headers and passes the other on as the client wrote it: X-Forwarded-For,
    where there is one, is the one to believe. A hop that is no address ends the search at the hop that reported it.
    """
    address = read_address(peer)
    if address is None or not proxies.trusts(address):
        return str(address or "")
    for hop in _hops(forwarded_for, forwarded):
        if hop is None:
            break
        address = hop
        if not proxies.trusts(hop):
            break
    return str(address)


def anonymise(address: str, mode: str) -> str:
    """Return what may be written down of an address; what is no address becomes empty."""
    return "" if mode == "drop" or not address else _shorten(address, mode == "keep")


def kept_address(address: str, mode: str, *, is_discreet: bool) -> str:
    """Return what a row keeps of an address; where a person is to stay unknown, nothing of a shortened one."""
    return "" if is_discreet and mode != "keep" else anonymise(address, mode)


@lru_cache(_CACHED_ADDRESSES)
def _shorten(text: str, is_kept: bool) -> str:
    address = read_address(text)
    if address is None:
        return ""
    if is_kept:
        return str(address)
    address = told_address(address)
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)


def told_address(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address of the client that an IPv6 address tells, else the address: /48 would leave it whole."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or (address.teredo or (None, address))[1]


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a hop's text, without port and zone; an IPv4 address in IPv6 clothes is an IPv4 address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _hops(forwarded_for: str, forwarded: str) -> Iterator[IPv4Address | IPv6Address | None]:
    """Yield the hops from the nearest to the farthest."""
    for hop in reversed((forwarded_for or forwarded).rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
        if forwarded_for:
            yield read_address(hop)
        elif hop.strip():
            named = _FOR.search(hop)
            yield read_address(named[1]) if named else None
