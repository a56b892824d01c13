"""A web site on the loopback interface: each test has a host name of its own, NAME.localhost, and puts pages there."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit


class Page(NamedTuple):
    """What is served under one path."""

    body: bytes
    headers: dict[str, str]


class Site:
    """The pages of all hosts; leaving the block ends the serving."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], Page] = {}
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host = self.headers["Host"].split(".")[0]
                page = pages.get((host, urlsplit(self.path).path))
                body, headers = page if page else (b"nothing is here", {})
                self.send_response(200 if page else 404)
                for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def origin(self, host: str) -> str:
        return f"http://{host}.localhost:{self.port}"

    def put(self, host: str, path: str, body: str | bytes, **headers: str) -> None:
        """Serve this body; an underscore in a header's name is a hyphen."""
        encoded = body if isinstance(body, bytes) else body.encode()
        self._pages[host, path] = Page(encoded, {name.replace("_", "-"): text for name, text in headers.items()})
