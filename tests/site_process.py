"""A web application that is tracked, under a real Hypercorn or gunicorn, and asked as a browser asks."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.server_process import Answer, Keys, Server, clean_environment, free_port, wait_until

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HYPERCORN = ("hypercorn", "--access-logfile", "-")
GUNICORN = ("gunicorn", "--workers", "2", "--preload")


class Site:
    """A program with the middleware in processes of its own, and what the query API answers of its project."""

    def __init__(self, folder: Path, running: Server, keys: Keys, name: str, text: str) -> None:
        program = text.replace("wk_…", keys.write_key).replace("https://stats.example.com", running.url)
        (folder / f"{name}.py").write_text(program, "utf-8")
        self.port = free_port()
        self._folder, self._keys, self._running = folder, keys, running

    @contextlib.contextmanager
    def served(self, server: tuple[str, ...], app: str) -> Iterator[None]:
        """Run the site until the block ends, and end it as a service manager would."""
        command = [sys.executable, "-m", *server, "--bind", f"127.0.0.1:{self.port}", app]
        environment = clean_environment(
            HOME=str(self._folder), PYTHONWARNINGS="error::ResourceWarning", SHOCKMOUSE_CLIENT_FLUSH_SECONDS="0.5"
        )
        with (self._folder / "site.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            try:
                wait_until(self._listens, 30, "the site answers")
                yield
            except BaseException:
                print((self._folder / "site.log").read_text("utf-8"))
                raise
            finally:
                _end(process)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Return the answer to a browser's request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"User-Agent": FIREFOX} | {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, body or None, sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def question(self, question: str) -> Any:
        """Return the answer of the query API for this site's project."""
        answer = self._running.request("GET", f"/api/v1/{question}", Authorization=f"Bearer {self._keys.read_key}")
        assert answer.status == 200, answer
        return answer.json()

    def counts(self, dimension: str, **filters: str) -> dict[str, int]:
        """Return the number of events by a dimension."""
        told = "".join(f"&filter={name}:is:{value}" for name, value in filters.items())
        rows = self.question(f"breakdown?dimension={dimension}&metrics=events{told}")["rows"]
        return {row["value"]: row["events"] for row in rows}

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
