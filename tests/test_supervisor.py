"""The supervisor's end: nothing is left behind, open requests are answered, the next start is quick."""

import json
import signal
import socket
import time
import uuid

import pytest

from tests.oracle import Report, Tally, settle
from tests.sender import Sender, plain_event
from tests.server_process import Server, wait_until
from tests.tries import least


@pytest.mark.alone
def test_killing_only_the_supervisor_leaves_nothing_and_the_next_start_serves(server: Server, report: Report) -> None:
    with Sender(server.port, server.keys.write_key) as sender:
        sender.run_for(1)
        server.signal(signal.SIGKILL, "supervisor")
        gone = wait_until(lambda: not server.alive(), 5, "every process of the old start has ended")
        ready = server.start(seconds=15)
        sender.run_for(0.5)
        sender.finish()
        tally = settle(server, sender.acknowledged)
    report(f"supervisor killed: others gone after {gone:.1f} s, next start ready after {ready:.1f} s, {tally.line()}")
    assert tally == Tally.perfect(tally.acknowledged)


@pytest.mark.alone
def test_the_next_start_may_come_while_the_old_processes_still_end(server: Server) -> None:
    server.signal(signal.SIGKILL, "supervisor")
    assert server.start(seconds=15) < 15
    assert server.request("GET", "/readyz").status == 200


@pytest.mark.alone
def test_a_second_start_is_ready_within_five_seconds(server: Server, report: Report) -> None:
    def seconds() -> float:
        server.stop()
        return server.start()

    ready = least(seconds, 5)
    report(f"second start ready after {ready:.1f} s")
    assert ready < 5
    assert server.request("GET", "/readyz").status == 200


def test_sigterm_answers_the_open_request_and_ends_within_ten_seconds(server: Server, report: Report) -> None:
    event = plain_event(str(uuid.uuid4()))
    body = json.dumps(event).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.keys.write_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + body[:40])
        time.sleep(0.3)  # the head must have reached the worker before the signal does
        asked = time.monotonic()
        server.terminate()
        time.sleep(0.3)  # and the signal the worker before the rest of the body
        connection.sendall(body[40:])
        answer = connection.recv(65536)
        code = server.wait()
    ended = time.monotonic() - asked
    report(f"SIGTERM: ended after {ended:.1f} s")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (code, server.alive()) == (0, [])
    assert ended < 10
    server.start()
    assert settle(server, [event["event_id"]]) == Tally.perfect(1)


def test_sigterm_under_load_loses_nothing(server: Server, report: Report) -> None:
    with Sender(server.port, server.keys.write_key) as sender:
        sender.run_for(1)
        assert server.stop() < 10
        assert server.alive() == []
        server.start()
        sender.finish()
        tally = settle(server, sender.acknowledged)
    report(f"SIGTERM under load: {tally.line()}")
    assert tally == Tally.perfect(tally.acknowledged)
