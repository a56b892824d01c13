"""Whether events can leave this machine, check by check; asking stores nothing at the server.

collects  neither the settings nor the person's answers keep events here
endpoint  something answers at the address within 5 seconds
key       an empty batch is refused for being empty, not for its key
clock     the server's Date lies within a minute of ours; the server corrects what lies further
folder    a file can be made where events wait
queue     what waits; events that the server refused are a failure
"""

import contextlib
import http.client
import os
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from .errors import StoreError, UnreachableError
from .offline import OfflineStore
from .store_contents import StoreStatus
from .store_folders import Queues
from .temporary import temporary_folder
from .transport import CONNECT_SECONDS, not_connected

SKEW_SECONDS = 60.0
MEND_KEY = (
    "compare it with what `shockmouse-analytics-server project keys NAME` prints there, and give that write key as"
    " --write-key or in SHOCKMOUSE_CLIENT_WRITE_KEY"
)


class Check(Struct, frozen=True):
    """What one check found; `what` is a sentence of one line."""

    name: str
    passed: bool
    what: str


class _Answer(Struct, frozen=True):
    status: int
    date: str
    body: bytes
    asked_at: float
    duration_ms: float


class _Error(Struct, frozen=True):
    code: str = ""


class _Refused(Struct, frozen=True):
    error: _Error = _Error()


def examine(
    *, endpoint: str, write_key: str, state_dir: Path, open_queues: Callable[[], Queues], silent: str
) -> Iterator[Check]:
    """Yield the outcome of each check as it is known; `silent` is why nothing is collected, empty if it is."""
    yield Check("collects", not silent, silent or "nobody refuses")
    try:
        answer = _ask(endpoint, write_key)
    except UnreachableError as exc:
        yield Check("endpoint", False, str(exc))
    else:
        yield Check("endpoint", True, f"{endpoint} answers in {answer.duration_ms:.0f} ms")
        yield _check_key(answer)
        yield _check_clock(answer)
    yield _check_folder(state_dir)
    yield _check_queue(open_queues)


def _ask(endpoint: str, write_key: str) -> _Answer:
    """Return the answer to an empty batch. Raises UnreachableError."""
    url = urlsplit(endpoint)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=CONNECT_SECONDS)
    asked_at, started = time.time(), time.perf_counter()
    try:
        connection.connect()
    except OSError as exc:
        raise UnreachableError(not_connected(endpoint, exc)) from exc
    try:
        headers = {"Authorization": f"Bearer {write_key}", "Content-Type": "application/json"}
        connection.request("POST", url.path.rstrip("/") + "/v1/events", body=b"[]", headers=headers)
        response = connection.getresponse()
        body = response.read(65536)
    except TimeoutError as exc:
        raise UnreachableError(f"{endpoint} does not answer within {CONNECT_SECONDS:g} s") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise UnreachableError(f"{endpoint} does not answer: {str(exc) or type(exc).__name__}") from exc
    finally:
        connection.close()
    duration_ms = (time.perf_counter() - started) * 1000
    return _Answer(response.status, response.headers.get("Date", ""), body, asked_at, duration_ms)


def _check_key(answer: _Answer) -> Check:
    try:
        code = msgspec.json.decode(answer.body, type=_Refused).error.code
    except msgspec.DecodeError:
        code = ""
    if answer.status == 400 and code:
        return Check("key", True, "the server knows it")
    if answer.status in (401, 403):
        return Check("key", False, f"the server refuses it ({code or answer.status}): {MEND_KEY}")
    if answer.status in (429, 503):
        return Check("key", False, f"not known: the server is busy ({answer.status}), events wait for it")
    return Check("key", False, f"no analytics server answers there: {answer.status} {code}".rstrip())


def _check_clock(answer: _Answer) -> Check:
    try:
        ahead = answer.asked_at + answer.duration_ms / 2000 - parsedate_to_datetime(answer.date).timestamp()
    except ValueError:
        return Check("clock", True, "not compared: the server tells no time")
    if abs(ahead) <= SKEW_SECONDS:
        return Check("clock", True, "as the server's, to the minute")
    return Check("clock", False, f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's")


def _check_folder(state_dir: Path) -> Check:
    probe = state_dir / f".doctor-{os.getpid()}"
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        why = (exc.strerror or str(exc)).lower()
        what = (
            f"{state_dir} cannot be written ({why}): give another as --offline-dir or in SHOCKMOUSE_CLIENT_OFFLINE_DIR"
        )
        return Check("folder", False, f"{what}; until then events wait in {temporary_folder()}")
    return Check("folder", True, f"{state_dir} can be written")


def _check_queue(open_queues: Callable[[], Queues]) -> Check:
    try:
        queues = open_queues()
        status = read_status(queues)
    except StoreError as exc:
        return Check("queue", False, f"cannot be read: {exc}")
    what = f"{told(status)}; {queues.closed}" if queues.closed else told(status)
    return Check("queue", not status.rejected and not queues.closed, what)


def read_status(queues: Queues) -> StoreStatus:
    """Return what waits in all of them, and close them. Raises StoreError."""
    status, *others = map(_read, queues.stores)
    return sum(others, status)


def _read(store: OfflineStore) -> StoreStatus:
    with contextlib.closing(store):
        return store.contents.status(store.path)


def told(status: StoreStatus) -> str:
    """Return how many events wait, in words."""
    refused = sum(status.rejected.values())
    waiting = "1 event waits" if status.events == 1 else f"{status.events} events wait"
    return waiting + (f", {refused} were refused by the server" if refused else "")
