"""What goes wrong at the keyboard or on the disk is told in one line that says what to do."""

import contextlib
import socket
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shockmouse_analytics_server.backup import read_manifest
from shockmouse_analytics_server.errors import QuestionError, UsageError
from shockmouse_analytics_server.filters import express
from shockmouse_analytics_server.question import parse_question

from .serving import Done, command, serving
from .spooled import make_entry, open_spool


def said(line: str, code: int = 1) -> Done:
    """Return a failure: this one line and nothing else."""
    return Done(code, "", f"shockmouse-analytics-server: {line}\n")


@pytest.mark.engine
def test_a_damaged_spool_is_told_before_anything_is_started(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    advice = "check the disk, and restore from a backup into a new data folder"
    path.write_bytes(b"no database at all" * 1000)
    assert command(tmp_path, "serve", "--port", "0") == said(f"{path}: file is not a database; {advice}")
    path.unlink()
    with open_spool(tmp_path) as spool:
        spool.append([make_entry(100)])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("select rootpage from sqlite_master where name = 'pieces'").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: (root - 1) * 8192] + b"\xff" * 8192 + whole[root * 8192 :])
    refused = command(tmp_path, "serve", "--port", "0")
    assert (refused.code, refused.out, refused.err.count("\n"), advice in refused.err) == (1, "", 1, True)


@pytest.mark.engine
def test_a_link_leads_to_where_serve_listens(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        served = command(tmp_path / "data", "project", "link", "default").out
        moved = command(tmp_path / "data", "project", "link", "default", "--port", "9000").out
    assert [link.partition("/sign-in")[0] for link in (served, moved)] == [
        f"http://127.0.0.1:{server.port}",
        "http://127.0.0.1:9000",
    ]


@pytest.mark.engine
def test_what_another_serve_holds_is_told_with_its_process_and_a_way_out(tmp_path: Path) -> None:
    folder, kept = tmp_path / "data", tmp_path / "kept"
    with serving(folder) as server:
        assert command(folder, "backup", str(kept)).code == 0
        holder = f"another process ({server.process.pid}) uses this data folder: it holds {folder / 'serve.lock'}"
        second = command(folder, "serve")
        at_once, _, at_the_end = second.err.partition("\n")
        assert at_once.endswith(f"{holder}; waiting 10 s for it to end")
        assert Done(second.code, second.out, at_the_end) == said(f"{holder}; stop it, or give another --data-dir")
        assert command(folder, "restore", str(kept)) == said(f"{holder}; stop serve first")
        refused = command(tmp_path / "other", "serve", "--port", str(server.port))
    address = f"127.0.0.1:{server.port}"
    assert refused == said(f"cannot listen on {address}: Address already in use; give another --port")


def test_a_backup_that_is_none_is_told_without_the_systems_numbers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_bytes(b"\xff{")
    reasons = {
        "nowhere": f"{tmp_path / 'nowhere' / 'manifest.json'}: no such file or directory",
        "file": f"{tmp_path / 'file' / 'manifest.json'}: not a directory",
        "damaged": "its manifest.json is damaged",
    }
    for name, reason in reasons.items():
        with pytest.raises(UsageError) as caught:
            read_manifest(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} is not a whole backup: {reason}"


@pytest.mark.engine
def test_a_backup_that_is_not_there_leaves_no_data_folder(tmp_path: Path) -> None:
    refused = command(tmp_path / "data", "restore", str(tmp_path / "nowhere"))
    assert (refused.code, "is not a whole backup" in refused.err, list(tmp_path.iterdir())) == (2, True, [])


@pytest.mark.engine
def test_a_project_that_never_was_has_no_log(tmp_path: Path) -> None:
    assert command(tmp_path, "project", "create", "shop").code == 0
    assert command(tmp_path, "project", "audit", "shop").code == 0
    refused = command(tmp_path, "project", "audit", "nope")
    assert (refused.code, "there is no project 'nope'" in refused.err) == (1, True)


@pytest.mark.engine
def test_a_project_that_is_not_there_is_a_failure_and_a_bad_value_is_wrong_usage(tmp_path: Path) -> None:
    assert command(tmp_path, "project", "create", "shop").code == 0
    for words in ("set nope --timezone UTC", "keys nope", "link nope", "delete nope --yes"):
        assert command(tmp_path, "project", *words.split()) == said(
            "there is no project 'nope'; `project list` shows what there is"
        )
    assert command(tmp_path, "erase", "--project", "nope", "--user-id", "anna").code == 1
    for words in ("set shop", "set shop --timezone Nowhere/Land", "set shop --retention-days -1", "delete shop"):
        assert command(tmp_path, "project", *words.split()).code == 2


def test_an_id_that_no_event_can_have_is_wrong_usage(tmp_path: Path) -> None:
    for words in (("erase",), ("export-subject",), ("erase", "--receipts")):
        for flag, most in (("--user-id", 256), ("--device-id", 64)):
            name = flag.removeprefix("--").replace("-", "_")
            told = said(f"{name} has at most {most} characters", 2)
            assert command(tmp_path / "data", *words, "--project", "shop", flag, "x" * (most + 1)) == told
    assert not (tmp_path / "data").exists()


def test_doctor_without_data_says_so_as_it_says_all_else(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    about, advice = f"there is no data in {folder}", "give --data-dir as serve has it"
    done = command(folder, "doctor")
    assert (done.code, done.out.splitlines()[-1], done.err) == (1, f"FAILURE {about} → {advice}", "")
    found = command(folder, "doctor", "--json").json()
    assert found[-1] == {"level": "failure", "about": about, "advice": advice}
    assert not folder.exists()


def test_doctor_tells_soon_and_in_words_that_the_database_is_away(tmp_path: Path) -> None:
    with open_spool(tmp_path), contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    started = time.monotonic()
    found = command(tmp_path, "doctor", "--json", "--clickhouse-url", f"http://{address}")
    failures = [one["about"] for one in found.json() if one["level"] == "failure"]
    assert (found.code, found.err, failures) == (1, "", [f"cannot connect to {address}: connection refused"])
    assert time.monotonic() - started < 30  # which is what the others wait for a database


@pytest.mark.engine
@pytest.mark.parametrize(
    "line",
    ["project list", "migrate verify", "spool status", "backup kept"],
)
def test_a_mistyped_folder_is_not_made(tmp_path: Path, line: str) -> None:
    typo = tmp_path / "dta"
    told = said(f"there is no data in {typo}: give --data-dir as serve has it")
    assert command(typo, *line.split()) == told
    assert not typo.exists()
    typo.mkdir()
    assert command(typo, *line.split()) == told


def test_a_plan_before_the_first_start_is_what_the_files_say_and_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    said = f"there is no data in {folder} yet: this is what the first start will run\n"
    planned = command(folder, "migrate", "plan")
    assert (planned.code, planned.err) == (0, said)
    assert planned.out.startswith("-- 0001_events.sql, statement 1 of ")
    assert "create table if not exists events" in planned.out
    listed = command(folder, "migrate", "status", "--json")
    assert (listed.code, listed.err, {row["state"] for row in listed.json()}) == (0, said, {"missing"})
    statements = [step["statement"] for step in command(folder, "migrate", "plan", "--json").json()]
    assert len(statements) == len(set(statements)) == planned.out.count("\n-- 0") + 1
    assert not folder.exists()


@pytest.mark.engine
@pytest.mark.parametrize("line", ["project list", "project create shop", "serve", "spool status"])
def test_a_file_is_no_data_folder(tmp_path: Path, line: str) -> None:
    (tmp_path / "file").touch()
    told = said(f"the data folder {tmp_path / 'file'} is a file: give --data-dir another")
    assert command(tmp_path / "file", *line.split()) == told


@pytest.mark.parametrize(
    ("flag", "value", "wanted"),
    [
        ("--port", "http", "a whole number from 0 to 65535"),
        ("--port", "70000", "a whole number from 0 to 65535"),
        ("--spool-max-bytes", "10G", "a whole number of at least 1048576"),
        ("--rate-limit-events-per-second", "-1", "a number of at least 0"),
        ("--log-level", "loud", "one of debug, error, info, warning"),
        ("--agent-path", "a b", "a path such as /a.js: a / and then at most 127 letters, digits and _.~/-"),
        ("--clickhouse-cluster", "a-b", "a name of at most 64 letters, digits and _, not first a digit"),
        ("--host", "", "a text of 1 to 255 characters"),
        ("--data-dir", "", "a path"),
    ],
)
def test_a_value_that_does_not_fit_is_quoted_with_what_does(tmp_path: Path, flag: str, value: str, wanted: str) -> None:
    assert command(tmp_path, "serve", flag, value) == said(f"{flag}: {value!r} is not {wanted}", 2)


def test_an_empty_spool_is_told_in_words(tmp_path: Path) -> None:
    with open_spool(tmp_path):
        pass
    assert command(tmp_path, "spool", "status").out.splitlines()[0] == "batch ids remembered 0"
    assert command(tmp_path, "spool", "quarantine") == Done(0, "nothing is in quarantine\n", "")
    assert command(tmp_path, "spool", "quarantine", "--json") == Done(0, "", "")
    refused = command(tmp_path, "spool", "quarantine", "--limit", "0")
    assert refused == said("--limit 0: expected 1 or more", 2)


@pytest.mark.engine
def test_a_project_that_is_so_already_and_a_write_key_that_stays_shown(tmp_path: Path) -> None:
    command(tmp_path, "project", "create", "shop")
    same = command(tmp_path, "project", "set", "shop", "--ip", "truncate")
    assert same == Done(0, "project shop is so already\n", "")
    for kind, promise in (("write", ""), ("read", ", shown only now")):
        assert command(tmp_path, "project", "keys", "shop", "--rotate", kind).out.startswith(
            f"new {kind} key{promise}: "
        )


def test_what_is_unknown_in_a_question_is_told_with_what_is_known() -> None:
    with pytest.raises(QuestionError) as dimension:
        express("colour", "p")
    assert str(dimension.value).startswith("unknown dimension 'colour': one of ")
    assert str(dimension.value).endswith(", property.NAME, user_property.NAME")
    with pytest.raises(QuestionError) as parameter:
        parse_question(
            [("form", "today")],
            project="shop",
            timezone="UTC",
            now=datetime.now(UTC),
            usually=timedelta(days=30),
            also=frozenset({"dimension"}),
            common=frozenset({"from", "to"}),
        )
    assert str(parameter.value) == "unknown parameter 'form': one of dimension, from, to"
