"""The proxy of the documentation before a real server: the nginx block of docs/running.md, with our certificate."""

import contextlib
import getpass
import http.client
import json
import re
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import query
from tests.server_process import Answer, Server, free_port, wait_until

PAGE = Path(__file__).parent.parent / "packages" / "analytics-server" / "docs" / "running.md"
VISITOR = "127.0.0.2"  # of this machine, but no proxy that the server trusts
FRAME = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
{temporary}
{documented}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def documented_block() -> str:
    found = re.search(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


class Proxy:
    """nginx on a port of its own, as the page sets it up."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.port = folder, free_port()
        key, certificate = folder / "privkey.pem", folder / "fullchain.pem"
        names = ["-subj", "/CN=stats.example.com", "-addext", "subjectAltName=DNS:stats.example.com"]
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
        subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        self._context = ssl.create_default_context(cafile=str(certificate))
        self._context.check_hostname = False  # it is asked by its address
        places = {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/letsencrypt/live/stats.example.com/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/stats.example.com/privkey.pem": str(key),
            "/var/log/nginx/stats.log": str(folder / "access.log"),
            "http://127.0.0.1:8000": server.url,
        }
        block = documented_block()
        for written, ours in places.items():
            assert written in block
            block = block.replace(written, ours)
        temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        values = {"folder": folder, "user": getpass.getuser(), "temporary": temporary, "documented": block}
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(FRAME.format(**values), "utf-8")

    def connect(self) -> http.client.HTTPSConnection:
        """Return a visitor's connection."""
        options: dict[str, Any] = {"context": self._context, "source_address": (VISITOR, 0)}
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, **options)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to one request of a visitor."""
        with contextlib.closing(self.connect()) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Host": "stats.example.com", **named})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def access_log(self) -> str:
        return (self.folder / "access.log").read_text("utf-8")

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/healthz").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("proxied")) as running:
        running.command("project", "set", "together", "--ip", "keep")
        yield running


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is missing and only root may install it: apt-get install nginx")
    proxy = Proxy(tmp_path_factory.mktemp("nginx"), server)
    with subprocess.Popen([nginx, "-c", str(proxy.configuration)], stderr=subprocess.PIPE) as running:
        try:
            wait_until(proxy.answers, 30, "nginx answers")
            yield proxy
        finally:
            running.terminate()


def a_click(name: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"event_id": str(uuid.uuid4()), "type": "click", "name": name, "timestamp": at}


def send(proxy: Proxy, server: Server, name: str, **headers: str) -> Answer:
    """Send an event as a beacon does: its key in the address, its JSON as plain text."""
    target = f"/v1/events?key={server.keys.write_key}"
    return proxy.ask("POST", target, json.dumps(a_click(name)).encode(), Content_Type="text/plain", **headers)


def test_a_beacon_arrives_and_its_key_stands_in_no_log(proxy: Proxy, server: Server) -> None:
    assert send(proxy, server, "beacon").status == 200
    wait_until(lambda: "POST /v1/events" in proxy.access_log(), 10, "the request is logged")
    assert server.keys.write_key not in proxy.access_log()


def test_a_visitors_address_is_nginxs_word_not_his_own(proxy: Proxy, server: Server) -> None:
    forged = {"X_Forwarded_For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    assert send(proxy, server, "forged", **forged).status == 200
    told = "select ip from events where name = 'forged'"
    wait_until(lambda: query(server.data_dir, told) == [{"ip": VISITOR}], 20, "the event has the visitor's address")


def test_the_dashboards_cookie_is_for_tls_only(proxy: Proxy, server: Server) -> None:
    key = f"key={server.keys.read_key}".encode()
    by_form = {"Content_Type": "application/x-www-form-urlencoded", "Origin": "https://stats.example.com"}
    signed_in = proxy.ask("POST", "/sign-in", key, **by_form)
    cookie = signed_in.headers["set-cookie"]
    assert (signed_in.status, {"Secure", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))) == (303, True)
    shown = proxy.ask("GET", "/session", Cookie=cookie.partition(";")[0])
    assert (shown.status, shown.json()["project"]) == (200, "together")


def test_the_live_stream_comes_at_once(proxy: Proxy, server: Server) -> None:
    with contextlib.closing(proxy.connect()) as connection:
        authorization = {"Authorization": f"Bearer {server.keys.read_key}", "Host": "stats.example.com"}
        connection.request("GET", "/api/v1/events/stream", headers=authorization)
        stream = connection.getresponse()
        assert stream.status == 200
        assert send(proxy, server, "streamed").status == 200
        deadline = time.monotonic() + 30
        while not ((line := stream.readline()).startswith(b"data: ") and b"streamed" in line):
            assert time.monotonic() < deadline
            assert line


def test_a_body_over_the_limit_is_refused_in_the_servers_words(proxy: Proxy, server: Server) -> None:
    def post(size: int) -> Answer:
        target = f"/v1/events?key={server.keys.write_key}"
        return proxy.ask("POST", target, json.dumps([a_click("large")]).encode().ljust(size), Content_Type="text/plain")

    assert post(1 << 20).status == 200
    refused = post((1 << 20) + 1)
    assert (refused.status, refused.json()["error"]["code"]) == (413, "too_large")


def test_figures_for_operators_are_not_for_visitors(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/metrics").status == 403
