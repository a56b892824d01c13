"""The real client in its own process against the real server: what was sent is what the query API counts."""

import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.oracle import Report, Tally, count_events, query, tally, waiting
from tests.server_process import Server, clean_environment, wait_until

EMITTER = Path(__file__).parent / "emitter.py"


class Client:
    """Runs programs that use the client, all with the same state folder."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._environment = clean_environment(
            SHOCKMOUSE_CLIENT_ENDPOINT=server.url,
            SHOCKMOUSE_CLIENT_WRITE_KEY=server.keys.write_key,
            SHOCKMOUSE_CLIENT_OFFLINE_DIR=str(folder / "offline"),
            HOME=str(folder / "home"),
            XDG_STATE_HOME=str(folder / "state"),
            XDG_DATA_HOME=str(folder / "share"),
        )
        self._environment.pop("DO_NOT_TRACK", None)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, *arguments], env=self._environment, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """Return what a program printed, which must have ended well."""
        with self.start(*arguments) as process:
            printed = process.communicate(timeout=seconds)[0]
        assert process.returncode == 0, arguments
        return printed

    def emit(self, *arguments: str) -> str:
        return self.run(str(EMITTER), *arguments)

    def command(self, *arguments: str) -> str:
        return self.run("-m", "shockmouse_analytics", *arguments)


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Client:
    return Client(server, tmp_path)


def counts_by(server: Server, dimension: str) -> dict[str, int]:
    """Return the number of events by a dimension, as the query API answers it."""
    rows = server.ask("breakdown", dimension=dimension, metrics="events", limit="1000")["rows"]
    return {str(row["value"]): int(row["events"]) for row in rows}


def numbers(server: Server, name: str) -> list[int]:
    """Return the property `number` of every stored event of this name, in order."""
    rows = query(server.data_dir, f"select toInt64(properties.number) as number from events where name = '{name}'")
    return sorted(int(row["number"]) for row in rows)


def test_every_verb_in_every_mode_is_counted_by_the_query_api(server: Server, client: Client) -> None:
    for privacy in ("strict", "balanced", "full"):
        assert client.emit("verbs", privacy, "250") == "True 257\n"
    wait_until(lambda: count_events(server.data_dir) >= 3 * 257, 20, "all events are stored")
    once = dict.fromkeys(("page", "screen", "identify", "group", "alias", "performance", "error"), 3)
    assert counts_by(server, "type") == once | {"track": 750}
    assert counts_by(server, "name")["Report exported"] == 750
    assert counts_by(server, "os") == {platform.system(): 3 * 257}
    stats = server.ask("stats")
    assert (stats["events"], stats["pageviews"]) == (3 * 257, 6)
    assert stats["visitors"] <= stats["sessions"] <= 3 * 257
    devices = query(server.data_dir, "select distinct privacy, device_id from events")
    assert sorted(row["privacy"] for row in devices) == ["balanced", "full", "strict"]


def test_the_command_line_sends_an_event_that_the_explorer_shows(server: Server, client: Client) -> None:
    client.command("send", "Deployed", "version=1.2.3", "seconds=12")
    wait_until(lambda: count_events(server.data_dir) == 1, 20, "the event is stored")
    rows = server.ask("events")["rows"]
    assert [(row["type"], row["name"], row["properties"]["version"]) for row in rows] == [
        ("track", "Deployed", "1.2.3")
    ]


def test_a_program_that_ends_without_flush_delivers_all(server: Server, client: Client) -> None:
    client.emit("leave", "1000")
    client.command("queue", "flush")
    wait_until(lambda: count_events(server.data_dir) >= 1000, 20, "all events are stored")
    assert numbers(server, "left behind") == list(range(1000))


def test_events_of_a_program_that_met_no_server_arrive_when_it_is_back(server: Server, client: Client) -> None:
    server.stop()
    client.emit("leave", "1000")
    server.start()
    client.command("queue", "flush")
    wait_until(lambda: count_events(server.data_dir) >= 1000, 20, "all events are stored")
    assert numbers(server, "left behind") == list(range(1000))


def test_a_running_program_survives_the_server_going_and_coming(server: Server, client: Client) -> None:
    process = client.start(str(EMITTER), "steady", "6")
    time.sleep(1)
    server.stop()
    time.sleep(2)
    server.start()
    printed, _ = process.communicate(timeout=60)
    client.command("queue", "flush")
    sent = len(printed.splitlines())
    wait_until(lambda: count_events(server.data_dir) >= sent, 60, "all events are stored")
    assert numbers(server, "steady") == list(range(sent))


def test_a_forked_child_delivers_its_own_events_and_none_twice(server: Server, client: Client) -> None:
    client.emit("fork", "100")
    client.command("queue", "flush")
    wait_until(lambda: count_events(server.data_dir) >= 300, 30, "all events are stored")
    assert counts_by(server, "name") == {"before": 100, "parent": 100, "child": 100}


@pytest.mark.parametrize("server_is", ["there", "away"])
def test_a_killed_client_loses_at_most_the_last_quarter_second(
    server: Server, client: Client, server_is: str, report: Report
) -> None:
    if server_is == "away":
        server.stop()
    process = client.start(str(EMITTER), "steady", "30")
    time.sleep(2)
    killed = time.monotonic()
    process.kill()
    printed, _ = process.communicate(timeout=10)
    lines = [line.split() for line in printed.splitlines(keepends=True) if line.endswith("\n")]
    safe = [int(number) for number, at in lines if float(at) < killed - 0.25]
    if server_is == "away":
        server.start()
    wait_until(lambda: delivered(server, client, safe), 90, "the killed program's events are delivered", every=1)
    stored = numbers(server, "steady")
    report(
        f"client killed, server {server_is}: tracked={len(lines)} older than 250 ms={len(safe)} stored={len(stored)}"
    )
    assert set(safe) <= set(stored)
    assert stored == sorted(set(stored))
    found = tally(server, [])
    assert found == Tally.perfect(0)._replace(
        stored=len(stored), unasked=len(stored), totals=dict.fromkeys(found.totals, len(stored))
    )


def delivered(server: Server, client: Client, expected: list[int]) -> bool:
    """Send what the killed program left on disk; tell whether all that was expected is stored."""
    client.command("queue", "flush")
    return waiting(server.data_dir) == 0 and set(expected) <= set(numbers(server, "steady"))
