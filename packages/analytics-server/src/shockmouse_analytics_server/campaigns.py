"""What a page's address tells: host and path, and the campaign that brought the visitor.

Stored   the address without user name and password, which never belong into a log; its query and fragment stay in it
Path     without query and fragment, so that one page is one path
Campaign the five utm_ parameters of the query; of a repeated one the first counts
"""

from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, urlsplit

from msgspec import Struct

MAX_PARAMETER = 256
MAX_PARAMETERS = 256
_CACHED_LINKS = 1024


class Link(Struct, frozen=True):
    """An address taken apart; what it does not have is empty."""

    url: str = ""
    host: str = ""
    path: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_term: str = ""
    utm_content: str = ""
    has_campaign: bool = False


NO_LINK = Link()


def read_link(url: str) -> Link:
    """Return the address taken apart; of one that cannot be, nothing is kept but its text."""
    return _read(url) if url else NO_LINK


@lru_cache(_CACHED_LINKS)
def _read(url: str) -> Link:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return Link(url="" if "@" in url else url)
    campaign = _campaign(parts)
    path = parts.path or ("/" if host else "")
    return Link(url=_without_user(url, parts), host=host, path=path, **campaign, has_campaign=bool(campaign))


def _without_user(url: str, parts: SplitResult) -> str:
    _, at, server = parts.netloc.rpartition("@")
    return parts._replace(netloc=server).geturl() if at else url


def _campaign(parts: SplitResult) -> dict[str, str]:
    if "utm_" not in parts.query:
        return {}
    try:
        pairs = parse_qsl(parts.query, max_num_fields=MAX_PARAMETERS)
    except ValueError:  # too many
        return {}
    wanted = {name for name in Link.__struct_fields__ if name.startswith("utm_")}
    return {name: value[:MAX_PARAMETER] for name, value in reversed(pairs) if name in wanted}
