"""The commands: what they print, how they end, and that they work with and without `serve`."""

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shockmouse_analytics_server.config import FIELDS, flag_name, meaning_of, shape_of, variable_name

from .serving import PROGRAM, Done, Server, command, serving, wait_until

UNINVITED = ("aiohttp", "chdb", "hypercorn", "starlette", "sqlite3", "maxminddb", "ua_parser")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands") / "data"


@pytest.fixture(scope="module", params=["alone", "beside serve"])
def served(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Server | None]:
    """Nothing, then a running server: every command must not mind."""
    if request.param == "alone":
        yield None
        return
    with serving(data_dir) as running:
        yield running


def failed(done: Done) -> tuple[int, str, int]:
    """Return what every failure has: its code, no output, one line on stderr."""
    return done.code, done.out, done.err.count("\n")


def test_a_commands_help_shows_the_settings_that_matter_to_it(tmp_path: Path) -> None:
    def shown(*words: str) -> set[str]:
        done = command(tmp_path, *words, "--help")
        assert (done.code, done.err) == (0, "")
        return {field for field in FIELDS if f"{variable_name(field)})" in done.out}

    where = {field for field in FIELDS if field == "data_dir" or field.startswith("clickhouse_")}
    assert shown("serve") == {*FIELDS}
    assert shown("backup") == where
    assert shown("project", "link") == where | {"host", "port"}
    taken = [command(tmp_path, "openapi", "--max-body-bytes", value).code for value in ("2000000", "x")]
    assert taken == [0, 2]


def test_help_tells_of_each_setting_what_it_means_its_unit_and_default(tmp_path: Path) -> None:
    told = unspaced(command(tmp_path, "serve", "--help").out)
    for field in FIELDS:
        assert unspaced(f"{flag_name(field)} {shape_of(field)} {meaning_of(field)} (default: ") in told
    spool = "bytes that may wait for ClickHouse; beyond them senders are answered 503"
    line = f"--spool-max-bytes N {spool} (default: 10737418240; SHOCKMOUSE_SPOOL_MAX_BYTES)"
    assert unspaced(line) in told
    assert unspaced("--ip-anonymization drop|keep|truncate what a new project keeps of visitors' addresses") in told


def unspaced(text: str) -> str:
    """Return the text without what a line's end may have put into it."""
    return "".join(text.split())


def test_help_names_the_commands_and_loads_no_engine() -> None:
    script = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from shockmouse_analytics_server.__main__ import main\n"
        "try: main()\n"
        f"except SystemExit as end: print([name for name in {UNINVITED!r} if name in sys.modules], end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE) == [
        "serve",
        "migrate",
        "project",
        "spool",
        "export",
        "import",
        "erase",
        "backup",
        "restore",
        "doctor",
        "openapi",
    ]
    assert done.stdout.splitlines()[-1] == "[] 0"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("project",),
        ("project", "create"),
        ("project", "create", "Shop!"),
        ("project", "keys", "shop", "--rotate", "all"),
        ("project", "set", "shop"),
        ("project", "set", "shop", "--ip", "hash"),
        ("project", "set", "shop", "--retention-days", "-1"),
        ("project", "set", "shop", "--timezone", "Mars/Olympus"),
        ("project", "delete", "shop"),
        ("serve", "--port", "http"),
        ("serve", "--por", "80"),
        ("openapi", "--host", ""),
    ],
)
def test_a_wrong_use_is_one_line_and_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert failed(command(tmp_path / "data", *arguments)) == (2, "", 1)


def test_an_unknown_flag_is_told_with_the_one_it_may_mean(tmp_path: Path) -> None:
    def told(*arguments: str) -> str:
        return command(tmp_path / "data", *arguments).err.partition("; see")[0].partition(": ")[2]

    assert told("serve", "--prot", "80") == told("serve", "--prot=80") == "unknown flag --prot (did you mean --port?)"
    assert told("project", "create", "shop", "--jsn") == "unknown flag --jsn (did you mean --json?)"
    assert told("serve", "--frobnicate") == "unknown flag --frobnicate"


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    done = command(tmp_path / "data", "openapi", port="80a")
    assert failed(done) == (2, "", 1)
    assert "SHOCKMOUSE_PORT" in done.err
    assert "SHOCKMOUSE_PROT" in command(tmp_path / "data", "openapi", prot="80").err


def test_a_data_folder_that_cannot_be_is_one_line_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert failed(command(tmp_path / "file" / "data", "spool", "status")) == (1, "", 1)


def test_openapi_prints_the_document(tmp_path: Path) -> None:
    assert command(tmp_path / "data", "openapi").json()["openapi"] == "3.1.0"


def test_output_that_nobody_reads_on_is_no_error(tmp_path: Path) -> None:
    line = f"{PROGRAM[0]} -m {PROGRAM[2]} openapi | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.engine
def test_migrate_goes_from_plan_to_verified(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "serve.lock").touch()
    assert {row["state"] for row in command(folder, "migrate", "status", "--json").json()} == {"missing"}
    assert "create table if not exists events" in command(folder, "migrate", "plan").out
    assert command(folder, "migrate", "verify").code == 1
    assert command(folder, "migrate", "up").code == 0
    assert {row["state"] for row in command(folder, "migrate", "status", "--json").json()} == {"applied"}
    assert command(folder, "migrate", "plan", "--json").json() == []
    assert command(folder, "migrate", "verify").code == 0


@pytest.mark.engine
def test_a_project_s_life(served: Server | None, data_dir: Path) -> None:
    name = "beside" if served else "alone"
    made = command(data_dir, "project", "create", name, "--json").json()
    assert list(made) == ["project", "write_key", "read_key", "admin_key"]
    again = command(data_dir, "project", "create", name)
    assert failed(again) == (1, "", 1)
    rotated = command(data_dir, "project", "keys", name, "--rotate", "read", "--json").json()
    shown = [(key["kind"], key["key"]) for key in rotated["keys"]]
    assert shown == [
        ("admin", made["admin_key"][: -(32 - 6)] + "…"),
        ("read", rotated["new_key"][: -(32 - 6)] + "…"),
        ("read", made["read_key"][: -(32 - 6)] + "…"),
        ("write", made["write_key"]),
    ]
    dry = command(data_dir, "project", "set", name, "--retention-days", "30", "--dry-run").out
    assert dry == "retention_days: 395 → 30 (not changed: dry run)\n"
    assert command(data_dir, "project", "set", name, "--retention-days", "30", "--ip", "drop").code == 0
    listed = {row["project"]: row for row in command(data_dir, "project", "list", "--json").json()}
    assert listed[name] == {
        "project": name,
        "retention_days": 30,
        "rollup_retention_days": 0,
        "ip": "drop",
        "timezone": "UTC",
    }
    assert command(data_dir, "project", "delete", name, "--yes").code == 0
    assert failed(command(data_dir, "project", "keys", name)) == (1, "", 1)


@pytest.mark.engine
def test_a_link_signs_in_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        command(data_dir, "project", "create", "linked")
        link = command(data_dir, "project", "link", "linked", port=str(server.port)).out
        assert link.startswith(f"http://127.0.0.1:{server.port}/sign-in?token=")
        target = link.strip().removeprefix(f"http://127.0.0.1:{server.port}")
        first, second = server.ask("GET", target), server.ask("GET", target)
        assert (first.status, second.status) == (200, 410)
        cookie = first.headers["set-cookie"].partition(";")[0]
        stats = server.ask("GET", "/api/v1/stats?compare=previous", Cookie=cookie)
        assert (stats.status, stats.json()["events"], stats.json()["previous"]["events"]) == (200, 0, 0)


@pytest.mark.engine
def test_new_projects_take_their_defaults_from_the_settings(data_dir: Path) -> None:
    command(data_dir, "project", "create", "defaults", "--retention-days", "7", ip_anonymization="keep")
    listed = {row["project"]: row for row in command(data_dir, "project", "list", "--json").json()}
    assert (listed["defaults"]["retention_days"], listed["defaults"]["ip"]) == (7, "keep")


@pytest.mark.engine
def test_doctor_finds_nothing_wrong(served: Server | None, data_dir: Path) -> None:
    command(data_dir, "migrate", "up")
    found = command(data_dir, "doctor", "--json")
    assert [one for one in found.json() if one["level"] == "failure"] == []
    assert found.code == 0
    assert "ok      the schema is this release's\n" in command(data_dir, "doctor").out


@pytest.mark.engine
def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "spool.sqlite").write_bytes(b"no database at all" * 1000)
    folder.chmod(0o755)
    done = command(folder, "doctor", "--json")
    advice = {one["about"].split(":")[0]: one["advice"] for one in done.json() if one["level"] != "ok"}
    assert done.code == 1
    assert advice[f"others may look into {folder}"] == f"chmod 700 {folder}"
    assert "restore from a backup" in advice["spool.sqlite"]
    assert any(about.startswith("0001") for about in advice)


def test_the_spool_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "spool.sqlite").touch()
    status = command(folder, "spool", "status", "--json").json()
    assert status == {"batches": 0, "rows": 0, "bytes": 0, "oldest_at": None, "segments": 0, "quarantined": 0}
    assert command(folder, "spool", "quarantine") == Done(0, "nothing is in quarantine\n", "")
    assert command(folder, "spool", "replay").out == "0 rows will be tried again\n"


def test_errors_are_told_without_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "spool.sqlite").write_bytes(b"no database at all" * 1000)
    done = command(folder, "spool", "status")
    assert failed(done) == (1, "", 1)
    assert json.dumps(done.err).count("Traceback") == 0


@pytest.mark.engine
def test_a_backup_goes_on_elsewhere(tmp_path: Path) -> None:
    with serving(tmp_path / "old") as server:
        key, read_key = server.printed[1].split()[2], server.printed[2].split()[2]
        event = {"event_id": str(uuid.uuid4()), "type": "page", "timestamp": datetime.now(UTC).isoformat()}
        given = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
        assert server.ask("POST", "/v1/events", json.dumps(event).encode(), **given).status == 200
        made = command(tmp_path / "old", "backup", str(tmp_path / "backup"))
        assert (made.code, made.err) == (0, "")
        assert failed(command(tmp_path / "old", "backup", str(tmp_path / "backup"))) == (2, "", 1)
        assert failed(command(tmp_path / "old", "restore", str(tmp_path / "backup")))[0] != 0
    put = command(tmp_path / "new", "restore", str(tmp_path / "backup"))
    assert (put.code, put.err) == (0, "")
    with serving(tmp_path / "new") as server:
        asked = {"Authorization": f"Bearer {read_key}"}
        wait_until(
            lambda: server.ask("GET", "/api/v1/stats", **asked).json()["events"] == 1, 10, "the event is counted"
        )
        assert server.ask("POST", "/v1/events", json.dumps([event]).encode(), **given).json()["duplicates"] == 1
    assert failed(command(tmp_path / "new", "restore", str(tmp_path / "backup"))) == (2, "", 1)
