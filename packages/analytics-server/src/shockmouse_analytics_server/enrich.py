"""The named steps from a received event to the row that is stored.

Pure     nothing is read but the event and its arrival, no clock and no disk; each step fills columns of its own
Address  the visitor's address takes part in the country and the derived device, then is shortened: no step writes it
Visitor  what an event says of its visitor (context.ip, context.user_agent), else what the request itself says
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cached_property, lru_cache
from typing import Any

from msgspec import Struct

from .addresses import anonymise, kept_address
from .agents import read_agent
from .campaigns import read_link
from .envelope import Library
from .fingerprints import NO_FINGERPRINT, Fingerprint
from .rows import ROW_COLUMNS, Row, Unplaced
from .wire import DISCREET, Event

SKEW_SECONDS = 60
DAY_SECONDS = 24 * 60 * 60
YEAR_2000 = 946_684_800.0
YEAR_2200 = 7_258_118_400.0
CLAMPED = frozenset({"future", "before_2000", "past_retention"})  # flags of times that became that of arrival
BROWSER_SCRIPT = "shockmouse-agent"
_CACHED_DEVICES = 2048


class Arrival(Struct, frozen=True, kw_only=True, dict=True):
    """What all events of one request share: what the request itself knew, and the settings of its project.

    address: the client's, behind trusted proxies. user_agent: the request's own header.
    is_refused: the request carried `Sec-GPC: 1` or `DNT: 1`.
    salts: asks for today's and yesterday's, which few events need.
    fingerprints: what one event of the request told of its device, for the others of that device.
    """

    project: str
    batch_id: str
    library: Library
    sent_at: float | None
    received_at: float
    address: str
    user_agent: str
    is_refused: bool
    ip_mode: str
    retention_days: int
    rollup_retention_days: int
    salts: Callable[[], tuple[bytes, bytes]]
    country_of: Callable[[str], str]
    fingerprints: Mapping[str, Fingerprint] = {}

    @property
    def is_browser_script(self) -> bool:
        return self.library.name == BROWSER_SCRIPT

    @cached_property
    def blank_row(self) -> Row:
        """What the rows of the request share, to be copied: to make one of all its columns takes four times as long."""
        shared: dict[str, Any] = dict.fromkeys(ROW_COLUMNS, "") | {
            "project": self.project,
            "at": 0.0,
            "batch_id": self.batch_id,
            "session_started": 0.0,
            "sent_at": _storable(self.sent_at),
            "received_at": self.received_at,
            "library_name": self.library.name,
            "library_version": self.library.version,
            "fingerprint": {},
            "retention": self.retention_days,
            "rollup_retention": self.rollup_retention_days,
        }
        return Row(**shared)


def fingerprints_of(events: Iterable[Event]) -> dict[str, Fingerprint]:
    """Return the devices' fingerprints that the events of one request tell: a program's first event alone has it."""
    return {event.device_id: event.fingerprint for event in events if event.fingerprint.signals and event.device_id}


def enrich(event: Event, arrival: Arrival) -> Row | Unplaced:
    """Run an event through STEPS in order; Unplaced when the device, session or its start is still to be found."""
    row = plain_row(event, arrival)
    for step in STEPS:
        step(row, event, arrival)
    if row.device_id and row.session_id and row.session_started:
        return row
    return Unplaced(row, () if row.device_id else derive_devices(event, arrival))


def correct_time(row: Row, event: Event, arrival: Arrival) -> None:
    """Move the event by the skew of its sender's clock; a time out of bounds becomes the time of arrival."""
    at = event.at.timestamp()
    skew = arrival.received_at - arrival.sent_at if arrival.sent_at is not None else 0.0
    if abs(skew) > SKEW_SECONDS:
        at += skew
        row.time_flag = "corrected"
    if at > arrival.received_at + DAY_SECONDS:
        at, row.time_flag = arrival.received_at, "future"
    elif at < YEAR_2000:
        at, row.time_flag = arrival.received_at, "before_2000"
    elif arrival.retention_days and at < arrival.received_at - arrival.retention_days * DAY_SECONDS:
        at, row.time_flag = arrival.received_at, "past_retention"
    row.at = round(at, 3)


def keep_device(row: Row, event: Event, arrival: Arrival) -> None:
    """Take over what the sender says of device and session, unless the visitor's browser refuses to be told apart.

    The session's start is taken over where the sender's clock can be trusted for it.
    """
    if arrival.is_refused and arrival.is_browser_script:
        row.privacy = "strict"
        return
    row.device_id, row.session_id = event.device_id, event.session_id
    row.fingerprint_hash, row.fingerprint = event.fingerprint.hash, event.fingerprint.signals
    if event.session_id and event.session_started_at and not row.time_flag:
        started = round(event.session_started_at.timestamp(), 3)
        row.session_started = started if row.at - DAY_SECONDS <= started <= row.at else 0.0


def find_country(row: Row, event: Event, arrival: Arrival) -> None:
    row.country = arrival.country_of(event.context.ip or arrival.address)


def parse_user_agent(row: Row, event: Event, arrival: Arrival) -> None:
    """Name browser, system and kind of device; a program's own user agent is no visitor's.

    Without one the device's fingerprint names the system, that of the event or of another in its batch.
    """
    user_agent = event.context.user_agent or (arrival.user_agent if arrival.user_agent.startswith("Mozilla/") else "")
    if not user_agent:
        signals = event.fingerprint.signals or arrival.fingerprints.get(row.device_id, NO_FINGERPRINT).signals
        row.os, row.os_version = signals.get("os", ""), signals.get("os_version", "")
        return
    agent = read_agent(user_agent)
    row.browser, row.browser_version = agent.browser, agent.browser_version
    row.os, row.os_version, row.device_type = agent.os, agent.os_version, agent.device_type
    row.user_agent = "" if row.privacy in DISCREET else user_agent


def mark_bot(row: Row, event: Event, arrival: Arrival) -> None:
    """Give the reason for which this is no person; a program that sends with a key is not judged by its own header."""
    user_agent = event.context.user_agent or (arrival.user_agent if arrival.is_browser_script else "")
    if event.context.webdriver:
        row.bot = "webdriver"
    elif user_agent and read_agent(user_agent).is_crawler:
        row.bot = "crawler"


def read_campaign(row: Row, event: Event, arrival: Arrival) -> None:
    """Take the page's address apart; a page of the same host is no referrer.

    A screen without a path has its name for one.
    """
    page = event.context.page
    link, referrer = read_link(page.url), read_link(page.referrer)
    row.url, row.host = link.url, link.host
    row.path = page.path.partition("?")[0].partition("#")[0] or link.path
    if not row.path and event.type == "screen":
        row.path = event.name
    row.referrer = referrer.url
    row.referrer_host = referrer.host if referrer.host != link.host else ""
    if link.has_campaign:
        row.utm_source, row.utm_medium, row.utm_campaign = link.utm_source, link.utm_medium, link.utm_campaign
        row.utm_term, row.utm_content = link.utm_term, link.utm_content


def anonymise_address(row: Row, event: Event, arrival: Arrival) -> None:
    """Keep of the address what the project and the privacy mode allow."""
    row.ip = kept_address(event.context.ip or arrival.address, arrival.ip_mode, is_discreet=row.privacy in DISCREET)


STEPS = (correct_time, keep_device, find_country, parse_user_agent, mark_bot, read_campaign, anonymise_address)


def derive_devices(event: Event, arrival: Arrival) -> tuple[str, str]:
    """Return the device ids of a visitor without one, by yesterday's salt and by today's.

    Nobody who has not the salt can find the address and user agent in them, and after 48 h nobody has it.
    """
    network = anonymise(event.context.ip or arrival.address, "truncate")
    visitor = f"{arrival.project}\0{network}\0{event.context.user_agent or arrival.user_agent}"
    today, yesterday = arrival.salts()
    return _device_id(visitor, yesterday), _device_id(visitor, today)


@lru_cache(_CACHED_DEVICES)
def _device_id(visitor: str, salt: bytes) -> str:
    return hashlib.blake2b(visitor.encode(), key=salt, digest_size=16).hexdigest()


def _storable(at: float | None) -> float | None:
    """Return a sender's clock as the column can hold it: one that is wrong by a century is not worth keeping."""
    return round(at, 3) if at is not None and 0 <= at < YEAR_2200 else None


def plain_row(event: Event, arrival: Arrival) -> Row:
    """Return the row with what needs no step; the columns of the steps are empty."""
    row, context = copy(arrival.blank_row), event.context
    row.event_id, row.type, row.name, row.timestamp = event.event_id, event.type, event.name, event.timestamp
    row.user_id, row.privacy, row.sample_rate = event.user_id, event.privacy, event.sample_rate
    row.boot_id, row.seq = event.boot_id, event.seq
    row.user_properties, row.properties = event.user_properties, event.properties
    row.title, row.screen = context.page.title, context.screen
    row.locale, row.timezone = context.locale, context.timezone
    row.app_name, row.app_version, row.context = context.app_name, context.app_version, context.rest
    return row
