"""What the middleware tells of requests, and that answers and bodies pass through it as they are."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from web_site import FIREFOX, HTML, PAGE, Site, View

from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack import asgi
from shockmouse_analytics.autotrack.request_signals import SIGNALS
from shockmouse_analytics.event import Privacy

FORM = {"content_type": "application/x-www-form-urlencoded"}
COOKIE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=["asgi", "wsgi"])
def front(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def analytics(client: Callable[..., Analytics]) -> Analytics:
    return client()


def told(server: Any, analytics: Analytics, kind: str) -> list[dict[str, Any]]:
    """Return the events of a type, once all have arrived; a duration is any number."""
    assert analytics.flush(timeout=10)
    events = [event for event in server.events if event["type"] == kind]
    for event in events:
        assert event["properties"].pop("duration_ms", 0.0) >= 0.0
    return events


def test_a_page_is_told_of_as_its_visitors(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View())
    answer = site.get(
        "/pricing?utm_source=mail&token=secret",
        referer="https://search.example.org/?q=private",
        accept_language="en-GB,en;q=0.5",
    )
    assert answer == (200, {"content-type": HTML[0][1], "content-length": str(len(PAGE))}, [PAGE])

    (page,) = told(server, analytics, "page")
    assert page["context"] == {
        "locale": "en",
        "timezone": None,
        "ip": "203.0.113.0",
        "user_agent": FIREFOX,
        "page": {
            "url": "http://shop.example.com/pricing?utm_source=mail",
            "title": "Pricing & more",
            "referrer": "https://search.example.org/",
        },
    }
    assert (page["privacy"], page["properties"]) == ("strict", {"status": 200})
    assert page.get("name") == ("/{name}" if front == "asgi" else None)
    assert page.keys() & {"device_id", "session_id", "user_id"} == set()
    (timing,) = told(server, analytics, "performance")
    assert (timing["name"], timing["properties"]) == ("GET /{name}" if front == "asgi" else "GET", {"status": 200})


@pytest.mark.parametrize(
    ("view", "headers", "pages", "timings"),
    [
        (View(status=404), {}, 1, 1),
        (View(status=302, headers=[("Location", "/")], parts=()), {}, 0, 1),
        (View(headers=[("Content-Type", "application/json")], parts=(b"{}",)), {}, 0, 1),
        (View(headers=[("Content-Type", "text/event-stream")], parts=(b"data: 1\n\n",)), {}, 0, 0),
        (View(status=304, headers=[], parts=()), {"accept": "text/html,*/*"}, 1, 1),
        (View(), {"sec_fetch_dest": "empty"}, 0, 1),
        (View(), {"sec_purpose": "prefetch;prerender"}, 0, 1),
        (View(), {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, 0, 0),
        (View(), {"user_agent": "curl/8.5.0"}, 0, 0),
        (View(), {"user_agent": "kube-probe/1.31"}, 0, 0),
    ],
)
def test_only_what_a_person_sees_is_a_page(
    front: str, server: Any, analytics: Analytics, view: View, headers: dict[str, str], pages: int, timings: int
) -> None:
    Site(front, analytics, view).get("/pricing", **headers)
    counted = len(told(server, analytics, "page")), len(told(server, analytics, "performance"))
    assert counted == (pages, timings)


@pytest.mark.parametrize("path", ["/static/app.css", "/logo.png", "/healthz", "/healthz/", "/metrics", "/favicon.ico"])
def test_files_and_health_checks_are_skipped_unless_asked_for(
    front: str, server: Any, analytics: Analytics, path: str
) -> None:
    Site(front, analytics, View()).get(path)
    Site(front, analytics, View(), skip=lambda request: request.path == "/other", timings=False).get(path)
    assert [event["context"]["page"]["url"] for event in told(server, analytics, "page")] == [
        f"http://shop.example.com{path}"
    ]
    assert told(server, analytics, "performance") == []


def test_a_form_is_told_of_by_the_names_of_its_fields(front: str, server: Any, analytics: Analytics) -> None:
    body = b"e-mail=a%40b.example&plan%5B%5D=pro&plan%5B%5D=free&password=hunter2&csrf_token=xyz&empty"
    site = Site(front, analytics, View(status=303, headers=[("Location", "/")], parts=()))
    site.ask("POST", "/sign up", body, **FORM)
    assert site.bodies == [body]
    (form,) = told(server, analytics, "form")
    assert form["name"] == ("_asgi" if front == "asgi" else "/sign up")
    fields = ["e-mail", "plan[]", "empty"]
    assert form["properties"] == {"action": "/sign up", "fields": fields, "outcome": "submit", "status": 303}
    assert form["context"]["page"] == {"url": "http://shop.example.com/sign%20up"}
    assert "hunter2" not in str(server.requests)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=" + b"x" * (64 << 10)),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n--x--'),
    ],
)
def test_long_forms_and_files_are_not_looked_at(
    front: str, server: Any, analytics: Analytics, kind: str, body: bytes
) -> None:
    site = Site(front, analytics, View())
    site.ask("POST", "/upload", body, content_type=kind)
    assert site.bodies == [body]
    (form,) = told(server, analytics, "form")
    assert form["properties"] == {"action": "/upload", "fields": [], "outcome": "submit", "status": 200}


def test_an_exception_is_told_of_and_raised_again(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View(raises=LookupError("no such plan")))
    with pytest.raises(LookupError, match="no such plan"):
        site.get("/pricing")
    (error,) = told(server, analytics, "error")
    assert error["properties"].pop("stack")[-1].startswith("tests/web_site.py:")
    route = {"route": "/{name}"} if front == "asgi" else {}
    assert error["properties"] == {"exception": "LookupError", "message": "no such plan", "method": "GET", **route}
    assert error["context"]["ip"] == "203.0.113.0"
    assert [event["properties"] for event in told(server, analytics, "performance")] == [{"status": 500}]
    assert told(server, analytics, "page") == []


def test_a_streamed_answer_passes_part_by_part(front: str, server: Any, analytics: Analytics) -> None:
    parts = (b"<html><head>", b"<title>Late</title></head><body>", b"</body></html>")
    answer = Site(front, analytics, View(parts=parts, streams=True), inject=True).get()
    assert answer == (200, {"content-type": HTML[0][1]}, list(parts))
    assert len(told(server, analytics, "page")) == 1


def test_a_websocket_passes_untouched(server: Any, analytics: Analytics) -> None:
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    scope, receive, send = {"type": "websocket", "path": "/"}, object(), object()
    asyncio.run(asgi.AnalyticsMiddleware(app, analytics)(scope, receive, send))  # type: ignore[arg-type]
    assert [id(part) for part in seen] == [id(scope), id(receive), id(send)]
    assert analytics.stats().queued == 0


def test_a_cookie_names_the_device_only_with_consent(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View(), consent=lambda request: request.cookie("consent") == "yes", timings=False)
    assert "set-cookie" not in site.get().headers
    cookie = site.get(cookie="consent=yes").headers["set-cookie"]
    device = cookie.removeprefix("shockmouse_device=").partition(";")[0]
    assert cookie == f"shockmouse_device={device}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in site.get(cookie=f"consent=yes; shockmouse_device={device}").headers
    removed = site.get(cookie=f"shockmouse_device={device}").headers["set-cookie"]
    assert removed == "shockmouse_device=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"

    pages = told(server, analytics, "page")
    assert [page.get("device_id") for page in pages] == [None, device, device, None]
    assert [page["privacy"] for page in pages] == ["strict", "balanced", "balanced", "strict"]
    assert [page.get("session_id") for page in pages] == [None] * 4


@pytest.mark.parametrize(
    ("headers", "device"),
    [
        ({}, COOKIE),
        ({"sec_gpc": "1"}, None),
        ({"dnt": "1"}, None),
    ],
)
def test_a_browsers_refusal_is_strict_whatever_the_callback_says(
    front: str, server: Any, analytics: Analytics, headers: dict[str, str], device: str | None
) -> None:
    site = Site(front, analytics, View(), consent=lambda request: True)
    site.get(cookie=f"shockmouse_device={COOKIE}", accept_language="pt-BR", **headers)
    (page,) = told(server, analytics, "page")
    assert (page.get("device_id"), page["privacy"]) == (device, "balanced" if device else "strict")
    assert page["context"]["locale"] == ("pt-BR" if device else "pt")


def test_refusals_are_dropped_when_configured(front: str, server: Any, analytics: Analytics) -> None:
    site = Site(front, analytics, View(), refusals="drop")
    site.get("/kept")
    assert site.get("/dropped", sec_gpc="1").body == PAGE
    assert [event["context"]["page"]["url"] for event in told(server, analytics, "page")] == [
        "http://shop.example.com/kept"
    ]
    with pytest.raises(ValueError, match="refusals is 'ignore'"):
        Site(front, analytics, View(), refusals="ignore")


@pytest.mark.parametrize(
    ("inject", "sent", "ids"),
    [
        (False, {}, ("theirs", "s-1")),
        (True, {}, ("theirs", "s-1")),
        (False, {"cookie": f"shockmouse_device={COOKIE}"}, ("theirs", "s-1")),
        (True, {"cookie": f"shockmouse_device={COOKIE}"}, (COOKIE, None)),  # the script's events get it too
        (True, {"cookie": f"shockmouse_device={COOKIE}", "shockmouse_session": "01;s=s-1"}, (COOKIE, "s-1")),
        (False, {"shockmouse_session": "01;s=s 1;d=theirs"}, ("made", None)),
        (False, {"shockmouse_session": "01;s=s-1"}, ("made", "s-1")),
        (False, {"sec_gpc": "1"}, (None, None)),
        (False, {"dnt": "1", "cookie": f"shockmouse_device={COOKIE}"}, (None, None)),
    ],
)
def test_the_header_joins_a_request_to_its_senders_session(
    front: str, server: Any, analytics: Analytics, inject: bool, sent: dict[str, str], ids: tuple[str | None, ...]
) -> None:
    site = Site(front, analytics, View(), consent=lambda _: True, inject=inject)
    answer = site.get(**{"shockmouse_session": "01;s=s-1;d=theirs"} | sent)
    (timing,) = told(server, analytics, "performance")
    made = answer.headers.get("set-cookie", "").removeprefix("shockmouse_device=").partition(";")[0]
    assert (timing.get("device_id"), timing.get("session_id")) == (made if ids[0] == "made" else ids[0], ids[1])
    assert bool(made) == (ids[0] == "made")
    assert timing["privacy"] == ("balanced" if ids[0] else "strict")


def test_the_header_counts_for_nothing_without_consent(
    front: str, server: Any, client: Callable[..., Analytics]
) -> None:
    for analytics, settings in ((client(), {}), (client(privacy="strict"), {"consent": lambda _: True})):
        Site(front, analytics, View(), **settings).get(shockmouse_session="01;s=s-1;d=theirs")
        timings = told(server, analytics, "performance")
        assert [timing.keys() & {"device_id", "session_id"} for timing in timings] == [set()] * len(timings)


SENT_BY_A_BROWSER = {signal.header.replace("-", "_"): f"the {signal.name}" for signal in SIGNALS if signal.header}
MODES: tuple[Privacy, ...] = ("strict", "balanced", "full")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("has_consent", [True, False])
def test_a_request_tells_its_signals_in_just_their_mode(
    front: str, server: Any, client: Callable[..., Analytics], mode: Privacy, has_consent: bool
) -> None:
    analytics = client(privacy=mode)
    site = Site(front, analytics, View(), consent=lambda _: has_consent)
    site.get(**SENT_BY_A_BROWSER, sec_ch_ua_bitness="64", viewport_width="800")
    (page,) = told(server, analytics, "page")
    (timing,) = told(server, analytics, "performance")
    allowed = MODES[: MODES.index(mode) + 1] if has_consent else ("strict",)
    expected = {signal.name: f"the {signal.name}" for signal in SIGNALS if signal.mode in allowed and signal.header}
    assert page["fingerprint"]["signals"] == expected
    assert set(page["fingerprint"]) == {"hash", "signals"}
    assert "fingerprint" not in timing
    site.get(**SENT_BY_A_BROWSER, sec_gpc="1")
    assert "languages" not in told(server, analytics, "page")[-1]["fingerprint"]["signals"]


ASKED = "sec-ch-ua-arch, sec-ch-ua-model, sec-ch-ua-platform-version, sec-ch-ua-full-version-list"


def test_browsers_are_asked_for_hints_only_if_wanted_in_full_mode_and_with_consent(
    front: str, client: Callable[..., Analytics]
) -> None:
    full, balanced = client(privacy="full"), client(privacy="balanced")
    wanted, agreed = {"hints": True}, {"consent": lambda _: True}
    page, text = View(), View(headers=[("Content-Type", "text/plain")])
    shared = View(headers=[*HTML, ("Cache-Control", "public")])
    assert Site(front, full, page, **wanted, **agreed).get().headers["accept-ch"] == ASKED
    for analytics, view, settings, sent in (
        (full, page, agreed, {}),
        (full, page, wanted, {}),
        (full, page, wanted | agreed, {"sec_gpc": "1"}),
        (full, text, wanted | agreed, {}),
        (full, shared, wanted | agreed, {}),
        (balanced, page, wanted | agreed, {}),
    ):
        assert "accept-ch" not in Site(front, analytics, view, **settings).get(**sent).headers


def test_an_answer_that_caches_share_gets_no_cookie(front: str, server: Any, analytics: Analytics) -> None:
    view = View(headers=[*HTML, ("Cache-Control", "public, max-age=60")])
    assert "set-cookie" not in Site(front, analytics, view, consent=lambda request: True).get().headers
    (page,) = told(server, analytics, "page")
    assert "device_id" not in page


def test_an_address_behind_a_proxy_is_believed_only_if_the_proxy_is_trusted(
    front: str, server: Any, analytics: Analytics
) -> None:
    claim = {"x_forwarded_for": "198.51.100.9, 192.0.2.55", "x_forwarded_proto": "https"}
    Site(front, analytics, View(), timings=False).get("/claimed", **claim)
    trusting = Site(
        front,
        analytics,
        View(),
        trusted_proxies=["203.0.113.0/24", "192.0.2.55"],
        timings=False,
        consent=lambda _: True,
    )
    answer = trusting.get("/told", **claim)
    assert answer.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
    assert [(e["context"]["ip"], e["context"]["page"]["url"]) for e in told(server, analytics, "page")] == [
        ("203.0.113.0", "http://shop.example.com/claimed"),
        ("198.51.100.0", "https://shop.example.com/told"),
    ]


def test_a_callback_that_raises_costs_no_answer(
    front: str, server: Any, analytics: Analytics, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Any) -> bool:
        raise KeyError("consent")

    for _ in range(50):
        assert Site(front, analytics, View(), consent=broken).get().body == PAGE
        assert Site(front, analytics, View(), skip=broken).get().body == PAGE
    assert [page["privacy"] for page in told(server, analytics, "page")] == ["strict"] * 50
    analytics.close()
    place, counts = f"{__file__}:{inspect.getsourcelines(broken)[1] + 1}", "so far dropped: {}, refused: {}"
    assert [record.getMessage() for record in caplog.records] == [
        f"the consent callback raised, which counts as no: KeyError at {place}; {counts}",
        f"a request could not be told of: KeyError at {place}; {counts}",
    ]


def test_nothing_is_told_of_after_a_refusal_of_the_program(front: str, server: Any, analytics: Analytics) -> None:
    analytics.opt_out()
    answer = Site(front, analytics, View(), consent=lambda request: True).get()
    assert answer == (200, {"content-type": HTML[0][1], "content-length": str(len(PAGE))}, [PAGE])
    assert server.requests == []
