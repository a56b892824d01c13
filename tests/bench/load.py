"""A load generator in its own process: ready-made requests over a few kept connections, one select loop, no parsing.

python -m tests.bench.load PORT CONNECTIONS PER_SECOND FILE

FILE holds the requests, each behind its length (4 bytes, big-endian). PER_SECOND 0 sends as fast as answers come.
Prints one JSON object: requests, seconds, answers by status, and the p50 and p99 of the answers' times in ms.
"""

import json
import re
import selectors
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
LIMIT_SECONDS = 120.0


class Loaded(NamedTuple):
    """What one run of the generator measured."""

    requests: int
    seconds: float
    answers: dict[str, int]
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write the file that the generator reads."""
    with path.open("wb") as file:
        file.writelines(struct.pack(">I", len(request)) + request for request in requests)


def read_requests(path: Path) -> Iterator[bytes]:
    """Yield the requests in order."""
    content, offset = path.read_bytes(), 0
    while offset < len(content):
        (length,) = struct.unpack_from(">I", content, offset)
        yield content[offset + 4 : offset + 4 + length]
        offset += 4 + length


class Connection:
    """One kept connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self._sent_at = 0.0

    def send(self, request: bytes) -> None:
        self._answer, self._sent_at = b"", time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[str, float] | None:
        """Return status and seconds of the answer once all of it is there."""
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError("the server closed a kept connection")
        self._answer += received
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return None
        return head[9:12].decode(), time.perf_counter() - self._sent_at


def run(port: int, connections: int, per_second: float, requests: Iterable[bytes]) -> Loaded:
    """Send every request once; return when all are answered or the time limit is reached."""
    waiting = deque(requests)
    idle = deque(Connection(port) for _ in range(min(connections, len(waiting))))
    answers: Counter[str] = Counter()
    times: list[float] = []
    sent = 0
    with selectors.DefaultSelector() as selector:
        for connection in idle:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        started = time.perf_counter()
        while (waiting or len(times) < sent) and time.perf_counter() - started < LIMIT_SECONDS:
            elapsed = time.perf_counter() - started
            while waiting and idle and (per_second == 0 or sent <= elapsed * per_second):
                idle.popleft().send(waiting.popleft())
                sent += 1
            pause = max(0.0, sent / per_second - elapsed) if per_second and waiting and idle else 1.0
            for key, _ in selector.select(pause):
                answer = key.data.receive()
                if answer is not None:
                    answers[answer[0]] += 1
                    times.append(answer[1] * 1000)
                    idle.append(key.data)
        seconds = time.perf_counter() - started
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    cuts = quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return Loaded(len(times), seconds, dict(answers), round(cuts[49], 2), round(cuts[98], 2))


if __name__ == "__main__":
    loaded = run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), read_requests(Path(sys.argv[4])))
    print(json.dumps(loaded._asdict()))
