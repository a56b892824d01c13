"""`serve`: first start, restarts of its processes, locks and ends."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import stat
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from tests.tries import least

from .serving import Server, command, environment, is_alive, serving, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Server]:
    with serving(data_dir, "--workers", "2", migrates=True) as running:
        yield running


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, str]:
    return server.keys


def event() -> dict[str, str]:
    return {
        "event_id": str(uuid.uuid4()),
        "type": "page",
        "name": "Home",
        "timestamp": datetime.now(UTC).isoformat(),
    }


def send(server: Server, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    return server.ask("POST", "/v1/events", json.dumps(event()).encode(), **headers).status


def count(server: Server, key: str) -> int:
    answer = server.ask("GET", "/api/v1/stats", Authorization=f"Bearer {key}")
    return int(answer.json()["events"]) if answer.status == 200 else -1


def test_the_first_start_prints_keys_a_link_and_where_it_listens(server: Server) -> None:
    said = [line.split()[0] for line in server.printed]
    assert said == ["project", "write", "read", "admin", "dashboard", "listening"]
    assert [key[:11] for key in (line.split()[2] for line in server.printed[1:4])] == [
        "wk_default_",
        "rk_default_",
        "ak_default_",
    ]
    assert server.printed[4].split()[1].startswith(f"http://127.0.0.1:{server.port}/sign-in?token=")


def test_an_event_is_in_the_answers_two_seconds_later(server: Server, keys: dict[str, str]) -> None:
    before = count(server, keys["read"])
    assert send(server, keys["write"]) == 200
    wait_until(lambda: count(server, keys["read"]) == before + 1, 5, "the event is counted")


@pytest.mark.parametrize("role", ["engine", "loader", "http"])
def test_a_killed_process_is_started_again_and_ingestion_goes_on(
    server: Server, keys: dict[str, str], role: str
) -> None:
    before = count(server, keys["read"])
    killed = server.children(role)[0]
    killed.kill()
    assert [send(server, keys["write"]) for _ in range(5)] == [200] * 5
    wait_until(lambda: killed not in server.children(role), 5, "the killed one is gone")
    wait_until(lambda: len(server.children(role)) == (2 if role == "http" else 1), 15, f"{role} is back")
    wait_until(lambda: count(server, keys["read"]) == before + 5, 20, "everything is counted")


def test_commands_work_beside_it_and_new_keys_on_every_worker_at_once(server: Server, data_dir: Path) -> None:
    for number in range(3):
        made = command(data_dir, "project", "create", f"p{number}", "--json").json()
        assert [send(server, made["write_key"]) for _ in range(8)] == [200] * 8


def test_a_revoked_key_ends_on_every_worker(server: Server, data_dir: Path) -> None:
    made = command(data_dir, "project", "create", "revoked", "--json").json()
    assert send(server, made["write_key"]) == 200
    command(data_dir, "project", "delete", "revoked", "--yes")
    wait_until(lambda: send(server, made["write_key"]) == 401, 10, "one worker refuses")
    time.sleep(1.2)  # a worker looks once a second
    assert [send(server, made["write_key"]) for _ in range(12)] == [401] * 12


def test_everything_in_the_data_folder_is_its_owners_alone(server: Server, data_dir: Path) -> None:
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    files = [path for path in data_dir.iterdir() if path.is_file() or path.is_socket()]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files if path.stat().st_mode & 0o077} == {}


def test_no_key_stands_in_any_process_s_arguments(server: Server) -> None:
    supervisor = psutil.Process(server.process.pid)
    words = [word for process in (supervisor, *supervisor.children()) for word in process.cmdline()]
    assert [word for word in words if word.startswith(("wk_", "rk_", "ak_"))] == []


def test_another_serve_on_the_folder_waits_and_then_refuses(server: Server, data_dir: Path) -> None:
    started = time.monotonic()
    refused = command(data_dir, "serve", "--port", "0")
    assert (refused.code, refused.out) == (1, "")
    told = [line for line in refused.err.splitlines() if re.search("another process.* uses this data folder", line)]
    assert (len(told), "waiting 10 s" in told[0], "stop it" in told[-1]) == (2, True, True), refused.err
    assert 9 < time.monotonic() - started < 30


def test_metrics_are_summed_over_the_workers(server: Server, keys: dict[str, str]) -> None:
    def accepted() -> int:
        lines = server.ask("GET", "/metrics").body.decode().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("shockmouse_events_accepted_total ")))

    before = accepted()
    assert [send(server, keys["write"]) for _ in range(10)] == [200] * 10
    wait_until(lambda: accepted() == before + 10, 5, "both workers' events are counted")


def test_sigterm_ends_all_within_ten_seconds(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as running:
        children = psutil.Process(running.process.pid).children()
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 10
        assert (len(children), [child for child in children if is_alive(child)]) == (3, [])


def test_a_loader_that_is_slow_to_end_is_given_the_time_that_http_has(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as running:
        (loader,) = running.children("loader")
        loader.suspend()
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        time.sleep(3)
        assert is_alive(loader)
        loader.resume()
        assert running.process.wait(10) == 0
        assert time.monotonic() - started < 10


def test_a_request_that_never_comes_whole_holds_up_no_end(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as running:
        head = f"POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {running.printed[1].split()[2]}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
        with socket.create_connection(("127.0.0.1", running.port)) as open_request:
            open_request.sendall(head.encode())
            wait_until(lambda: running.ask("GET", "/healthz").status == 200, 5, "the worker has read the head")
            started = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - started < 10


@pytest.mark.alone
def test_children_end_with_a_killed_supervisor_even_stopped_ones(tmp_path: Path) -> None:
    def seconds() -> float:
        with serving(tmp_path / "data") as running:
            children = psutil.Process(running.process.pid).children()
            children[0].send_signal(signal.SIGSTOP)
            started = time.monotonic()
            running.process.kill()
            if sys.platform != "linux":
                children[0].send_signal(signal.SIGCONT)
            wait_until(lambda: not any(map(is_alive, children)), 10, "the children have ended")
            return time.monotonic() - started

    assert least(seconds, 2) < 2
    started = time.monotonic()
    with serving(tmp_path / "data") as running:
        assert time.monotonic() - started < 15
        assert [line.split()[0] for line in running.printed] == ["listening"]


def test_with_clickhouse_away_a_known_folder_accepts_events_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as running:
        write_key = running.printed[1].split()[2]
        running.stop()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        address = nobody.getsockname()[1]
    with serving(tmp_path / "data", clickhouse_url=f"http://127.0.0.1:{address}") as running:
        assert send(running, write_key) == 200
        assert running.ask("GET", "/readyz").status == 200
        answer = running.ask("GET", "/api/v1/stats", Authorization="Bearer " + write_key.replace("wk_", "rk_"))
        assert answer.status == 401
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "spool.sqlite")) as spool:
        assert spool.execute("select rows from waiting").fetchone() == (1,)


def test_an_address_without_clickhouse_is_told_at_once_and_with_its_setting(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    refused = command(tmp_path / "data", "serve", "--port", "0", clickhouse_url=f"http://{address}")
    at_once, at_the_end = refused.err.splitlines()
    reason = f"cannot connect to {address}: connection refused"
    assert at_once.endswith(f"waiting for ClickHouse at http://{address}: {reason}")
    assert at_the_end.startswith(f"shockmouse-analytics-server: {reason}; is SHOCKMOUSE_CLICKHOUSE_URL")
    assert refused.code == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = command(tmp_path / "data", "serve", port=str(taken.getsockname()[1]))
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "cannot listen on 127.0.0.1:" in refused.err


def test_a_geoip_database_that_is_none_ends_serve_before_it_starts(tmp_path: Path) -> None:
    wrong = tmp_path / "places.mmdb"
    wrong.write_text("no database")
    refused = command(tmp_path / "data", "serve", port="0", geoip_database=str(wrong))
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert f"GEOIP_DATABASE: {wrong} cannot be read" in refused.err
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "spool.sqlite").touch()
    looked = command(tmp_path / "data", "doctor", "--json", geoip_database=str(wrong)).json()
    assert [one["advice"] for one in looked if "GEOIP_DATABASE" in one["about"]] == [
        "name a file in MMDB format with GEOIP_DATABASE, or none"
    ]


def test_without_any_clickhouse_both_ways_out_are_named(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'chdb' else find(name, *rest)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    os_environ = os.environ | {"PYTHONPATH": path}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool.sqlite").touch()

    def run(*words: str) -> "psutil.subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "shockmouse_analytics_server", *words, "--data-dir", str(tmp_path / "data")]
        return psutil.subprocess.run(line, env=os_environ, capture_output=True, text=True, timeout=120, check=False)

    found = json.loads(run("doctor", "--json").stdout)
    advice = [one["advice"] for one in found if one["about"] == "there is no ClickHouse"]
    assert ["[embedded]" in line and "SHOCKMOUSE_CLICKHOUSE_URL" in line for line in advice] == [True]
    done = run("serve")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "[embedded]" in done.stderr
    assert "SHOCKMOUSE_CLICKHOUSE_URL" in done.stderr


def with_engine(folder: Path, text: str) -> dict[str, str]:
    """Return an environment in which the engine's library is this text."""
    (folder / "chdb" / "state").mkdir(parents=True)
    (folder / "chdb" / "__init__.py").touch()
    (folder / "chdb" / "state" / "__init__.py").touch()
    (folder / "chdb" / "state" / "sqlitelike.py").write_text(text)
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def test_an_engine_that_cannot_be_loaded_ends_serve_and_commands_with_its_cause(tmp_path: Path) -> None:
    broken = with_engine(tmp_path, "raise RuntimeError('made for\\nanother processor')\n")
    cause = "RuntimeError: made for another processor at sqlitelike.py:1 < embedded.py:"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spool.sqlite").touch()
    for words in (["serve", "--port", "0"], ["project", "list"]):
        line = [sys.executable, "-m", "shockmouse_analytics_server", *words, "--data-dir", str(tmp_path / "data")]
        done = psutil.subprocess.run(
            line, env=os.environ | broken, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        *log, last = done.stderr.splitlines()
        told = f"shockmouse-analytics-server: the embedded engine cannot be loaded: {cause}"
        assert (last[: len(told)], "SHOCKMOUSE_CLICKHOUSE_URL" in last) == (told, True)
        assert [cause in each for each in log if "ended with code" in each] == [True, False][
            : 2 * (words[0] == "serve")
        ]


def test_an_engine_that_fails_for_another_reason_is_told_once_and_tried_again(tmp_path: Path) -> None:
    failing = with_engine(tmp_path, "def connect(path):\n    raise MemoryError('no room')\n")
    line = [sys.executable, "-m", "shockmouse_analytics_server", "serve", "--port", "0"]
    environ = environment(data_dir=str(tmp_path / "data")) | failing
    with (tmp_path / "log").open("w") as log, psutil.Popen(line, env=environ, stderr=log) as process:
        try:
            wait_until(lambda: (tmp_path / "log").read_text().count("engine ended") == 4, 60, "it was tried four times")
        finally:
            process.terminate()
    ends = [line for line in (tmp_path / "log").read_text().splitlines() if "engine ended" in line]
    assert ["MemoryError: no room at sqlitelike.py:2 <" in line for line in ends] == [True, *[False] * (len(ends) - 1)]


DAMAGES = {
    "random bytes over the header": lambda body: bytes(random.Random(7).randbytes(100)) + body[100:],
    "cut in its pages": lambda body: body[: len(body) // 2],
    "cut in its header": lambda body: body[:50],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_counters_stop_neither_ingestion_nor_questions(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "data"
    path = folder / "counters.sqlite"
    with serving(folder) as server:
        key, read_key = (server.printed[number].split()[2] for number in (1, 2))
        assert send(server, key) == 200
        assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    looked = command(folder, "doctor")
    assert (looked.code, "sets the file aside" in looked.out) == (1, True)
    with serving(folder) as server:
        assert send(server, key) == 200
        wait_until(lambda: count(server, read_key) == 2, 20, "both events are counted")
        assert b"\nshockmouse_events_accepted_total 1\n" in server.ask("GET", "/metrics").body
        assert len(server.children("http")) == 1
    assert (folder / "counters.sqlite.damaged").exists()


def test_a_damaged_mirror_of_projects_comes_back_from_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    path = folder / "directory.sqlite"
    with serving(folder) as server:
        key = server.printed[1].split()[2]
        assert server.stop() == 0
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    listed = command(folder, "project", "list")
    assert (listed.code, listed.out, listed.err.count("\n")) == (1, "", 1)
    assert "serve begins it anew" in listed.err
    with serving(folder) as server:
        assert [line.split()[0] for line in server.printed] == ["listening"]
        assert send(server, key) == 200
    assert (folder / "directory.sqlite.damaged").exists()
