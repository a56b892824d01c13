"""Privacy as who is asked for it sees it: a real `serve`, its commands and its routes, on one data folder."""

import datetime as dt
import hashlib
import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shockmouse_analytics_server.erasure_journal import unfinished
from shockmouse_analytics_server.folder import directory_path

from .serving import PROGRAM, Server, command, environment, serving, wait_until

pytestmark = pytest.mark.engine


class Site(NamedTuple):
    """A server, its data folder and the keys of its project."""

    server: Server
    data_dir: Path
    keys: dict[str, str]

    def send(self, *events: dict[str, Any]) -> Any:
        body = json.dumps({"events": [event(**members) for members in events]}).encode()
        key = f"Bearer {self.keys['write']}"
        return self.server.ask("POST", "/v1/events", body, Authorization=key, Content_Type="application/json").json()

    def ask(self, method: str, path: str, body: object = None, *, key: str = "admin") -> Any:
        raw = None if body is None else json.dumps(body).encode()
        return self.server.ask(method, path, raw, Authorization=f"Bearer {self.keys[key]}")

    def events(self, ending: str) -> int:
        """Return how many events the answers count of devices whose ids end so."""
        rows = self.ask("GET", "/api/v1/devices?limit=1000", key="read").json()["rows"]
        return sum(int(row["events"]) for row in rows if row["device_id"].endswith(ending))


def event(**members: Any) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).isoformat()
    return {"event_id": str(uuid.uuid4()), "type": "page", "timestamp": now, **members}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("privacy") / "data"
    with serving(data_dir) as server:
        made = json.loads(command(data_dir, "project", "create", "rival", "--json").out)
        yield Site(server, data_dir, {**server.keys, "rival": made["admin_key"]})


def test_a_user_is_erased_over_http_while_the_server_answers(site: Site) -> None:
    site.send({"user_id": "anna-http", "device_id": "phone-http"}, {"device_id": "other-http"})
    wait_until(lambda: site.events("-http") == 2, 20, "both events are counted")
    reply = site.ask("POST", "/api/v1/privacy/erase", {"user_id": "anna-http"})
    assert reply.status == 200
    receipt = reply.json()
    assert receipt["subject"] == {"project": "default", "user_id": "anna-http"}
    lines = {line["name"]: (line["rows_before"], line["rows_removed"], line["rows_left"]) for line in receipt["tables"]}
    assert lines["events"] == lines["sessions"] == lines["devices"] == (1, 1, 0)
    assert site.events("-http") == 1
    (entry,) = [row for row in site.ask("GET", "/api/v1/privacy/audit").json()["rows"] if row["action"] == "erase"]
    assert entry["who"] == site.keys["admin"][: len(entry["who"])]
    assert "anna-http" not in json.dumps(entry)
    assert entry["detail"]["subject"].startswith("user ")
    progress = site.ask("GET", f"/api/v1/privacy/erasures/{entry['detail']['erasure']}")
    assert (progress.status, progress.json()["state"]) == (200, "finished")


def test_an_erasure_while_clickhouse_is_away_is_taken_and_done_later(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        (engine,) = server.children("engine")
        engine.kill()
        engine.wait(10)
        headers = {"Authorization": f"Bearer {server.keys['admin']}"}
        reply = server.ask("POST", "/api/v1/privacy/erase", b'{"user_id": "anna-away"}', **headers)
        assert (reply.status, reply.json()["state"]) == (202, "running")
        assert reply.headers["location"] == reply.json()["progress"]

        def is_finished() -> bool:
            told = server.ask("GET", reply.json()["progress"], **headers)
            return told.status == 200 and told.json()["state"] == "finished"

        wait_until(is_finished, 60, "the erasure is finished once ClickHouse is back")


def test_late_events_are_dropped_and_counted(site: Site) -> None:
    late = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).isoformat()
    site.send({"user_id": "anna-late", "device_id": "phone-late"})
    assert site.ask("POST", "/api/v1/privacy/erase", {"user_id": "anna-late"}).status == 200
    answer = site.send({"user_id": "anna-late", "timestamp": late}, {"device_id": "phone-late", "timestamp": late})
    assert answer == {"accepted": 0, "duplicates": 0, "rejected": []}
    alias = {"type": "alias", "user_id": "anna-new", "properties": {"previous_id": "anna-late"}, "timestamp": late}
    assert site.send(alias)["accepted"] == 0
    assert site.send({"user_id": "anna-late"})["accepted"] == 1  # what a person does afterwards is new
    metrics = site.server.ask("GET", "/metrics").body.decode()
    assert 'shockmouse_events_dropped_total{reason="erased"} 3' in metrics


def test_only_an_admin_key_opens_the_routes_and_only_its_own_project(site: Site) -> None:
    site.send({"user_id": "anna-keys", "device_id": "phone-keys"})
    for key in ("read", "write"):
        assert site.ask("POST", "/api/v1/privacy/erase", {"user_id": "anna-keys"}, key=key).status == 403
        assert site.ask("GET", "/api/v1/privacy/export?user_id=anna-keys", key=key).status == 403
        assert site.ask("GET", "/api/v1/privacy/audit", key=key).status == 403
    reply = site.ask("POST", "/api/v1/privacy/erase", {"user_id": "anna-keys"}, key="rival")
    assert {line["rows_before"] for line in reply.json()["tables"]} == {0}
    rival = site.ask("GET", "/api/v1/privacy/export?user_id=anna-keys", key="rival").body.splitlines()
    assert json.loads(rival[0])["tables"] == {}
    rows = site.ask("GET", "/api/v1/privacy/audit", key="rival").json()["rows"]
    assert {row["project"] for row in rows} == {"rival"}
    erasure = next(row["detail"]["erasure"] for row in rows if row["action"] == "erase")
    assert site.ask("GET", f"/api/v1/privacy/erasures/{erasure}").status == 404


@pytest.mark.parametrize("body", [{}, {"user_id": ""}, {"user_id": "a", "device_id": "b"}, {"user": "a"}, [], 5])
def test_a_subject_is_one_user_or_one_device(site: Site, body: object) -> None:
    assert site.ask("POST", "/api/v1/privacy/erase", body).status == 400


def test_a_subject_export_has_everything_behind_its_manifest(site: Site) -> None:
    site.send(
        {
            "user_id": "anna-export",
            "device_id": "phone-export",
            "properties": {"plan": "pro"},
            "context": {"shop": [1]},
        },
        {"device_id": "phone-export"},  # whose session is derived and remembered, as that of the event before
        {"device_id": "other-export"},
    )

    def exported() -> list[bytes]:
        body = site.ask("GET", "/api/v1/privacy/export?user_id=anna-export").body
        return list(body.splitlines(keepends=True))

    # An event that is told as stored is in the views, too: until then it is told as waiting.
    wait_until(lambda: json.loads(exported()[0])["tables"].get("events") == 2, 20, "the events are stored")
    first, *lines = exported()
    manifest = json.loads(first)
    assert manifest["subject"] == {"project": "default", "user_id": "anna-export"}
    assert (manifest["user_ids"], manifest["device_ids"]) == (["anna-export"], ["phone-export"])
    assert manifest["tables"] == {"events": 2, "sessions": 1, "devices": 1, "visits": 1}
    assert manifest["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()
    rows = [json.loads(line) for line in lines]
    assert {row["row"]["device_id"] for row in rows} == {"phone-export"}
    events = [row["row"] for row in rows if row["table"] == "events"]
    assert sorted(len(row["properties"]) for row in events) == [0, 1]
    assert {"shop": [1]} in [row["context"] for row in events]
    (visit,) = [row["row"] for row in rows if row["table"] == "visits"]
    assert {row["session_id"] for row in events} == {visit["session_id"]}
    started = dt.datetime.fromtimestamp(visit["opened"], dt.UTC)
    assert {dt.datetime.fromisoformat(row["session_started_at"]) for row in events} == {started}
    done = command(site.data_dir, "export-subject", "--project", "default", "--device-id", "phone-export")
    assert json.loads(done.out.splitlines()[0])["tables"] == manifest["tables"]
    erase = ("erase", "--project", "default", "--user-id")
    done = command(site.data_dir, *erase, "anna-export")
    receipt = done.json()
    assert done.err == ""
    assert command(site.data_dir, *erase, "anna-export").err == ""  # her first receipt stands beside it
    mistyped = command(site.data_dir, *erase, "anna-exprot")
    assert mistyped.err == "nothing was kept of this subject in default: is the id right?\n"
    assert {table["rows_before"] for table in mistyped.json()["tables"]} == {0}
    before = {table["name"]: table["rows_before"] for table in receipt["tables"] if table["rows_before"]}
    assert {name: before[name] for name in manifest["tables"]} == manifest["tables"]


def test_a_killed_erase_command_is_brought_to_its_end_by_the_server(site: Site) -> None:
    site.send({"user_id": "anna-killed", "device_id": "phone-killed"})
    wait_until(lambda: site.events("-killed") == 1, 20, "the event is counted")
    arguments = ["erase", "--project", "default", "--user-id", "anna-killed"]
    with subprocess.Popen([*PROGRAM, *arguments], env=environment(data_dir=str(site.data_dir))) as child:
        wait_until(lambda: unfinished(directory_path(site.data_dir)) != [], 40, "the erasure is under way")
        child.send_signal(signal.SIGKILL)
    wait_until(lambda: site.events("-killed") == 0, 40, "the event is gone")
    wait_until(lambda: command(site.data_dir, *arguments, "--receipts").out != "", 40, "there is a receipt")
    (earned,) = map(json.loads, command(site.data_dir, *arguments, "--receipts").out.splitlines())
    assert earned["subject"] == {"project": "default", "user_id": "anna-killed"}
    assert {"name": "events", "rows_before": 1, "rows_removed": 1, "rows_left": 0} in earned["tables"]
    again = command(site.data_dir, *arguments).json()
    assert {line["rows_before"] for line in again["tables"]} == {0}
    assert again["earlier"] == [earned]
    logged = command(site.data_dir, "project", "audit", "default").out
    assert earned["erasure"] in logged
    assert "anna-killed" not in logged
