"""The country of an address: from a GeoIP database file, else from the table of the `geo` extra, else unknown.

Database  any MMDB file with a country: MaxMind's GeoLite2 and GeoIP2, DB-IP, ip-location-db
Table     iptocc: the five registries' assignments, refreshed nightly by its project, MIT or Apache 2.0
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import maxminddb

from .errors import ConfigError

_CACHED_ADDRESSES = 4096

try:
    from iptocc import country_code as _assigned_country
except ImportError:  # the extra is not installed

    def _assigned_country(address: str) -> str | None:
        return None


class Places:
    """Answers where an address is; the file it may have open is closed with it."""

    def __init__(self, database: Path | None) -> None:
        """Open the database file, if one is named.

        Raises ConfigError: it cannot be read.
        """
        self._reader = open_database(database) if database else None
        self.country: Callable[[str], str] = lru_cache(_CACHED_ADDRESSES)(self._find)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader:
            self._reader.close()

    def _find(self, address: str) -> str:
        """Return the ISO code of the country, upper case; empty when unknown."""
        if not address:
            return ""
        try:
            found = country_in(self._reader.get(address)) if self._reader else _assigned_country(address)
        except ValueError:  # not an address, or an IPv6 one in a database of IPv4
            return ""
        return found.upper() if found and len(found) == 2 else ""


def open_database(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as exc:
        raise ConfigError(f"GEOIP_DATABASE: {path} cannot be read: {exc}") from exc


def country_in(record: Any) -> str | None:
    """Return the country of a record, in any of the usual forms of record."""
    if not isinstance(record, dict):
        return None
    for name in ("country", "registered_country", "country_code"):
        found = record.get(name)
        found = found.get("iso_code") if isinstance(found, dict) else found
        if isinstance(found, str):
            return found
    return None
