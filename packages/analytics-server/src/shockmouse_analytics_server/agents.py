"""What a user agent says: browser, system, kind of device, and whether it is a crawler's.

Sources  ua-parser (uap-core's patterns) for names, crawler-user-agents for crawlers; both are kept up by their projects
Safety   the text is cut before it meets a pattern: nothing of 512 characters takes them longer than a millisecond
"""

import re
from functools import lru_cache

import crawleruseragents
import ua_parser
from msgspec import Struct

MAX_LENGTH = 512
_CACHED_AGENTS = 2048
_TV = re.compile(r"smart-?tv|appletv|googletv|hbbtv|netcast|bravia|roku|crkey|\baft[a-z]|\btv\b")
_TABLET = re.compile(r"ipad|tablet|kindle|playbook|\bsilk\b")
_MOBILE = re.compile(r"mobi|iphone|ipod|windows phone|opera mini")
_DESKTOPS = frozenset(
    {"Windows", "Mac OS X", "Linux", "Ubuntu", "Debian", "Fedora", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD"}
)
DEVICE_TYPES = ("desktop", "mobile", "tablet", "tv")


class Agent(Struct, frozen=True):
    """A user agent taken apart; what it does not say is empty."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device_type: str = ""
    is_crawler: bool = False


NO_AGENT = Agent()


def read_agent(user_agent: str) -> Agent:
    """Return what the user agent says; of a long one the beginning counts."""
    return _read(user_agent[:MAX_LENGTH]) if user_agent else NO_AGENT


@lru_cache(_CACHED_AGENTS)
def _read(user_agent: str) -> Agent:
    found = ua_parser.parse(user_agent)
    browser, os, device = found.user_agent, found.os, found.device
    return Agent(
        browser=browser.family if browser else "",
        browser_version=(browser.major or "") if browser else "",
        os=os.family if os else "",
        os_version=".".join(part for part in (os.major, os.minor) if part) if os else "",
        device_type=_device_type(user_agent.lower(), os.family if os else ""),
        is_crawler=(device is not None and device.family == "Spider") or crawleruseragents.is_crawler(user_agent),
    )


def _device_type(text: str, os: str) -> str:
    if _TV.search(text):
        return "tv"
    if _TABLET.search(text) or (os == "Android" and "mobi" not in text):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if os in _DESKTOPS else ""
