"""Administration over HTTP: what an admin key may do to its own project, and that it reaches no other."""

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics_server import audit
from shockmouse_analytics_server.clickhouse import open_database
from shockmouse_analytics_server.engine_socket import socket_of

from .serving import Reply, Server, command, serving, wait_until

pytestmark = pytest.mark.engine

ADDRESSES = [
    ("GET", "/projects/{}/keys", None),
    ("POST", "/projects/{}/keys", {"rotate": "write"}),
    ("POST", "/projects/{}/set", {"timezone": "Europe/Paris"}),
    ("POST", "/projects/{}/link", {}),
    ("POST", "/projects/{}/delete", {"yes": True}),
]
SETTINGS = {"retention_days": 395, "rollup_retention_days": 0, "ip": "truncate", "timezone": "UTC"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("admin") / "data"


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Server]:
    with serving(data_dir, "--workers", "2") as running:
        yield running


@pytest.fixture(scope="module")
def first(server: Server) -> str:
    """The admin key that the first start has printed."""
    return next(line.split()[2] for line in server.printed if "admin key" in line)


@pytest.fixture(scope="module")
def shop(data_dir: Path, server: Server) -> dict[str, str]:
    return dict(command(data_dir, "project", "create", "shop", "--json").json())


@pytest.fixture(scope="module")
def rival(data_dir: Path, server: Server) -> dict[str, str]:
    return dict(command(data_dir, "project", "create", "rival", "--json").json())


def ask(server: Server, key: str, method: str, path: str, body: Any = None) -> Reply:
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return server.ask(method, f"/api/v1{path}", content, Authorization=f"Bearer {key}")


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["error"]["code"]


def send(server: Server, key: str) -> int:
    event = {"event_id": "0190a2b4-6d5c-7f00-8000-2b1c5d9e7a10", "type": "page", "timestamp": "2026-11-22T10:00:00Z"}
    headers = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    return server.ask("POST", "/v1/events", json.dumps(event).encode(), **headers).status


def test_a_key_lists_its_own_project_alone(server: Server, shop: dict[str, str], rival: dict[str, str]) -> None:
    listed = ask(server, shop["admin_key"], "GET", "/projects").json()
    assert listed == {"rows": [{"project": "shop", **SETTINGS}], "next": None, "exact": True}


@pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
@pytest.mark.parametrize("other", ["rival", "default", "nobody", "SHOP", "shop%00"])
def test_no_other_project_is_reached(
    server: Server, shop: dict[str, str], rival: dict[str, str], method: str, path: str, body: Any, other: str
) -> None:
    answered = ask(server, shop["admin_key"], method, path.format(other), body)
    assert refusal(answered) == ((400, "bad_path") if "%" in other else (404, "not_found"))
    untouched = ask(server, rival["admin_key"], "GET", "/projects").json()["rows"]
    keys = ask(server, rival["admin_key"], "GET", "/projects/rival/keys").json()["keys"]
    assert (untouched, len(keys)) == ([{"project": "rival", **SETTINGS}], 3)


@pytest.mark.parametrize(
    ("method", "path", "body"), [("GET", "/projects", None), ("POST", "/projects", {"name": "x"}), *ADDRESSES]
)
def test_only_an_admin_key_opens_them(server: Server, shop: dict[str, str], method: str, path: str, body: Any) -> None:
    path = path.format("shop")
    answered = [refusal(ask(server, shop[kind], method, path, body)) for kind in ("read_key", "write_key")]
    assert answered == [(403, "wrong_key")] * 2
    for key in ("", "ak_shop_" + "x" * 32, shop["admin_key"][:-1]):
        assert refusal(ask(server, key, method, path, body)) == (401, "unknown_key" if key else "no_key")
    asked = ask(server, shop["admin_key"], method, path + "?project=rival", body)
    assert refusal(asked) == (400, "unknown_parameter")


def test_only_the_first_projects_key_creates_others(server: Server, first: str, shop: dict[str, str]) -> None:
    assert refusal(ask(server, shop["admin_key"], "POST", "/projects", {"name": "mine"})) == (403, "wrong_project")
    made = ask(server, first, "POST", "/projects", {"name": "made"})
    assert (made.status, made.headers["cache-control"]) == (201, "no-store")
    assert set(made.json()) == {"project", "write_key", "read_key", "admin_key"}
    assert [send(server, made.json()["write_key"]) for _ in range(8)] == [200] * 8
    listed = ask(server, made.json()["admin_key"], "GET", "/projects").json()["rows"]
    assert listed == [{"project": "made", **SETTINGS}]
    assert refusal(ask(server, first, "POST", "/projects", {"name": "made"})) == (409, "name_taken")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", {"name": ""}, {"name": "A"}, {"name": 1}, {"name": "a", "x": 1}]
)
def test_a_body_that_is_not_understood_makes_nothing(server: Server, first: str, body: Any) -> None:
    assert refusal(ask(server, first, "POST", "/projects", body)) == (400, "bad_body")


def test_a_body_that_is_too_large_is_refused(server: Server, first: str) -> None:
    assert refusal(ask(server, first, "POST", "/projects", b" " * 5000)) == (413, "too_large")


def test_keys_are_shown_as_the_command_shows_them(server: Server, data_dir: Path, shop: dict[str, str]) -> None:
    shown = ask(server, shop["admin_key"], "GET", "/projects/shop/keys").json()
    told = command(data_dir, "project", "keys", "shop", "--json").json()
    assert shown == {"project": "shop", "keys": told["keys"]}
    assert shop["read_key"] not in json.dumps(shown)


def test_settings_change_for_command_and_worker_alike(server: Server, data_dir: Path, rival: dict[str, str]) -> None:
    key = rival["admin_key"]
    tried = ask(server, key, "POST", "/projects/rival/set", {"ip": "drop", "dry_run": True}).json()
    before, after = {"project": "rival", **SETTINGS}, {"project": "rival", **SETTINGS, "ip": "drop"}
    assert tried == {"project": "rival", "before": before, "after": after, "dry_run": True, "rows_going": []}
    assert ask(server, key, "GET", "/projects").json()["rows"] == [before]
    assert ask(server, key, "POST", "/projects/rival/set", {"ip": "drop"}).json()["after"] == after
    assert after in command(data_dir, "project", "list", "--json").json()
    assert ask(server, key, "POST", "/projects/rival/set", SETTINGS).json()["after"] == before


@pytest.mark.parametrize(
    "body",
    [{}, {"ip": "hash"}, {"timezone": "Mars/Olympus"}, {"retention_days": -1}, {"retention_days": 1.5}, {"name": "x"}],
)
def test_a_setting_that_does_not_fit_is_named(server: Server, shop: dict[str, str], body: Any) -> None:
    answered = ask(server, shop["admin_key"], "POST", "/projects/shop/set", body)
    assert refusal(answered) == (400, "bad_body")
    named = next(iter(body.values()), "nothing to set")
    assert str(named) in answered.body.decode() or "$.retention_days" in answered.body.decode() or body == {"name": "x"}


def test_a_link_signs_in_once_where_serve_listens(server: Server, shop: dict[str, str]) -> None:
    made = ask(server, shop["admin_key"], "POST", "/projects/shop/link").json()
    assert made["link"] == f"http://127.0.0.1:{server.port}{made['path']}"
    assert re.fullmatch(r"/sign-in\?token=[\w-]{32}", made["path"])
    assert [server.ask("GET", made["path"]).status for _ in range(2)] == [200, 410]


def test_two_keys_work_while_rotating_and_the_oldest_ends_on_every_worker(server: Server, first: str) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "turning"}).json()
    keys, admin = [made["write_key"]], made["admin_key"]
    for _ in range(2):
        rotated = ask(server, admin, "POST", "/projects/turning/keys", {"rotate": "write"}).json()
        keys.append(rotated["new_key"])
        assert [row["key"] for row in rotated["keys"] if row["kind"] == "write"] == keys[:-3:-1]
        assert [send(server, keys[-1]) for _ in range(8)] == [200] * 8
    wait_until(lambda: [send(server, keys[0]) for _ in range(8)] == [401] * 8, 30, "both workers refuse the oldest")
    assert [send(server, keys[1]) for _ in range(8)] == [200] * 8


def at_once(number: int, call: Callable[[int], Reply]) -> list[Reply]:
    """Return the answers of calls that begin together."""
    begin = threading.Barrier(number)

    def one(index: int) -> Reply:
        begin.wait(30)
        return call(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def test_one_of_many_that_ask_for_a_name_at_once_gets_it(server: Server, data_dir: Path, first: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        typed = pool.submit(command, data_dir, "project", "create", "wanted", "--json")
        replies = at_once(8, lambda _: ask(server, first, "POST", "/projects", {"name": "wanted"}))
        made = [reply.json() for reply in replies if reply.status == 201]
        others = [refusal(reply) for reply in replies if reply.status != 201]
        made += [typed.result().json()] if typed.result().code == 0 else []
    assert (len(made), set(others)) == (1, {(409, "name_taken")})
    shown = ask(server, made[0]["admin_key"], "GET", "/projects/wanted/keys").json()["keys"]
    assert sorted(row["kind"] for row in shown) == ["admin", "read", "write"]


def test_rotations_at_once_leave_two_keys(server: Server, first: str) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "busy"}).json()
    rotated = at_once(8, lambda _: ask(server, made["admin_key"], "POST", "/projects/busy/keys", {"rotate": "read"}))
    assert [reply.status for reply in rotated] == [200] * 8
    shown = ask(server, made["admin_key"], "GET", "/projects/busy/keys").json()["keys"]
    active = {row["key"].rstrip("…") for row in shown if row["kind"] == "read"}
    tokens = [made["read_key"], *(reply.json()["new_key"] for reply in rotated)]
    assert len(active) == 2
    wait_until(lambda: len(working(server, tokens)) == 2, 30, "the workers refuse the others")
    assert {token[:14] for token in working(server, tokens)} == active


def test_settings_changed_at_once_are_all_kept(server: Server, first: str) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "tuned"}).json()
    wanted: list[dict[str, object]] = [{"timezone": "Europe/Paris"}, {"ip": "drop"}, {"retention_days": 30}]
    changed = at_once(3, lambda index: ask(server, made["admin_key"], "POST", "/projects/tuned/set", wanted[index]))
    assert [reply.status for reply in changed] == [200] * 3
    (row,) = ask(server, made["admin_key"], "GET", "/projects").json()["rows"]
    assert {**row, **wanted[0], **wanted[1], **wanted[2]} == row


def working(server: Server, keys: list[str]) -> list[str]:
    """Return the read keys that may ask."""
    answers = {key: ask(server, key, "GET", "/stats?range=today").status for key in keys}
    return [key for key, status in answers.items() if status != 401]


def test_an_admin_key_rotated_twice_ends_itself(server: Server, first: str) -> None:
    oldest = ask(server, first, "POST", "/projects", {"name": "leaked"}).json()["admin_key"]
    newer = ask(server, oldest, "POST", "/projects/leaked/keys", {"rotate": "admin"}).json()["new_key"]
    assert ask(server, newer, "POST", "/projects/leaked/keys", {"rotate": "admin"}).status == 200
    time.sleep(1.2)  # a worker looks once a second
    assert {ask(server, oldest, "GET", "/projects").status for _ in range(8)} == {401}


def test_a_deleted_project_ends_with_its_keys(server: Server, first: str) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "ended"}).json()
    for body in ({}, {"yes": False}, {"yes": "yes"}):
        assert refusal(ask(server, made["admin_key"], "POST", "/projects/ended/delete", body)) == (400, "bad_body")
    assert send(server, made["write_key"]) == 200
    gone = ask(server, made["admin_key"], "POST", "/projects/ended/delete", {"yes": True})
    assert (gone.status, gone.json()) == (200, {"project": "ended", "deleted": True})
    time.sleep(1.2)
    assert {ask(server, made["admin_key"], "GET", "/projects").status for _ in range(8)} == {401}
    assert {send(server, made["write_key"]) for _ in range(8)} == {401}
    assert refusal(ask(server, first, "POST", "/projects", {"name": "ended"})) == (409, "name_taken")


def relay(socket_path: Path, listener: socket.socket) -> None:
    """Carry each connection's bytes to the engine's socket and back, until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(socket_path))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=carry, args=(source, target), daemon=True).start()


def carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)  # ends the other direction, too
    source.close()


def test_a_key_revoked_on_one_node_ends_on_another_that_shares_the_database(
    server: Server, data_dir: Path, first: str, tmp_path: Path
) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "spread"}).json()
    oldest, admin = made["write_key"], made["admin_key"]
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener, contextlib.ExitStack() as stack:
        threading.Thread(target=relay, args=(socket_of(data_dir), listener), daemon=True).start()
        stack.callback(listener.shutdown, socket.SHUT_RDWR)  # wakes who accepts
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with serving(tmp_path / "node", "--workers", "2", clickhouse_url=address) as other:
            assert [send(other, oldest) for _ in range(4)] == [200] * 4
            for _ in range(2):
                newest = ask(server, admin, "POST", "/projects/spread/keys", {"rotate": "write"}).json()["new_key"]
            revoked_at = time.monotonic()
            wait_until(lambda: [send(other, oldest) for _ in range(4)] == [401] * 4, 30, "the other node refuses")
            assert time.monotonic() - revoked_at < 30
            assert [send(other, newest) for _ in range(4)] == [200] * 4


def test_the_audit_log_says_who_changed_which_key(server: Server, data_dir: Path, first: str) -> None:
    made = ask(server, first, "POST", "/projects", {"name": "watched"}).json()
    prefixes = [made[f"{kind}_key"][:-26] for kind in ("write", "read", "admin")]
    rotated = ask(server, made["admin_key"], "POST", "/projects/watched/keys", {"rotate": "read"}).json()
    assert command(data_dir, "project", "set", "watched", "--ip", "drop").code == 0
    ask(server, made["admin_key"], "POST", "/projects/watched/delete", {"yes": True})

    async def read() -> list[audit.Entry]:
        async with open_database(data_dir=data_dir, clickhouse_url=None) as database:
            return await audit.entries(database, "watched")

    written = asyncio.run(read())
    assert [(entry.who, entry.action) for entry in written] == [
        (first[:-26], "create"),
        (prefixes[2], "rotate"),
        ("command", "set"),
        (prefixes[2], "delete"),
    ]
    new = rotated["new_key"][:-26]
    assert [entry.detail for entry in written[:3]] == [
        {"keys": prefixes},
        {"key": new, "revoked": []},
        {"ip": ["truncate", "drop"]},
    ]
    assert sorted(written[3].detail["revoked"]) == sorted([*prefixes, new])
