"""What a worker answers to events, and what it stores of them: duplicates, keys, limits, privacy, full disks."""

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .worker import Worker, encode, event, running_worker

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as running:
        yield running


def answer(accepted: int, duplicates: int) -> tuple[int, dict[str, object]]:
    return 200, {"accepted": accepted, "duplicates": duplicates, "rejected": []}


def test_the_same_batch_again_is_answered_and_not_stored_again(worker: Worker) -> None:
    events = [event(), event(), event(name="")]
    batch = {"batch_id": str(uuid.uuid4()), "events": events}
    first, again = worker.post(batch), worker.post(batch)
    assert (first.status, first.content["accepted"], first.content["duplicates"]) == (200, 2, 0)
    assert (again.status, again.content["accepted"], again.content["duplicates"]) == (200, 0, 2)
    assert again.content["rejected"] == first.content["rejected"]
    assert [len(worker.rows(each["event_id"])) for each in events] == [1, 1, 0]


def test_a_batch_without_an_id_is_known_by_its_events(worker: Worker) -> None:
    once = event()
    replies = [worker.post(body) for body in (once, [once], {"events": [once]})]
    assert [(reply.status, reply.content) for reply in replies] == [answer(1, 0), answer(0, 1), answer(0, 1)]


def test_a_batch_id_with_other_events_is_refused(worker: Worker) -> None:
    batch_id = str(uuid.uuid4())
    assert worker.post({"batch_id": batch_id, "events": [event()]}).status == 200
    reply = worker.post({"batch_id": batch_id, "events": [event()]})
    assert (reply.status, reply.code) == (400, "batch_id_reused")


def test_batch_ids_count_per_project(worker: Worker) -> None:
    sent = event()
    batch = {"batch_id": str(uuid.uuid4()), "events": [sent]}
    replies = [worker.post(batch, key=key) for key in (worker.key, worker.other_key)]
    assert [(reply.status, reply.content) for reply in replies] == [answer(1, 0)] * 2
    assert [row.project for row in worker.rows(sent["event_id"])] == ["site", "other"]


def test_a_beacon_carries_its_key_in_the_address(worker: Worker) -> None:
    target = f"/v1/events?key={worker.key}"
    reply = worker.post(event(), key=None, target=target, Content_Type="text/plain;charset=UTF-8")
    assert (reply.status, reply.content) == answer(1, 0)


def test_every_page_may_send_without_credentials(worker: Worker) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    preflight = worker.ask("OPTIONS", "/v1/events", headers=asked)
    cross = {name: value for name, value in preflight.headers.items() if name.startswith("access-control")}
    assert (preflight.status, cross) == (
        204,
        {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "retry-after",
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "authorization, content-type, content-encoding",
            "access-control-max-age": "86400",
        },
    )
    replies = [worker.post(event(), Origin="https://shop.example"), worker.post(b"x", Origin="https://shop.example")]
    assert [reply.headers.get("access-control-allow-origin") for reply in replies] == ["*", "*"]
    assert [reply.headers.get("access-control-allow-credentials") for reply in replies] == [None, None]


def test_one_fingerprint_in_a_batch_names_the_system_of_all_events_of_its_device(worker: Worker) -> None:
    told = {"hash": "h", "signals": {"os": "Linux", "os_version": "6.1"}}
    own, other = {"device_id": str(uuid.uuid4())}, {"device_id": str(uuid.uuid4())}
    visitor = {"context": {"user_agent": CHROME}}
    sent = [event(**own), event(**own, fingerprint=told), event(**own, **visitor), event(**other), event()]
    assert worker.post({"events": sent}).status == 200
    rows = [worker.rows(each["event_id"])[0] for each in sent]
    systems = [("Linux", "6.1"), ("Linux", "6.1"), ("Windows", "10"), ("", ""), ("", "")]
    assert [(row.os, row.os_version) for row in rows] == systems
    assert [row.fingerprint_hash for row in rows] == ["", "h", "", "", ""]


def test_a_row_holds_what_event_batch_and_request_say(worker: Worker) -> None:
    sent = event(type="page", context={"page": {"url": "https://shop.example/a", "title": "Shoes"}})
    before = time.time()
    batch = {"library": {"name": "shockmouse-agent", "version": "1.0.0"}, "events": [sent]}
    reply = worker.post(batch, User_Agent=CHROME, X_Forwarded_For="1.1.1.1, 81.2.69.142")
    assert (reply.status, reply.content) == answer(1, 0)
    (row,) = worker.rows(sent["event_id"])
    assert before - 0.001 <= row.received_at <= time.time()
    assert (row.project, row.type, row.name, row.title, row.host, row.path) == (
        "site",
        "page",
        "Report exported",
        "Shoes",
        "shop.example",
        "/a",
    )
    assert (row.browser, row.os, row.country, row.ip, row.library_name) == (
        "Chrome",
        "Windows",
        "GB",
        "81.2.69.0",
        "shockmouse-agent",
    )
    assert (row.retention, row.rollup_retention, len(row.device_id), len(row.session_id)) == (395, 0, 32, 32)


def test_one_visitor_without_ids_stays_one_device_and_session(worker: Worker) -> None:
    def visit(address: str) -> tuple[str, str]:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = worker.store(event(timestamp=now), User_Agent=CHROME, X_Forwarded_For=address)
        return row.device_id, row.session_id

    first, same_network, other = visit("203.0.113.7"), visit("203.0.113.99"), visit("198.51.100.7")
    assert (first == same_network, first[0] == other[0], first[1] == other[1]) == (True, False, False)


REFUSALS = [{"Sec_GPC": "1"}, {"DNT": "1"}]


@pytest.mark.parametrize("header", REFUSALS, ids=["GPC", "DNT"])
def test_a_browser_that_refuses_is_strict_whatever_the_script_sent(worker: Worker, header: dict[str, str]) -> None:
    sent = event(device_id="d", session_id="s", privacy="balanced")
    batch = {"library": {"name": "shockmouse-agent", "version": "1.0.0"}, "events": [sent]}
    assert worker.post(batch, **header).status == 200
    (row,) = worker.rows(sent["event_id"])
    assert (row.privacy, row.device_id == "d", row.session_id == "s") == ("strict", False, False)


def test_an_address_is_believed_of_trusted_proxies_only(tmp_path: Path) -> None:
    with running_worker(tmp_path, trusted_proxies=("10.0.0.0/8",)) as worker:
        row = worker.store(event(), X_Forwarded_For="81.2.69.142")
        assert (row.ip, row.country) == ("127.0.0.0", "")


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("ip", ["truncate", "drop"])
def test_no_file_ever_holds_an_address(tmp_path: Path, ip: str) -> None:
    with running_worker(tmp_path, ip=ip, log_level="debug") as worker:
        assert worker.post(event(context={"ip": "81.2.69.142"})).status == 200
        assert worker.post(event(), X_Forwarded_For="81.2.69.143").status == 200
        assert worker.post(event(context={"ip": "::ffff:81.2.69.144"}), Forwarded="for=81.2.69.145").status == 200
        assert worker.post(b"x", X_Forwarded_For="81.2.69.146").status == 400
        stored = files_with(tmp_path, "81.2.69.0")
    assert files_with(tmp_path, "81.2.69.14") == []
    assert (stored != []) == (ip == "truncate")


def test_a_project_may_keep_addresses(tmp_path: Path) -> None:
    with running_worker(tmp_path, ip="keep") as worker:
        assert worker.store(event(context={"ip": "81.2.69.142"})).ip == "81.2.69.142"


def test_a_key_over_its_rate_waits_and_others_do_not(tmp_path: Path) -> None:
    with running_worker(tmp_path, rate_limit_events_per_second=10) as worker:
        assert worker.post([event() for _ in range(50)]).status == 200
        reply = worker.post(event())
        assert (reply.status, reply.code) == (429, "rate_limit")
        assert 1 <= int(reply.headers["retry-after"]) <= 4
        assert worker.post(event(), key=worker.other_key).status == 200


def test_a_full_spool_is_a_503_after_which_everything_stored_is_there(tmp_path: Path) -> None:
    with running_worker(tmp_path, spool_max_bytes=1 << 20) as worker:
        accepted = 0
        reply = worker.post([event(properties={"text": "x" * 10_000}) for _ in range(40)])
        while reply.status == 200 and accepted < 1000:
            accepted += reply.content["accepted"]
            reply = worker.post([event(properties={"text": "x" * 10_000}) for _ in range(40)])
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "spool_full", "30")
        while worker.post([event(properties={"text": "x" * 10_000})]).status == 200:
            accepted += 1
        assert worker.ask("GET", "/readyz").status == 503
        with sqlite3.connect(tmp_path / "spool.sqlite") as connection:
            assert connection.execute("select sum(rows) from pieces").fetchone() == (accepted,)
        connection.close()


def test_what_was_accepted_rejected_and_refused_is_counted(tmp_path: Path) -> None:
    with running_worker(tmp_path) as worker:
        batch = {"dropped": {"queue_full": 3, "<script>": 4}, "events": [event(), event(), event(name="")]}
        twice = event()
        for body in (batch, batch, [twice, twice], b"x"):
            worker.post(body)
        worker.post(event(), key="x")
        metrics = worker.talk(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").decode()
    counted = dict(
        line.rsplit(" ", 1) for line in metrics.splitlines() if "_total" in line and not line.startswith("#")
    )
    names = {
        "shockmouse_events_accepted_total": "3",
        "shockmouse_events_duplicate_total": "3",
        'shockmouse_events_rejected_total{code="bad_name"}': "2",
        'shockmouse_client_events_dropped_total{reason="queue_full"}': "3",
        'shockmouse_client_events_dropped_total{reason="other"}': "4",
        'shockmouse_requests_refused_total{code="bad_body"}': "1",
        'shockmouse_requests_refused_total{code="unknown_key"}': "1",
    }
    assert {name: counted.get(name) for name in names} == names


def test_many_requests_on_one_connection(worker: Worker) -> None:
    body = encode(event())
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
    request = (head + b"Content-Length: %d\r\n%b\r\n%b") % (worker.key.encode(), len(body), b"%b", body)
    answers = worker.talk(*[request % b""] * 20, request % b"Connection: close\r\n")
    assert answers.count(b"HTTP/1.1 200") == 21
    assert json.loads(answers.rsplit(b"\r\n\r\n", 1)[1]) == {"accepted": 0, "duplicates": 1, "rejected": []}
