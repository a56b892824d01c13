"""Browsers, systems, devices and crawlers by their user agents; and that no text takes long."""

import time

import pytest

from shockmouse_analytics_server.agents import Agent, read_agent

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
AGENTS = {
    CHROME: Agent("Chrome", "131", "Windows", "10", "desktop"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 "
    "Mobile/15E148 Safari/604.1": Agent("Mobile Safari", "17", "iOS", "17.1", "mobile"),
    "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 "
    "Safari/604.1": Agent("Mobile Safari", "16", "iOS", "16.6", "tablet"),
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile "
    "Safari/537.36": Agent("Chrome Mobile", "120", "Android", "14", "mobile"),
    "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36": Agent("Chrome", "120", "Android", "13", "tablet"),
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": Agent(
        "Firefox", "120", "Ubuntu", "", "desktop"
    ),
    "Mozilla/5.0 (SMART-TV; Linux; Tizen 2.4.0) AppleWebkit/538.1 (KHTML, like Gecko) SamsungBrowser/1.1 TV "
    "Safari/538.1": Agent("Samsung Internet", "1", "Tizen", "2.4", "tv"),
    GOOGLEBOT: Agent("Googlebot", "2", "", "", "", is_crawler=True),
    "curl/8.1": Agent("curl", "8", "", "", "", is_crawler=True),
    "": Agent(),
    "\0 é \x7f": Agent(),
}


@pytest.mark.parametrize("text", AGENTS)
def test_user_agents_are_named(text: str) -> None:
    assert read_agent(text) == AGENTS[text]


HOSTILE = {
    "open brackets": "Mozilla/5.0 " + "(" * 100_000,
    "versions": "1." * 50_000,
    "spaces": "Mozilla/5.0 (" + " " * 100_000,
    "android": "Mozilla/5.0 (Linux; Android " + "a" * 50_000 + " Build/" * 1000,
    "bots": "bot" * 30_000,
    "slashes": "a/" * 50_000,
    "semicolons": "Mozilla/5.0 (Linux;" + ";;;; " * 20_000,
    "dashes": "-" * 100_000,
    "iphone": "iPhone" + "; " * 10_000 + "OS 1_",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_user_agent_takes_long(name: str) -> None:
    read_agent(CHROME)  # the patterns are compiled once

    def seconds(text: str) -> float:
        started = time.thread_time()
        read_agent(text)
        return time.thread_time() - started

    # Other texts each time, because what was read is remembered; the least, because the machine has other work.
    assert min(seconds(HOSTILE[name][:500] + str(attempt)) for attempt in range(5)) < 0.005


def test_of_a_long_user_agent_the_beginning_counts() -> None:
    assert read_agent(CHROME + " " * 512 + "Googlebot") == read_agent(CHROME)
