"""The commands do what they say, with exit codes and one line for an error."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from shockmouse_analytics.__main__ import WAITS, WAITS_FOR_KEY


@pytest.fixture
def command(server, tmp_path):
    """Runs the command for the test's server, with what is typed on a terminal; returns code, output and errors."""

    def run(
        *arguments: str,
        endpoint: str | None = None,
        key: str = "wk_shop_0123456789",
        typed: str | None = None,
        output: IO[str] | int = subprocess.PIPE,
    ) -> tuple[int, str, str]:
        environ = {
            **os.environ,
            "PYTHONUNBUFFERED": "",
            "SHOCKMOUSE_CLIENT_WRITE_KEY": key,
            "SHOCKMOUSE_CLIENT_ENDPOINT": endpoint or server.endpoint,
            "SHOCKMOUSE_CLIENT_OFFLINE_DIR": str(tmp_path / "state"),
        }
        command = [sys.executable, "-W", "error", "-m", "shockmouse_analytics", *arguments]
        keyboard, terminal = (None, subprocess.DEVNULL) if typed is None else os.openpty()
        if keyboard is not None:
            os.write(keyboard, f"{typed}\n".encode())
        done = subprocess.run(
            command,
            env=environ,
            stdin=terminal,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        for end in (keyboard, terminal):
            if end is not None and end >= 0:
                os.close(end)
        return done.returncode, done.stdout, done.stderr

    return run


def test_send_delivers_one_event_with_typed_properties(command, server):
    assert command("send", "Report exported", "format=pdf", "pages=12", "draft=false") == (0, "", "")
    (event,) = server.events
    assert (event["name"], event["properties"]) == ("Report exported", {"format": "pdf", "pages": 12, "draft": False})


def test_send_without_a_server_keeps_the_event_and_fails(command, server):
    endpoint = server.endpoint
    server.stop()
    code, output, errors = command("send", "Lost", endpoint=endpoint)
    assert (code, output, len(errors.splitlines())) == (1, "", 1)
    assert errors.endswith(f": connection refused; {WAITS}\n")
    code, output, errors = command("queue", "status", endpoint=endpoint)
    status = json.loads(output)
    assert (code, errors, status["batches"], status["events"], status["rejected"]) == (0, "", 1, 1, {})


@pytest.mark.parametrize("status", [200, 400])
def test_send_tells_of_an_event_that_the_server_refuses(command, server, status):
    rejected = [{"index": 0, "event_id": None, "code": "bad_number", "reason": "too large"}]
    error = {"error": {"code": "bad_number", "reason": "too large"}}
    told = {"accepted": 0, "duplicates": 0} if status == 200 else error
    server.reply = lambda number, body: (status, {}, told | {"rejected": rejected})
    code, output, errors = command("send", "Big", "a=99999999999999999999999")
    assert (code, output, errors) == (1, "", "shockmouse-analytics: the server refuses the event: bad_number\n")
    assert json.loads(command("queue", "status")[1])["events"] == 0


def test_queue_flush_sends_what_waits(command, server):
    server.stop()
    command("send", "Later")
    server.start()
    assert command("queue", "flush") == (0, "0 events wait\n", "")
    assert server.names() == ["Later"]


WILL_BE_LOST = "1 event that the server does not have will be lost"


def test_queue_clear_forgets_what_waits_when_told_to(command, server):
    server.stop()
    assert command("queue", "clear") == (0, "0 events forgotten\n", "")
    command("send", "Never")
    error = f"shockmouse-analytics: {WILL_BE_LOST}: add --yes if it may\n"
    assert command("queue", "clear") == (2, "", error)
    assert json.loads(command("queue", "status")[1])["events"] == 1
    assert command("queue", "clear", "--yes") == (0, "1 event forgotten\n", "")
    server.start()
    assert command("queue", "flush") == (0, "0 events wait\n", "")
    assert server.names() == []


@pytest.mark.parametrize("below", ["", "state"])
@pytest.mark.parametrize("arguments", [("status",), ("flush",), ("clear",), ("clear", "--yes")])
def test_a_file_is_no_folder_of_a_queue(command, tmp_path, arguments, below):
    file = tmp_path / "queue.sqlite"
    file.touch()
    code, output, errors = command("queue", *arguments, "--offline-dir", str(file / below))
    told = f"--offline-dir is '{file / below}', but '{file}' is no folder"
    assert (code, output, errors) == (2, "", f"shockmouse-analytics: {told}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
@pytest.mark.parametrize(
    ("answer", "ends", "left"), [("y", (0, "1 event forgotten"), 0), ("", (1, "[y/N]"), 1), ("no", (1, "[y/N]"), 1)]
)
def test_queue_clear_asks_on_a_terminal(command, server, answer, ends, left):
    server.stop()
    command("send", "Perhaps")
    code, output, _ = command("queue", "clear", typed=answer)
    assert output.startswith(f"{WILL_BE_LOST}. Forget them? [y/N]")
    assert (code, output.rstrip().endswith(ends[1])) == (ends[0], True)
    assert json.loads(command("queue", "status")[1])["events"] == left


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("send", "Name", "no-value"), 2, "shockmouse-analytics: 'no-value' should be key=value\n"),
        (("send", ""), 2, "shockmouse-analytics: name should have 1 to 255 characters\n"),
        (("send", " "), 2, "shockmouse-analytics: name should have 1 to 255 characters\n"),
        (
            ("send", "Name", "--endpoint", "nowhere"),
            2,
            "shockmouse-analytics: --endpoint is 'nowhere', but should be like https://stats.example.com\n",
        ),
        (
            ("send",),
            2,
            "shockmouse-analytics: the following arguments are required: NAME;"
            " see `shockmouse-analytics send --help`\n",
        ),
        (
            ("queue",),
            2,
            "shockmouse-analytics: the following arguments are required: ACTION;"
            " see `shockmouse-analytics queue --help`\n",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(command, arguments, code, error):
    assert command(*arguments) == (code, "", error)


@pytest.mark.parametrize("arguments", [(), ("unknown",), ("queue",), ("fingerprint", "--privacy", "none")])
def test_wrong_usage_exits_with_2(command, arguments):
    code, output, errors = command(*arguments)
    assert (code, output, len(errors.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(("arguments", "hint"), [(("send", "Refused"), f"; {WAITS_FOR_KEY}"), (("queue", "flush"), "")])
def test_a_wrong_key_is_told_once(command, server, arguments, hint):
    server.reply = lambda number, body: (401, {}, {"error": {"code": "unknown_key", "reason": "no such key"}})
    command("send", "Earlier")
    assert command(*arguments) == (1, "", f"shockmouse-analytics: 401 unknown_key: no such key{hint}\n")


def test_an_event_that_waits_for_its_key_goes_out_with_a_right_one_of_the_project(command, server):
    server.reply = lambda number, body: (401, {}, {"error": {"code": "unknown_key", "reason": "no such key"}})
    assert command("send", "Waiting", "--write-key", "wk_shop_wrong")[0] == 1
    server.reply = lambda number, body: None
    assert command("queue", "flush", "--write-key", "wk_shop_right") == (0, "0 events wait\n", "")
    assert server.names() == ["Waiting"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("", "--write-key is missing: give it or set SHOCKMOUSE_CLIENT_WRITE_KEY"),
        ("sk_shop_0123456789", "SHOCKMOUSE_CLIENT_WRITE_KEY should begin with wk_"),
    ],
)
@pytest.mark.parametrize("arguments", [("send", "Name"), ("queue", "status"), ("doctor",)])
def test_a_setting_is_called_as_it_is_given_to_a_command(command, arguments, key, error):
    code, output, errors = command(*arguments, key=key)
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith(f"shockmouse-analytics: {error}")


def test_fingerprint_without_a_key_says_that_its_ids_are_not_those_sent(command):
    code, output, errors = command("fingerprint", key="")
    assert (code, json.loads(output)["privacy"], len(errors.splitlines())) == (0, "balanced", 1)
    assert "give --write-key or set SHOCKMOUSE_CLIENT_WRITE_KEY" in errors


def test_fingerprint_prints_what_is_sent(command, server):
    code, output, errors = command("fingerprint", "--privacy", "balanced")
    known = json.loads(output)
    assert (code, errors, known["privacy"]) == (0, "", "balanced")
    assert command("send", "Seen")[0] == 0
    (event,) = server.events
    assert (event["device_id"], event["fingerprint"]["hash"]) == (known["device_id"], known["hash"])


def test_fingerprint_shows_the_hashes_of_names_when_asked(command, server, monkeypatch):
    asked = ("fingerprint", "--privacy", "full", "--fingerprint-names")
    shown = json.loads(command(*asked)[1])["signals"]
    names = {"hostname", "user_name", "home_path"}
    assert shown.keys() - json.loads(command(*asked[:3])[1])["signals"].keys() == names
    monkeypatch.setenv("SHOCKMOUSE_CLIENT_FINGERPRINT_NAMES", "1")
    assert command("send", "Seen", "--privacy", "full")[0] == 0
    (event,) = server.events
    sent = event["fingerprint"]["signals"]
    assert {name: sent[name] for name in names} == {name: shown[name] for name in names}


EMPTY = (400, {}, {"error": {"code": "no_events", "reason": "no events"}})


def checks(output: str) -> dict[str, str]:
    return {line.split()[1].rstrip(":"): line.split()[0] for line in output.splitlines()}


def test_doctor_finds_nothing_wrong_and_stores_nothing(command, server):
    server.reply = lambda number, body: EMPTY
    code, output, errors = command("doctor")
    assert (code, errors, server.requests) == (0, "", [[]])
    assert checks(output) == dict.fromkeys(("collects", "endpoint", "key", "clock", "folder", "queue"), "ok")


def test_doctor_without_a_server_names_it_and_goes_on(command, server):
    endpoint = server.endpoint
    server.stop()
    command("send", "Waiting", endpoint=endpoint)
    code, output, errors = command("doctor", endpoint=endpoint)
    assert (code, errors, checks(output)) == (
        1,
        "",
        {"collects": "ok", "endpoint": "failed", "folder": "ok", "queue": "ok"},
    )
    told = f"cannot connect to {endpoint.removeprefix('http://')}: connection refused"
    assert command("send", "Waiting too", endpoint=endpoint)[2] == f"shockmouse-analytics: {told}; {WAITS}\n"
    assert output.splitlines()[1] == f"failed  endpoint: {told}"
    assert output.endswith("queue: 1 event waits\n")


@pytest.mark.parametrize(
    ("reply", "failed"),
    [
        ((401, {}, {"error": {"code": "unknown_key", "reason": "no"}}), "key"),
        ((404, {}, b"not here"), "key"),
        ((400, {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, EMPTY[2]), "clock"),
    ],
)
def test_doctor_names_what_is_wrong(command, server, reply, failed):
    server.reply = lambda number, body: reply
    code, output, _ = command("doctor")
    assert (code, [name for name, outcome in checks(output).items() if outcome == "failed"]) == (1, [failed])


def test_doctor_says_what_to_do_about_a_refused_key(command, server):
    server.reply = lambda number, body: (401, {}, {"error": {"code": "unknown_key", "reason": "no"}})
    (line,) = [line for line in command("doctor")[1].splitlines() if " key: " in line]
    assert line.startswith("failed  key: the server refuses it (unknown_key): compare it with what `")
    assert line.endswith(" --write-key or in SHOCKMOUSE_CLIENT_WRITE_KEY")


def test_an_event_that_is_kept_nowhere_is_told_to_be_lost(command, server, monkeypatch):
    server.stop()
    monkeypatch.setenv("SHOCKMOUSE_CLIENT_OFFLINE", "0")
    code, output, errors = command("send", "Lost")
    assert (code, output) == (1, "")
    assert errors.endswith(": connection refused; the event is lost: not_kept\n")


def test_doctor_sees_a_folder_that_cannot_be_written(command, server, tmp_path):
    server.reply = lambda number, body: EMPTY
    (tmp_path / "file").touch()
    code, output, _ = command("doctor", "--offline-dir", str(tmp_path / "file" / "state"))
    outcomes = checks(output)
    assert (code, outcomes["key"], outcomes["folder"], outcomes["queue"]) == (1, "ok", "failed", "ok")
    assert "cannot be written (not a directory): give another as --offline-dir or in SHOCKMOUSE_CLIENT_OFF" in output


@pytest.mark.parametrize("arguments", [("queue", "status"), ("doctor",), ("fingerprint",), ("--help",), ("--version",)])
def test_output_that_cannot_be_written_is_told_in_one_line(command, arguments):
    with Path("/dev/full").open("w") as full:
        code, _, errors = command(*arguments, output=full)
    assert (code, errors) == (1, "shockmouse-analytics: the output cannot be written: no space left on device\n")


def test_output_that_nobody_reads_any_more_is_no_failure(command):
    reading, writing = os.pipe()
    os.close(reading)
    code, _, errors = command("queue", "status", output=writing)
    os.close(writing)
    assert (code, errors) == (0, "")


@pytest.mark.parametrize("arguments", [("caf\udce9",), ("x", "a=\udce9"), ("x", "\udce9=1")])
def test_an_argument_that_is_no_text_is_named(command, server, arguments):
    code, output, errors = command("send", *arguments)
    shown = arguments[-1].replace("\udce9", "\\xe9")
    assert (code, output) == (2, "")
    assert errors == f"shockmouse-analytics: '{shown}' is not UTF-8: give text in that encoding\n"
    assert server.requests == []


def test_an_address_that_is_no_text_is_no_address(command):
    code, output, errors = command("send", "x", "--endpoint", "http://stats.\udce9")
    assert (code, output, len(errors.splitlines())) == (2, "", 1)
    assert errors.endswith("but should be like https://stats.example.com\n")


def test_a_folder_may_have_a_name_that_is_no_text(command, tmp_path):
    code, output, errors = command("queue", "status", "--offline-dir", f"{tmp_path}/caf\udce9")
    assert (code, errors) == (0, "")
    assert json.loads(output)["path"].startswith(f"{tmp_path}/caf\ufffd/queue-")


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"SHOCKMOUSE_CLIENT_ENABLED": "0"}, "the client is switched off by `enabled`"),
        ({"DO_NOT_TRACK": "1"}, "DO_NOT_TRACK is set in the environment"),
        (
            {"SHOCKMOUSE_CLIENT_BEFORE_CONSENT": "queue"},
            "nobody has agreed yet, and `before_consent` waits for that",
        ),
    ],
)
def test_what_keeps_events_here_is_told_in_words(command, server, monkeypatch, environ, why):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert command("send", "Unheard") == (1, "", f"shockmouse-analytics: not sent: {why}\n")
    code, output, _ = command("doctor")
    assert (code, output.splitlines()[0]) == (1, f"failed  collects: {why}")
    assert server.names() == []
