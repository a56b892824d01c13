"""What is read from requests, paths and pages, case by case."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.routing import Route as StarletteRoute
from web_site import FIREFOX

from shockmouse_analytics.autotrack import asgi, wsgi
from shockmouse_analytics.autotrack.form import field_names
from shockmouse_analytics.autotrack.markup import insert, title_of
from shockmouse_analytics.autotrack.request import LOOPBACK, Proxies, Request
from shockmouse_analytics.autotrack.route import NO_ROUTE, Route, route_of_environ, route_of_scope
from shockmouse_analytics.autotrack.routine import is_routine


def request(path: str = "/", peer: str = "127.0.0.1", query: str = "", **headers: str) -> Request:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method="GET",
        scheme="http",
        host="shop.example.com",
        root="/shop",
        path=path,
        query=query,
        peer=peer,
        header=lambda name: sent.get(name, ""),
    )


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("127.0.0.1", "203.0.113.77", "203.0.113.77"),
        ("", "203.0.113.77", "203.0.113.77"),
        ("::1", "[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "evil, 198.51.100.9:1234", "198.51.100.9"),
        ("127.0.0.1", "198.51.100.9, 127.0.0.8", "198.51.100.9"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.9, unknown", "127.0.0.1"),
        ("127.0.0.1", "1.1.1.1, unknown, ::ffff:127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", ", ".join(["1.1.1.1"] * 10_000), "1.1.1.1"),
        ("198.51.100.9", "203.0.113.77", "198.51.100.9"),
        ("nonsense", "203.0.113.77", "nonsense"),
    ],
)
def test_the_address_is_the_nearest_hop_that_no_trusted_proxy_vouches_for(
    peer: str, forwarded_for: str, address: str
) -> None:
    assert Proxies(LOOPBACK).address_of(request(peer=peer, x_forwarded_for=forwarded_for)) == address


def test_a_proxy_is_an_address_or_a_network() -> None:
    with pytest.raises(ValueError, match=r"proxy\.example"):
        Proxies(["proxy.example"])


@pytest.mark.parametrize(
    ("path", "query", "url"),
    [
        ("/a", "", "/shop/a"),
        ("/a", "q=secret", "/shop/a"),
        ("/a", "q=1&utm_source=mail&utm_campaign=x%20y", "/shop/a?utm_source=mail&utm_campaign=x%20y"),
        ("/caf\u00e9 <b>", "", "/shop/caf%C3%A9%20%3Cb%3E"),
    ],
)
def test_an_address_is_told_without_what_may_be_secret(path: str, query: str, url: str) -> None:
    assert request(path, query=query).url("https") == f"https://shop.example.com{url}"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("a=1; consent=yes; b=2", "yes"),
        ("consent=", ""),
        ("myconsent=no", ""),
        ("consent=a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(header: str, value: str) -> None:
    assert request(cookie=header).cookie("consent") == value


def test_both_front_doors_read_the_same_request() -> None:
    headers = [(b"host", b"shop.example.com"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"accept", b"text/html")]
    scope = {
        "method": "GET",
        "scheme": "https",
        "root_path": "/shop",
        "path": "/shop/caf\u00e9",
        "query_string": b"q=1",
    }
    by_asgi = asgi.read_request(scope | {"headers": headers, "client": ("203.0.113.77", 1)})
    by_wsgi = wsgi.read_request(
        {
            "REQUEST_METHOD": "GET",
            "wsgi.url_scheme": "https",
            "HTTP_HOST": "shop.example.com",
            "SCRIPT_NAME": "/shop",
            "PATH_INFO": "/caf\u00e9".encode().decode("latin-1"),
            "QUERY_STRING": "q=1",
            "REMOTE_ADDR": "203.0.113.77",
            "HTTP_COOKIE": "a=1; b=2",
            "HTTP_ACCEPT": "text/html",
        }
    )
    for read in (by_asgi, by_wsgi):
        told = [getattr(read, name) for name in ("method", "scheme", "host", "root", "path", "query", "peer")]
        assert told == ["GET", "https", "shop.example.com", "/shop", "/caf\u00e9", "q=1", "203.0.113.77"]
        assert [read.header(name) for name in ("cookie", "accept", "dnt")] == ["a=1; b=2", "text/html", ""]


@pytest.mark.parametrize(
    ("agent", "skipped"),
    [
        (FIREFOX, False),
        ("", False),
        ("Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 50) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36", False),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36", True),
        ("python-requests/2.32", True),
        ("ELB-HealthChecker/2.0", True),
        ("Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", True),
    ],
)
def test_programs_are_told_from_people_by_their_words(agent: str, skipped: bool) -> None:
    assert is_routine(request(user_agent=agent)) is skipped


@pytest.mark.parametrize(
    ("path", "params", "template"),
    [
        ("/items/7", {"id": 7}, "/items/{id}"),
        ("/v1/items/1/parts/1", {"item": "1", "part": "1"}, "/v1/items/{item}/parts/{part}"),
        ("/files/a/b.txt", {"path": "a/b.txt"}, "/files/{path}"),
        ("/report-2026.pdf", {"year": 2026}, "/report-{year}.pdf"),
        ("/items/007", {"id": "nothing like it"}, "/items/007"),
        ("/items/", {"empty": ""}, "/items/{empty}"),
    ],
)
def test_a_template_has_the_parameters_names_for_their_values(path: str, params: dict[str, Any], template: str) -> None:
    scope = {"endpoint": test_a_proxy_is_an_address_or_a_network, "path_params": params}
    assert route_of_scope(scope, path) == Route(template, "test_a_proxy_is_an_address_or_a_network")


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/items/items", "/items/{name}"),
        ("/items/of/items", "/items/of/{name}"),
        ("/n/007", "/n/{number}"),
        ("/f/1.50", "/f/{x}"),
        ("/u/0190A1B2-0000-7000-8000-00000000ABCD", "/u/{id}"),
        ("/files/a/b/c.txt", "/files/{path}"),
        ("/files/", "/files/{path}"),
        ("/mounted/7/parts/7", "/mounted/{item}/parts/{part}"),
        ("/same/1", "/same/{one}"),
        ("/other/1/2", "/other/{one}/{two}"),
    ],
)
def test_a_template_is_that_of_the_route_whatever_the_values_look_like(path: str, template: str) -> None:
    def page(_: object) -> PlainTextResponse:
        return PlainTextResponse("")

    def twice(_: object) -> PlainTextResponse:
        return PlainTextResponse("")

    paths = (
        "/items/{name}",
        "/items/of/{name}",
        "/n/{number:int}",
        "/f/{x:float}",
        "/u/{id:uuid}",
        "/files/{path:path}",
    )
    routes = [
        *(StarletteRoute(path, page) for path in paths),
        Mount("/mounted/{item:int}", routes=[StarletteRoute("/parts/{part}", page)]),
        StarletteRoute("/same/{one}", twice),
        StarletteRoute("/other/{one}/{two}", twice),
    ]
    seen: dict[str, Any] = {}

    async def ask() -> None:
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
        scope |= {"query_string": b"", "root_path": ""}

        async def send(_: object) -> None: ...

        await Starlette(routes=routes)(scope, send, send)  # type: ignore[arg-type]
        seen.update(scope)

    asyncio.run(ask())
    assert route_of_scope(seen, path).template == template
    assert route_of_scope(seen, f"/behind/a/proxy{path}").template == f"/behind/a/proxy{template}"


def test_an_application_without_a_framework_has_no_routes() -> None:
    assert (route_of_scope({}, "/a"), route_of_environ({}, "/a")) == (NO_ROUTE, NO_ROUTE)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"a=1&b=2&a=3", ["a", "b"]),
        (b"", []),
        (b"&&=x&%20=", [" "]),
        (b"na%C3%AFve=1&pin=1234&user_token=x&note", ["na\u00efve", "note"]),
        (b"\xff\x00=1", ["\ufffd\x00"]),
        (b"x" * 500 + b"=1", ["x" * 80]),
        (b"&".join(b"f%d=" % n for n in range(5000)), [f"f{n}" for n in range(100)]),
    ],
)
def test_a_forms_fields_are_named_once_and_secrets_are_not(body: bytes, names: list[str]) -> None:
    assert field_names(body) == names


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<title>A &lt;b&gt;</title>", "A <b>"),
        (b'<title lang="en">\n  Two\n  lines </title>', "Two lines"),
        (b"<title></title>", None),
        (b"<title>never ends", None),
        (b"<p>none</p>", None),
        ("<title>caf\u00e9</title>".encode("latin-1"), None),
        (b" " * (17 << 10) + b"<title>late</title>", None),
        (b"<title>" + b"x" * 1000 + b"</title>", "x" * 300),
    ],
)
def test_a_title_is_read_where_it_is_cheap(page: bytes, title: str | None) -> None:
    assert title_of(page) == title


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b"<head></head><body></body>", b"<head>T</head><body></body>"),
        (b"<body>a</body>b</body>", b"<body>a</body>bT</body>"),
        (b"<p>", None),
        (b"<HEAD></HEAD ><p>", b"<HEAD>T</HEAD ><p>"),
        (b"<script>a = '</head>'</script></head>", b"<script>a = '</head>'</script>T</head>"),
        (b"<SCRIPT/src=a></SCRIPT\n></head>", b"<SCRIPT/src=a></SCRIPT\n>T</head>"),
        (b"<script a='</script></head>'></script></head>", b"<script a='</script></head>'></script>T</head>"),
        (b"<script>//<!--\na<b\n//--></script></head>", b"<script>//<!--\na<b\n//--></script>T</head>"),
        (b"<script><!-- <script></script> </head> --></script></head>", None),
        (b"<script>unended </head>", None),
        (b"<style></styles></head></style></head>", b"<style></styles></head></style>T</head>"),
        (b"<title></head></title></head>", b"<title></head></title>T</head>"),
        (b"<!-- </head> --></head>", b"<!-- </head> -->T</head>"),
        (b"<!--></head> --></head>", b"<!-->T</head> --></head>"),
        (b"<!-- unended </head>", None),
        (
            b"<template><template></template></head></template></head>",
            b"<template><template></template></head></template>T</head>",
        ),
        (b"<meta content='a > </head>'></head>", b"<meta content='a > </head>'>T</head>"),
        (b"<meta content=it's></head>'", b"<meta content=it's>T</head>'"),
        (b'<a title="</head>', None),
        (b"1 < 2 <> <3 </head>", b"1 < 2 <> <3 T</head>"),
        (b"<header></header></heading><headed></head>", b"<header></header></heading><headed>T</head>"),
        (b"<textarea></body></textarea></body>", b"<textarea></body></textarea>T</body>"),
        (b"</head", None),
    ],
)
def test_a_tag_stands_at_the_end_of_head_or_body(page: bytes, expected: bytes | None) -> None:
    assert insert(page, b"T") == expected
