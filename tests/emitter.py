"""A program as a user would write it: sends events with the real client; the tests run and kill it as a process.

emitter.py verbs MODE N      every verb once, `track` N times, then flush; prints what stats() says
emitter.py leave N           N events, then simply end: no flush, no close
emitter.py steady SECONDS    one event every 2 ms; prints each number with the time at which track() had returned
emitter.py fork N            N events before and after a fork, in parent and child
"""

import os
import sys
import time
from typing import Literal, cast

from shockmouse_analytics import Analytics

Privacy = Literal["strict", "balanced", "full"]


def verbs(privacy: Privacy, count: int) -> None:
    """Use every public verb and wait for the acknowledgement."""
    with Analytics(privacy=privacy) as analytics:
        analytics.register({"release": "1.2.3"})
        analytics.identify("user-42", {"plan": "pro"})
        for number in range(count):
            analytics.track("Report exported", {"format": "pdf", "number": number, "äöü": ["ß", None, {"deep": 1.5}]})
        analytics.page(url="https://example.com/pricing?utm_source=mail", title="Pricing")
        analytics.screen("Settings")
        analytics.group("team-7", {"seats": 12})
        analytics.alias("user-43")
        with analytics.measure("render report"):
            pass
        try:
            raise ValueError("a value that stays here")
        except ValueError as exc:
            analytics.capture_exception(exc)
        delivered = analytics.flush(timeout=20)
        print(delivered, analytics.stats().sent, flush=True)


def leave(count: int) -> None:
    """Send without a word of goodbye."""
    analytics = Analytics()
    for number in range(count):
        analytics.track("left behind", {"number": number})


def steady(seconds: float) -> None:
    """Send until the time is over or the process is killed."""
    analytics = Analytics()
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        analytics.track("steady", {"number": number})
        print(number, time.monotonic(), flush=True)
        number += 1
        time.sleep(0.002)
    analytics.close()


def fork(count: int) -> None:
    """Send from a parent and from its child, which inherits the client."""
    analytics = Analytics()
    for number in range(count):
        analytics.track("before", {"number": number})
    child = os.fork()
    for number in range(count):
        analytics.track("parent" if child else "child", {"number": number})
    analytics.flush(timeout=20)
    if child:
        os.waitpid(child, 0)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    if mode == "verbs":
        verbs(cast(Privacy, arguments[0]), int(arguments[1]))
    else:
        {"leave": leave, "fork": fork}[mode](int(arguments[0])) if mode != "steady" else steady(float(arguments[0]))
