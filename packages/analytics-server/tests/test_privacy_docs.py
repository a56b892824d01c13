"""Every command of docs/privacy.md, run as it stands there against a real server on which a person was."""

import contextlib
import datetime as dt
import json
import re
import shlex
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .serving import Server, command, environment, serving, wait_until

pytestmark = pytest.mark.engine

PAGE = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text()
BEGINS = ("PROGRAM ", "grep ", "curl ", "sqlite3 ", "tail ")
ERASING = ("PROGRAM erase --project P --user-id user-42", "PROGRAM erase --project P --device-id 5f3c…", "curl -X POST")
# What is told of the time after an erasure.
AFTER = ('grep -rlaF "user-42"', "--user-id user-42 --receipts", "from tombstones", "grep erased")
SHOWN_AFTER = "PROGRAM export-subject --project P --user-id user-42"
LAST = "PROGRAM project delete"
# What a command that finds nothing says, and its exit code; all others say something.
NOTHING = {
    "grep -rlaF": (1, ""),
    "PROGRAM export --project P | grep -c": (1, "0\n"),
    "PROGRAM export-subject --project P --user-id user-42 > user-42.jsonl": (0, ""),
    "PROGRAM spool quarantine": (0, "nothing is in quarantine\n"),
}


def commands() -> list[str]:
    """Return the page's commands in their order: those that erase, those about the time after, the project's end."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r" +#.*", "", line) for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", PAGE.replace("\\|", "|"))
    found = [one.strip() for one in [*lines, *inline] if one.startswith(BEGINS)]
    return sorted(dict.fromkeys(found), key=phase)


def phase(line: str) -> int:
    if line.startswith(LAST):
        return 3
    if line == SHOWN_AFTER or any(part in line for part in AFTER):
        return 2
    return 1 if line in ERASING or line.startswith(ERASING[-1]) else 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, dict[str, str]]]:
    data_dir = tmp_path_factory.mktemp("privacy-docs") / "data"
    with serving(data_dir) as server:
        keys = json.loads(command(data_dir, "project", "create", "shop", "--json").out)
        unknown = {"privacy": "strict", "context": {"ip": "203.0.113.77", "user_agent": "Mozilla/5.0 Firefox/140.0"}}
        assert send(server, keys, {"user_id": "user-42", "device_id": "5f3c"}, unknown) == 2
        read = {"Authorization": f"Bearer {keys['read_key']}"}
        wait_until(lambda: server.ask("GET", "/api/v1/stats", **read).json().get("events") == 2, 30, "both are stored")
        yield server, data_dir, keys


def made_real(line: str, server: Server, data_dir: Path, keys: dict[str, str]) -> str:
    """Return the command with this server's names in the place of the page's."""
    program = f"{shlex.quote(sys.executable)} -m shockmouse_analytics_server"
    names = {
        "PROGRAM": program,
        "DATA_DIR": shlex.quote(str(data_dir)),
        "https://stats.example.com": f"http://127.0.0.1:{server.port}",
        "ak_…": keys["admin_key"],
        "5f3c…": "5f3c",
        "--project P": "--project shop",
        " P ": " shop ",
        "MODE": "truncate",
    }
    for name, real in names.items():
        line = f"{line} ".replace(name, real).strip()
    return line


def run(line: str, server: Server, data_dir: Path, keys: dict[str, str]) -> tuple[int, str]:
    """Return the command's exit code and what it printed; SQLite's own program is not on every machine."""
    real = made_real(line, server, data_dir, keys)
    if real.startswith("sqlite3 "):
        _, path, sql = shlex.split(real)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return 0, "".join(f"{row}\n" for row in connection.execute(sql))
    done = subprocess.run(
        ["sh", "-c", real],
        cwd=data_dir.parent,
        env=environment(data_dir=str(data_dir)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_every_command_of_the_page_works(site: tuple[Server, Path, dict[str, str]]) -> None:
    found = commands()
    assert [phase(line) for line in found].count(1) == len(ERASING)
    assert len(found) > 20
    late = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)).isoformat()
    for line in found:
        if line.endswith("grep erased"):
            assert send(site[0], site[2], {"user_id": "user-42", "timestamp": late}) == 0
        code, said = run(line, *site)
        wanted = next((each for begins, each in NOTHING.items() if line.startswith(begins)), (0, said or "something"))
        assert (line, code, said) == (line, *wanted)
        if line == SHOWN_AFTER:
            assert '"tables":{}' in said
        if line.startswith("tail"):
            manifest = json.loads((site[1].parent / "user-42.jsonl").read_text().splitlines()[0])
            assert said.split()[0] == manifest["sha256"]


def send(server: Server, keys: dict[str, str], *events: dict[str, Any]) -> int:
    """Return how many events were accepted."""
    now = dt.datetime.now(dt.UTC).isoformat()
    whole = [{"event_id": str(uuid.uuid4()), "type": "page", "timestamp": now, **each} for each in events]
    headers = {"Authorization": f"Bearer {keys['write_key']}", "Content_Type": "application/json"}
    body = json.dumps({"events": whole}).encode()
    return int(server.ask("POST", "/v1/events", body, **headers).json()["accepted"])
