"""What the middleware adds to a request in the application's own process, without a server around it.

python -m tests.bench.middleware REQUESTS     settings come from SHOCKMOUSE_CLIENT_…

Prints two JSON objects, one a line: the median microseconds that AnalyticsMiddleware adds to an ASGI and to a WSGI
request for an HTML page, by a browser's 14 headers. Each round times the bare application and the wrapped one.

The p99 also holds the turns of the scheduler and of the background, as requests come here without a pause. On a
busy machine it says little.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median, quantiles
from typing import Any

from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack import asgi, wsgi
from tests.bench.reference import Result, beside_reference

PAGE = b"<!doctype html><html><head><title>Pricing</title></head><body>" + b"<p>text</p>" * 400 + b"</body></html>"
HEADERS = {
    "host": "shop.example.com",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.5",
    "accept-encoding": "gzip, deflate, br, zstd",
    "referer": "https://search.example.org/",
    "cookie": "session=0123456789abcdef; theme=dark",
    "connection": "keep-alive",
    "upgrade-insecure-requests": "1",
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "cross-site",
    "x-forwarded-for": "203.0.113.77",
    "x-forwarded-proto": "https",
}


async def asgi_page(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(PAGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE})


def wsgi_page(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


def asgi_call(app: Any) -> Callable[[], None]:
    """Return what makes one request; a coroutine that never waits needs no loop."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        pass

    def call() -> None:
        scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/pricing", "query_string": b"utm_source=x"}
        request = app(scope | {"headers": headers, "client": ("127.0.0.1", 1)}, receive, send)
        try:
            request.send(None)
        except StopIteration:
            return
        raise AssertionError("the request waits")

    return call


def wsgi_call(app: Any) -> Callable[[], None]:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
    fixed = {"REQUEST_METHOD": "GET", "PATH_INFO": "/pricing", "QUERY_STRING": "utm_source=x"}
    environ = fixed | {"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1"} | headers

    def call() -> None:
        for _ in app(dict(environ), lambda status, headers: None):
            pass

    return call


def microseconds(call: Callable[[], None]) -> float:
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / 1000


def added(front: str, bare: Callable[[], None], wrapped: Callable[[], None], requests: int) -> Result:
    """Return the microseconds added to a request; both sides are timed in turn."""
    for _ in range(min(1000, requests)):
        bare(), wrapped()
    plain, tracked = [], []
    for _ in range(requests):
        plain.append(microseconds(bare))
        tracked.append(microseconds(wrapped))
    p50 = round(median(tracked) - median(plain), 1)
    p99 = round(quantiles(tracked, n=100)[98] - quantiles(plain, n=100)[98], 1)
    return {"bench": "middleware_us", "front": front, "p50": p50, "p99": p99, "target_p50": 30.0, "requests": requests}


def measure(requests: int) -> Iterator[Result]:
    """Yield what each front door adds."""
    with Analytics() as analytics:
        sides = (
            ("asgi", asgi_call(asgi_page), asgi_call(asgi.AnalyticsMiddleware(asgi_page, analytics))),
            ("wsgi", wsgi_call(wsgi_page), wsgi_call(wsgi.AnalyticsMiddleware(wsgi_page, analytics))),
        )
        for front, bare, wrapped in sides:
            yield added(front, bare, wrapped, requests)
            analytics.flush(timeout=60)


if __name__ == "__main__":
    for result in beside_reference(measure(int(sys.argv[1]))):
        print(json.dumps(result), flush=True)
