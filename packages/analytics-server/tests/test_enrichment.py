"""What the steps make of an event: time, device and session, country, user agent, bots, campaign, address."""

import functools
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shockmouse_analytics_server.campaigns import Link, read_link
from shockmouse_analytics_server.enrich import Arrival, enrich
from shockmouse_analytics_server.envelope import Library
from shockmouse_analytics_server.rows import Row, Unplaced
from shockmouse_analytics_server.times import parse_time
from shockmouse_analytics_server.wire import Limits, decode

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
DAY = 86_400.0
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SCRIPT = Library("shockmouse-agent", "1.0.0")


def arrival(**overrides: Any) -> Arrival:
    plain: dict[str, Any] = {
        "project": "site",
        "batch_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "library": Library("shockmouse-analytics", "1.0.0"),
        "sent_at": NOON,
        "received_at": NOON,
        "address": "81.2.69.142",
        "user_agent": "",
        "is_refused": False,
        "ip_mode": "truncate",
        "retention_days": 395,
        "rollup_retention_days": 0,
        "salts": lambda: (b"today", b"yesterday"),
        "country_of": lambda address: "",
    }
    return Arrival(**{**plain, **overrides})


def enriched(arrived: Arrival, **members: Any) -> Row | Unplaced:
    """Return what becomes of an event with these members."""
    plain = {"event_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "type": "page", "timestamp": "2026-11-22T12:00:00Z"}
    (event,) = decode(msgspec.json.encode(plain | members), "application/json", "", Limits()).events
    return enrich(event, arrived)


def row_of(arrived: Arrival, **members: Any) -> Row:
    """Return the row of an event, placed or not."""
    result = enriched(arrived, **members)
    return result if isinstance(result, Row) else result.row


TIMES: dict[str, tuple[str, float | None, float, str]] = {
    "as sent": ("2026-11-22T11:00:00.1234Z", NOON, NOON - 3600 + 0.123, ""),
    "no sent_at": ("2026-11-22T11:00:00Z", None, NOON - 3600, ""),
    "60 s of skew is the network's": ("2026-11-22T11:00:00Z", NOON - 60, NOON - 3600, ""),
    "a slow clock": ("2026-11-22T11:00:00Z", NOON - 61, NOON - 3539, "corrected"),
    "a fast clock": ("2026-11-22T15:00:00Z", NOON + 3 * 3600, NOON, "corrected"),
    "a clock at its beginning": ("1970-01-01T00:01:00Z", 61.0, NOON - 1, "corrected"),
    "24 hours ahead": ("2026-11-23T12:00:00Z", NOON, NOON + DAY, ""),
    "25 hours ahead": ("2026-11-23T13:00:00Z", NOON, NOON, "future"),
    "the year 9999": ("9999-12-31T23:59:59Z", NOON, NOON, "future"),
    "395 days ago": ("2025-10-23T12:00:00Z", NOON, NOON - 395 * DAY, ""),
    "400 days ago": ("2025-10-18T12:00:00Z", NOON, NOON, "past_retention"),
    "the year 1899": ("1899-12-31T00:00:00Z", NOON, NOON, "before_2000"),
    "the year 1": ("0001-01-01T00:00:00+14:00", NOON, NOON, "before_2000"),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_are_corrected_by_the_senders_skew_and_clamped(name: str) -> None:
    text, sent_at, at, flag = TIMES[name]
    row = row_of(arrival(sent_at=sent_at), timestamp=text)
    assert (row.at, row.time_flag, row.timestamp, row.received_at) == (at, flag, text, NOON)


def test_without_retention_only_the_year_2000_bounds_the_past() -> None:
    rows = [
        row_of(arrival(retention_days=0), timestamp=text) for text in ("2000-01-01T00:00:00Z", "1999-12-31T23:59:59Z")
    ]
    assert [(row.at, row.time_flag) for row in rows] == [(946_684_800.0, ""), (NOON, "before_2000")]


def test_a_clock_wrong_by_centuries_is_not_stored() -> None:
    clocks = [
        parse_time(text).timestamp()
        for text in ("1899-01-01T00:00:00Z", "2026-11-22T12:00:00Z", "9999-01-01T00:00:00Z")
    ]
    assert [row_of(arrival(sent_at=clock)).sent_at for clock in clocks] == [None, NOON, None]


@given(skew=st.floats(-1e9, 1e9), age=st.floats(-3e10, 3e9), retention=st.sampled_from([0, 30, 395]))
def test_a_time_is_never_outside_what_is_kept(skew: float, age: float, retention: int) -> None:
    arrived = arrival(sent_at=NOON - skew, retention_days=retention)
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(NOON + age, -6e10), 2.5e11)))
    row = row_of(arrived, timestamp=text.rjust(20, "0"))
    oldest = max(946_684_800.0, NOON - retention * DAY) if retention else 946_684_800.0
    assert oldest <= row.at <= NOON + DAY


def test_a_senders_device_and_session_are_taken_over() -> None:
    result = enriched(arrival(), device_id="d", session_id="s", session_started_at="2026-11-22T11:30:00.25Z")
    assert isinstance(result, Row)
    assert (result.device_id, result.session_id, result.session_started) == ("d", "s", NOON - 1799.75)


UNKNOWN_STARTS = {
    "none given": (arrival(), None),
    "in the future": (arrival(), "2026-11-22T12:00:00.001Z"),
    "over 24 hours ago": (arrival(), "2026-11-21T11:59:59Z"),
    "by a wrong clock": (arrival(sent_at=NOON - 120), "2026-11-22T11:59:00Z"),
}


@pytest.mark.parametrize("name", UNKNOWN_STARTS)
def test_a_start_that_cannot_be_trusted_is_left_to_be_found(name: str) -> None:
    arrived, started = UNKNOWN_STARTS[name]
    result = enriched(arrived, device_id="d", session_id="s", **({"session_started_at": started} if started else {}))
    assert isinstance(result, Unplaced)
    assert (result.row.device_id, result.row.session_id, result.row.session_started, result.devices) == (
        "d",
        "s",
        0.0,
        (),
    )


def derived(arrived: Arrival, **members: Any) -> tuple[str, ...]:
    result = enriched(arrived, **members)
    assert isinstance(result, Unplaced)
    assert result.row.device_id == ""
    return result.devices


def test_a_device_without_an_id_is_known_by_network_agent_project_and_day() -> None:
    base = derived(arrival(user_agent=CHROME))
    same = [
        derived(arrival(user_agent=CHROME, address="81.2.69.255")),
        derived(arrival(address="9.9.9.9"), context={"ip": "81.2.69.0", "user_agent": CHROME}),
        derived(arrival(user_agent=CHROME, address="::ffff:81.2.69.1", ip_mode="drop")),
    ]
    others = [
        derived(arrival(user_agent=CHROME, address="81.2.70.142")),
        derived(arrival(user_agent="curl/8.0")),
        derived(arrival(user_agent=CHROME, project="other")),
        derived(arrival(user_agent=CHROME, salts=lambda: (b"tomorrow", b"later"))),
    ]
    assert same == [base] * 3
    assert len({*base, *(device for devices in others for device in devices)}) == 10


def test_the_day_before_comes_first_and_is_what_was_today_then() -> None:
    saturday = derived(arrival(salts=lambda: (b"saturday", b"friday")))
    sunday = derived(arrival(salts=lambda: (b"sunday", b"saturday")))
    assert (sunday[0], sunday[1] == saturday[1], len(sunday[0])) == (saturday[1], False, 32)


def test_a_browser_that_refuses_is_treated_as_strict() -> None:
    members = {
        "device_id": "d",
        "session_id": "s",
        "privacy": "full",
        "fingerprint": {"hash": "h", "signals": {"os": "Linux"}},
    }
    result = enriched(arrival(library=SCRIPT, is_refused=True), **members)
    assert isinstance(result, Unplaced)
    row = result.row
    assert (row.privacy, row.device_id, row.session_id, row.fingerprint_hash, row.fingerprint) == (
        "strict",
        "",
        "",
        "",
        {},
    )
    program = row_of(arrival(is_refused=True), **members)
    assert (program.privacy, program.device_id, program.fingerprint) == ("full", "d", {"os": "Linux"})


BOTS: dict[str, tuple[Arrival, dict[str, Any], str]] = {
    "a crawler that our script runs in": (arrival(library=SCRIPT, user_agent=GOOGLEBOT), {}, "crawler"),
    "a crawler that a web server reports": (arrival(), {"user_agent": GOOGLEBOT}, "crawler"),
    "a driven browser": (arrival(library=SCRIPT, user_agent=CHROME), {"webdriver": True}, "webdriver"),
    "a person": (arrival(library=SCRIPT, user_agent=CHROME), {}, ""),
    "a program by its own name": (arrival(user_agent="python-requests/2.32"), {}, ""),
    "a program for a person": (arrival(user_agent="python-requests/2.32"), {"user_agent": CHROME}, ""),
}


@pytest.mark.parametrize("name", BOTS)
def test_bots_are_judged_by_the_visitor_not_by_the_program(name: str) -> None:
    arrived, context, reason = BOTS[name]
    assert row_of(arrived, context=context).bot == reason


def test_a_program_is_no_browser_but_tells_its_system() -> None:
    row = row_of(
        arrival(user_agent="Python/3.12 aiohttp/3.14"), fingerprint={"signals": {"os": "Linux", "os_version": "6.1"}}
    )
    assert (row.browser, row.os, row.os_version, row.device_type) == ("", "Linux", "6.1", "")


def test_a_page_without_our_script_is_a_browser_too() -> None:
    row = row_of(arrival(library=Library(), user_agent=CHROME))
    assert (row.browser, row.os, row.device_type, row.bot) == ("Chrome", "Windows", "desktop", "")


LINKS = {
    "": Link(),
    "https://Example.com/pricing?plan=pro#top": Link(
        "https://Example.com/pricing?plan=pro#top", "example.com", "/pricing"
    ),
    "https://example.com": Link("https://example.com", "example.com", "/"),
    "https://user:secret@example.com:8443/a?b@c": Link("https://example.com:8443/a?b@c", "example.com", "/a"),
    "https://bücher.example/straße": Link("https://bücher.example/straße", "bücher.example", "/straße"),
    "/relative?utm_source=x": Link("/relative?utm_source=x", "", "/relative", utm_source="x", has_campaign=True),
    "file:///etc/passwd": Link("file:///etc/passwd", "", "/etc/passwd"),
    "http://[broken": Link("http://[broken"),
    "http://user:secret@[broken": Link(),
    "https://e.com/?utm_source=News%20letter&utm_source=b&utm_medium=email&utm_campaign=%C3%A9&utm_term=a+b&"
    "utm_content=" + "x" * 300 + "&utm_id=7": Link(
        "https://e.com/?utm_source=News%20letter&utm_source=b&utm_medium=email&utm_campaign=%C3%A9&utm_term=a+b&"
        "utm_content=" + "x" * 300 + "&utm_id=7",
        "e.com",
        "/",
        "News letter",
        "email",
        "é",
        "a b",
        "x" * 256,
        has_campaign=True,
    ),
}


@pytest.mark.parametrize("url", LINKS)
def test_addresses_of_pages_are_taken_apart(url: str) -> None:
    assert read_link(url) == LINKS[url]


@given(st.text(max_size=100) | st.text(max_size=50).map("http://{}?utm_source=x".format))
def test_any_text_as_an_address_is_taken(text: str) -> None:
    assert read_link(text).path == read_link(text).path.partition("?")[0]


def test_campaign_referrer_and_path_are_the_pages() -> None:
    page = {
        "url": "https://shop.example/a?utm_source=news&utm_campaign=may",
        "referrer": "https://me:pw@www.search.example/?q=shoes",
        "title": "Shoes",
    }
    row = row_of(arrival(), context={"page": page})
    assert (row.url, row.host, row.path, row.title) == (page["url"], "shop.example", "/a", "Shoes")
    assert (row.referrer, row.referrer_host) == ("https://www.search.example/?q=shoes", "www.search.example")
    assert (row.utm_source, row.utm_medium, row.utm_campaign) == ("news", "", "may")


def test_a_page_of_the_same_host_is_no_referrer_and_a_given_path_counts() -> None:
    page = {"url": "https://shop.example/#/cart", "referrer": "https://shop.example/", "path": "/cart?step=2#x"}
    row = row_of(arrival(), context={"page": page})
    assert (row.referrer_host, row.path) == ("", "/cart")


def test_the_path_of_a_screen_without_one_is_its_name() -> None:
    def path(kind: str, **page: str) -> str:
        return row_of(arrival(), type=kind, name="Settings?", context={"page": page}).path

    url = "https://shop.example/a"
    assert (path("screen"), path("screen", title="x"), path("screen", url="http://[")) == ("Settings?",) * 3
    assert (path("screen", url=url), path("screen", path="/b"), path("screen", url=url, path="/b")) == (
        "/a",
        "/b",
        "/b",
    )
    assert (path("page"), path("track"), row_of(arrival(), type="screen").path) == ("", "", "")


def test_what_a_row_keeps_of_address_and_user_agent_depends_on_project_and_privacy() -> None:
    def kept(mode: str, privacy: str) -> tuple[str, str]:
        row = row_of(arrival(ip_mode=mode, user_agent=CHROME), privacy=privacy)
        return row.ip, row.user_agent

    modes, privacies = ("truncate", "drop", "keep"), ("", "full", "strict", "balanced")
    assert {mode: [kept(mode, privacy) for privacy in privacies] for mode in modes} == {
        "truncate": [("81.2.69.0", CHROME), ("81.2.69.0", CHROME), ("", ""), ("", "")],
        "drop": [("", CHROME), ("", CHROME), ("", ""), ("", "")],
        "keep": [("81.2.69.142", CHROME), ("81.2.69.142", CHROME), ("81.2.69.142", ""), ("81.2.69.142", "")],
    }


def test_the_visitors_country_is_looked_up_before_the_address_is_shortened() -> None:
    asked: list[str] = []

    def country_of(address: str, answer: Callable[[str], None]) -> str:
        answer(address)
        return "GB"

    arrived = arrival(country_of=functools.partial(country_of, answer=asked.append))
    rows = [row_of(arrived), row_of(arrived, context={"ip": "203.0.113.9"})]
    assert ([row.country for row in rows], asked) == (["GB", "GB"], ["81.2.69.142", "203.0.113.9"])


def test_a_plain_row_is_whole() -> None:
    arrived = arrival(library=Library("shop", "2"), country_of=lambda address: "GB")
    row = row_of(
        arrived,
        name="Home",
        device_id="d",
        session_id="s",
        session_started_at="2026-11-22T12:00:00Z",
        user_id="u",
        sample_rate=0.25,
        boot_id="b",
        seq=3,
        properties={"a": [1]},
        context={"screen": {"width": 2, "height": 1}, "app": {"name": "App", "version": "3"}, "locale": "en", "x": 1},
    )
    assert msgspec.json.encode(row).decode() == (
        '["site",1795348800.0,"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","page","Home",'
        '"s",1795348800.0,"d","u","",0.25,"","","2026-11-22T12:00:00Z",1795348800.0,1795348800.0,'
        '"","","","","","","","","","","","GB","","","","","","2x1","en","","App","3","shop","2","","81.2.69.0",'
        '"b",3,"",{},{},{"a":[1]},"{\\"x\\":1}",395,0]'
    )
