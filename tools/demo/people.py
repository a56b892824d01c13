"""Who visits the demo's shop: invented people with real browsers' names, networks of real countries, and a way in."""

import random
from dataclasses import dataclass

CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 {}Safari/537.36"
SAFARI = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} {}Safari/60{}"
IPHONE = SAFARI.format("iPhone; CPU iPhone OS 18_1 like Mac OS X", 1, "Mobile/15E148 ", "4.1")
ANDROID = CHROME.format("Linux; Android 15; Pixel 9", 142, "Mobile ")
TABLET = CHROME.format("Linux; Android 14; SM-X710", 141, "")
DESKTOPS = (
    CHROME.format("Windows NT 10.0; Win64; x64", 142, ""),
    CHROME.format("Windows NT 10.0; Win64; x64", 141, ""),
    CHROME.format("Windows NT 10.0; Win64; x64", 142, "") + " Edg/142.0.0.0",
    CHROME.format("Macintosh; Intel Mac OS X 10_15_7", 142, ""),
    SAFARI.format("Macintosh; Intel Mac OS X 14_6", 1, "", "5.1.15"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
)
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
# First part of a network, language, time zone, and how many of a hundred come from there.
COUNTRIES = (
    ("92.128", "fr-FR", "Europe/Paris", 27),
    ("91.0", "de-DE", "Europe/Berlin", 18),
    ("73.0", "en-US", "America/New_York", 14),
    ("81.128", "en-GB", "Europe/London", 11),
    ("84.80", "nl-NL", "Europe/Amsterdam", 9),
    ("79.0", "it-IT", "Europe/Rome", 6),
    ("80.24", "es-ES", "Europe/Madrid", 5),
    ("85.0", "de-CH", "Europe/Zurich", 4),
    ("126.0", "ja-JP", "Asia/Tokyo", 3),
    ("70.24", "fr-CA", "America/Toronto", 3),
)
# Referrer, what the address says of a campaign, the entry page (empty: any), and how many of a hundred come so.
SOURCES = (
    ("", "", "/", 30),
    ("https://www.google.com/", "", "", 26),
    ("https://duckduckgo.com/", "", "", 5),
    ("https://news.ycombinator.com/", "", "/stories/affinage", 9),
    ("https://www.reddit.com/", "", "/cheese", 6),
    ("", "?utm_source=letter&utm_medium=email&utm_campaign=autumn", "/cheese", 13),
    ("https://www.instagram.com/", "?utm_source=instagram&utm_medium=social&utm_campaign=fondue", "/", 8),
    ("https://cheese-weekly.example/", "", "/stories", 3),
)


@dataclass(frozen=True)
class Person:
    """One visitor with one device; `agrees` is the answer to the shop's question for a cookie."""

    device_id: str
    user_agent: str
    address: str
    language: str
    timezone: str
    screen: tuple[int, int]
    agrees: bool

    @property
    def has_phone(self) -> bool:
        return "Mobile" in self.user_agent


@dataclass(frozen=True)
class Source:
    """Where a visit comes from, and the page that it begins with."""

    referrer: str
    campaign: str
    entry: str


def new_person(dice: random.Random) -> Person:
    """Return a person as the dice fall."""
    network, language, timezone, _ = dice.choices(COUNTRIES, [weight for *_, weight in COUNTRIES])[0]
    kind = dice.random()
    if kind < 0.45:
        user_agent, screen = dice.choice(((IPHONE, (390, 844)), (ANDROID, (412, 915))))
    elif kind < 0.5:
        user_agent, screen = TABLET, (1138, 712)
    else:
        user_agent, screen = dice.choice(DESKTOPS), dice.choice(((1920, 1080), (1440, 900), (2560, 1440), (1366, 768)))
    return Person(
        device_id=f"{dice.getrandbits(128):032x}",
        user_agent=user_agent,
        address=f"{network}.{dice.randrange(256)}.{dice.randrange(1, 255)}",
        language=language,
        timezone=timezone,
        screen=screen,
        agrees=dice.random() < 0.6,
    )


def new_source(dice: random.Random, entries: list[str]) -> Source:
    """Return a way into the shop; search engines lead to any of the entries."""
    referrer, campaign, entry, _ = dice.choices(SOURCES, [weight for *_, weight in SOURCES])[0]
    return Source(referrer, campaign, entry or dice.choice(entries))
