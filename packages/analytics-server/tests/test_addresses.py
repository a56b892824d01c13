"""Visitors' addresses: found behind proxies, shortened, and placed in a country."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shockmouse_analytics_server.addresses import Proxies, anonymise, client_address
from shockmouse_analytics_server.errors import ConfigError
from shockmouse_analytics_server.places import Places, country_in

ADDRESSES = {
    "203.0.113.77": ("203.0.113.0", "203.0.113.77"),
    "2001:db8:1234:5678::9": ("2001:db8:1234::", "2001:db8:1234:5678::9"),
    "::ffff:203.0.113.77": ("203.0.113.0", "203.0.113.77"),
    "[2001:db8:1:2::9]:4711": ("2001:db8:1::", "2001:db8:1:2::9"),
    "203.0.113.77:4711": ("203.0.113.0", "203.0.113.77"),
    "fe80::1%eth0": ("fe80::", "fe80::1"),
    "2002:cb00:714d::1": ("203.0.113.0", "2002:cb00:714d::1"),
    "2001:0:4136:e378:8000:63bf:34ff:8eb2": ("203.0.113.0", "2001:0:4136:e378:8000:63bf:34ff:8eb2"),
    "64:ff9b::cb00:714d": ("203.0.113.0", "64:ff9b::cb00:714d"),
    "unknown": ("", ""),
    "": ("", ""),
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_shortened(text: str) -> None:
    assert tuple(anonymise(text, mode) for mode in ("truncate", "keep", "drop")) == (*ADDRESSES[text], "")


HOPS = {
    "no proxy": (("203.0.113.7", "198.51.100.1", ""), "203.0.113.7"),
    "a proxy": (("10.0.0.1", "203.0.113.7", ""), "203.0.113.7"),
    "spoofed before the proxy": (("10.0.0.1", "1.1.1.1, 203.0.113.7", ""), "203.0.113.7"),
    "two proxies": (("10.0.0.1", "1.1.1.1, 203.0.113.7, 10.0.0.2", ""), "203.0.113.7"),
    "only proxies": (("10.0.0.1", "10.0.0.3, 10.0.0.2", ""), "10.0.0.3"),
    "garbage": (("10.0.0.1", "203.0.113.7, unknown", ""), "10.0.0.1"),
    "garbage behind a proxy": (("10.0.0.1", "<script>, 10.0.0.2", ""), "10.0.0.2"),
    "port and zone": (("10.0.0.1", "[fe80::1%eth0]:4711", ""), "fe80::1"),
    "IPv4 in IPv6": (("::ffff:10.0.0.1", "::ffff:203.0.113.7", ""), "203.0.113.7"),
    "Forwarded": (("10.0.0.1", "", 'for=1.1.1.1, for="[2001:db8::7]:4711";proto=https;by=10.0.0.1'), "2001:db8::7"),
    "Forwarded, hidden": (("10.0.0.1", "", "for=_hidden"), "10.0.0.1"),
    "both: the client wrote the other": (("10.0.0.1", "203.0.113.7", "for=1.1.1.1"), "203.0.113.7"),
    "a Unix socket": (("", "203.0.113.7", ""), ""),
    "more hops than are read": (("10.0.0.1", "9.9.9.9" + ", 10.0.0.2" * 10_000, ""), "10.0.0.2"),
}


@pytest.mark.parametrize("name", HOPS)
def test_the_client_is_the_last_hop_that_no_trusted_proxy_vouches_for(name: str) -> None:
    hops, address = HOPS[name]
    assert client_address(*hops, Proxies.parse(["10.0.0.0/8"])) == address


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_as_forwarded_addresses_is_taken(forwarded_for: str, forwarded: str) -> None:
    address = client_address("127.0.0.1", forwarded_for, forwarded, Proxies.parse(["127.0.0.1"]))
    assert anonymise(address, "keep") == address


def test_countries_come_from_the_table_without_a_database() -> None:
    with Places(None) as places:
        found = [
            places.country(text) for text in ("81.2.69.142", "::ffff:8.8.8.8", "2a02:2e0:3fe::1", "10.0.0.1", "x", "")
        ]
    assert found == ["GB", "US", "DE", "", "", ""]


def write_database(path: Path, country: str) -> None:
    """Write a MaxMind DB of IPv4 with one node: the lower half of all addresses is in the country.

    Source: https://maxmind.github.io/MaxMind-DB/
    """

    def text(value: str) -> bytes:
        return bytes([0x40 | len(value)]) + value.encode()

    tree = (1 + 16).to_bytes(3) + (1).to_bytes(3)  # left: the first record of the data; right: nothing
    data = b"\xe1" + text("country") + b"\xe1" + text("iso_code") + text(country)
    short, long, huge = b"\xa1", b"\xc1", b"\x01\x02"  # unsigned integers of 16, 32 and 64 bits, in one byte
    numbers = {"node_count": long + b"\x01", "record_size": short + b"\x18", "ip_version": short + b"\x04"}
    numbers |= {"binary_format_major_version": short + b"\x02", "binary_format_minor_version": short + b"\x00"}
    metadata = b"".join(text(name) + value for name, value in (numbers | {"build_epoch": huge + b"\x01"}).items())
    others = text("database_type") + text("Test") + text("languages") + b"\x00\x04" + text("description") + b"\xe0"
    path.write_bytes(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com\xe9" + metadata + others)


def test_a_named_database_comes_before_the_table(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    write_database(path, "FR")
    with Places(path) as places:
        asked = ("8.8.8.8", "::ffff:8.8.8.8", "203.0.113.9", "2001:4860:4860::8888", "x", "")
        assert [places.country(text) for text in asked] == ["FR", "FR", "", "", "", ""]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    path.write_bytes(b"no database")
    with pytest.raises(ConfigError, match=r"geo\.mmdb"):
        Places(path)


def test_the_usual_records_of_databases_are_understood() -> None:
    records: list[Any] = [
        {"country": {"iso_code": "FR", "names": {"en": "France"}}, "registered_country": {"iso_code": "US"}},
        {"registered_country": {"iso_code": "US"}},
        {"country_code": "DE"},
        {"country": "IT"},
        {"city": {}},
        None,
        "x",
    ]
    assert [country_in(record) for record in records] == ["FR", "US", "DE", "IT", None, None, None]
