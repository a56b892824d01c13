"""What is kept of an address does not depend on whether a program's client or the server cuts it."""

import pytest

from shockmouse_analytics.visitor import truncate
from shockmouse_analytics_server.addresses import anonymise

ADDRESSES = {
    "203.0.113.77": "203.0.113.0",
    "::ffff:203.0.113.77": "203.0.113.0",
    "2001:db8:1:2:3::4": "2001:db8:1::",
    "fe80::1%eth0": "fe80::",
    "2002:cb00:714d::1": "203.0.113.0",  # 6to4
    "2001:0:4136:e378:8000:63bf:34ff:8eb2": "203.0.113.0",  # Teredo: the client's address stands inverted at the end
    "64:ff9b::cb00:714d": "203.0.113.0",  # NAT64
    "unknown": "",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_client_and_server_keep_the_same_of_an_address(address: str) -> None:
    assert (truncate(address) or "", anonymise(address, "truncate")) == (ADDRESSES[address],) * 2
