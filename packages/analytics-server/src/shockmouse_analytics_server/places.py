"""The country of an address: from a GeoIP database file, else from the table of the `geo` extra, else unknown.

Database  any MMDB file with a country: MaxMind's GeoLite2 and GeoIP2, DB-IP, ip-location-db
Table     iptocc: the five registries' assignments, refreshed nightly by its project, MIT or Apache 2.0
"""

import importlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import maxminddb

from .addresses import read_address
from .errors import ConfigError, in_words

_CACHED_ADDRESSES = 4096


class Places:
    """Answers where an address is; the file it may have open is closed with it."""

    def __init__(self, database: Path | None) -> None:
        """Open the database file, if one is named.

        Raises ConfigError: it cannot be read.
        """
        self._reader = open_database(database) if database else None
        self._assigned = find_table()
        self.country: Callable[[str], str] = lru_cache(_CACHED_ADDRESSES)(self._find)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader:
            self._reader.close()

    def _find(self, text: str) -> str:
        """Return the ISO code of the country, upper case; empty when unknown."""
        address = read_address(text)
        if address is None:
            return ""
        if self._reader is None:
            found = self._assigned(str(address))
        elif address.version > self._reader.metadata().ip_version:  # 6 in a database of IPv4
            return ""
        else:
            found = country_in(self._reader.get(address))
        return found.upper() if found and len(found) == 2 else ""


def find_table() -> Callable[[str], str | None]:
    """Return the lookup in the table of the `geo` extra; without the extra it finds nothing."""
    try:
        table = importlib.import_module("iptocc")
    except ImportError:
        return lambda address: None
    assigned: Callable[[str], str | None] = table.country_code
    return assigned


def open_database(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as exc:
        raise ConfigError(f"GEOIP_DATABASE: {path} cannot be read: {in_words(exc)}") from exc


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
