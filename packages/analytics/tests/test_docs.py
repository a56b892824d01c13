"""README and docs tell the truth: their programs and commands run, their tables are those of the code.

A page's Python blocks are one program. A `text` block right after one is what it prints. In a `console` block, lines
that begin with `$` are run in order. Keys and addresses are replaced by those of the server of
conftest.py.
"""

import hashlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from endings import complaints

import shockmouse_analytics.sampling
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack import request_signals
from shockmouse_analytics.config import ClientConfig
from shockmouse_analytics.fingerprint import SIGNALS
from shockmouse_analytics.sampling import keeps

PACKAGE = Path(__file__).parents[1]
PAGES = {path.name: path for path in (PACKAGE / "README.md", *sorted((PACKAGE / "docs").glob("*.md")))}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^```python\n(?:(?!^```).)*?^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https:)([^)#]+)\)")

SENT = {
    "README.md": {"track Report exported": 1, "page": 1, "screen": 1, "identify": 1, "performance": 1, "error": 1},
    "browser.md": {},
    "command-line.md": {},
    "delivery.md": {"track Page printed": 250, "track Job finished": 1, "track Sent or lost": 1},
    "events.md": {
        "track Report exported": 1,
        "track Project opened": 1,
        "track Signed out": 1,
        "page": 1,
        "screen": 1,
        "identify": 1,
        "group": 1,
        "alias": 1,
    },
    "performance.md": {"performance": 3, "error": 1},
    "privacy.md": {
        "track Opened": 1,
        "track First start": 1,
        "consent": 1,
        "track Signed in": 1,
        "track Mail failed": 1,
        "track Exported": 1,
    },
    "programs.md": {},
    "sessions-and-sampling.md": {"track Game started": 2},
    "settings.md": {},
    "web.md": {"track Basket filled": 1, "page": 1},
}


def run(command: list[str], home: Path) -> str:
    """Return what a program of a new user prints; it must end well and without a warning."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT")}
    environ = {**kept, "HOME": str(home), "LOCALAPPDATA": str(home), "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, complaints(done.stderr)) == (0, []), done.stderr
    return done.stdout


def for_server(text: str, server: Any) -> str:
    key = "wk_docs_4Zk1vQ0mYb7sT2xN9cR5dW"
    return text.replace("wk_…", key).replace("wk_shop_…", key).replace("https://stats.example.com", server.endpoint)


def blocks(page: str, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(PAGES[page].read_text("utf-8")) if kind == language]


def table(page: str, columns: int) -> list[tuple[str, ...]]:
    """Return the first cells of the rows that begin with a name in code."""
    rows = re.findall(r"^\| (`[a-z_]+` \| .*) \|$", PAGES[page].read_text("utf-8"), re.MULTILINE)
    cells = [re.split(r"(?<!\\) \| ", row)[:columns] for row in rows]
    return [(name.strip("`"), *rest) for name, *rest in cells]


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_a_page_run_print_and_send_what_it_says(page: str, server: Any, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(for_server("\n\n".join(blocks(page, "python")), server), "utf-8")
    assert run([sys.executable, str(program)], tmp_path) == "".join(PRINTED.findall(PAGES[page].read_text("utf-8")))
    flush = for_server("queue flush --write-key wk_… --endpoint https://stats.example.com", server)
    run([sys.executable, "-m", "shockmouse_analytics", *flush.split()], tmp_path)  # what was still on its way
    sent = Counter(f"track {event['name']}" if event["type"] == "track" else event["type"] for event in server.events)
    assert sent == SENT[page]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, server: Any, tmp_path: Path) -> None:
    lines = [line for body in blocks(page, "console") for line in body.splitlines() if line.startswith("$ ")]
    for line in lines:
        name, *arguments = shlex.split(for_server(line.removeprefix("$ "), server))
        assert name == "shockmouse-analytics"
        run([sys.executable, "-m", "shockmouse_analytics", *arguments], tmp_path)
    assert [event["name"] for event in server.events] == ["Backup finished"] * sum("send" in line for line in lines)


def test_the_printed_fingerprints_have_the_fields_that_the_modes_tell(tmp_path: Path) -> None:
    for mode, shown in zip(("strict", "balanced", "full"), blocks("privacy.md", "json"), strict=True):
        asked = ["fingerprint", "--privacy", mode, "--write-key", "wk_docs_0123456789"]
        told = json.loads(run([sys.executable, "-m", "shockmouse_analytics", *asked], tmp_path))
        documented = json.loads(shown)
        assert list(told) == list(documented)
        assert set(told["signals"]) <= set(documented["signals"])
        assert told["privacy"] == documented["privacy"] == mode
        for project, one in (("docs", told), ("shop", documented)):  # each is one run's, with nothing changed by hand
            signals = msgspec.json.encode(one["signals"], order="sorted")
            assert one["hash"] == hashlib.sha256(project.encode() + b"\0" + signals).hexdigest()[:32]
        allowed = ("strict", "balanced", "full")[: ("strict", "balanced", "full").index(mode) + 1]
        assert list(documented["signals"]) == [
            signal.name for signal in SIGNALS if signal.mode in allowed and signal.read and not signal.is_hashed
        ]


def test_the_table_of_signals_is_that_of_the_code() -> None:
    assert table("privacy.md", 3) == [(signal.name, signal.mode, signal.why) for signal in SIGNALS]


def test_the_table_of_a_requests_signals_is_that_of_the_code() -> None:
    names = {signal.name for signal in request_signals.SIGNALS}
    shown = [row for row in table("web.md", 3) if row[0] in names]
    assert shown == [(signal.name, signal.mode, signal.why) for signal in request_signals.SIGNALS]


def test_the_table_of_settings_has_every_setting_with_its_default() -> None:
    words = {"none": "", "on": True, "off": False, "the platform's folder for user state": ""}
    shown = {name: default.strip("`") for name, default in table("settings.md", 2)}
    parameters = inspect.signature(Analytics).parameters.values()
    assert list(shown) == [parameter.name for parameter in parameters if parameter.kind != parameter.VAR_KEYWORD]
    defaults = msgspec.structs.asdict(ClientConfig()) | {"before_send": ""}
    assert {name: words.get(said, said) for name, said in shown.items()} == {
        name: default if isinstance(default, bool) else str(default) for name, default in defaults.items()
    }


def test_the_devices_of_the_sampling_page_decide_as_it_says() -> None:
    text = PAGES["sessions-and-sampling.md"].read_text("utf-8")
    said = re.findall(r"\| `(device-\d)` \| kept at rates above ([\d.]+) \|", text)
    decided = [[keeps(device, float(rate) + offset) for offset in (-0.001, 0.001)] for device, rate in said]
    assert decided == [[False, True]] * 2


def test_the_function_in_javascript_is_the_same_wherever_it_stands() -> None:
    (shown,) = blocks("sessions-and-sampling.md", "js")
    assert shown.split() in [
        part.split() for part in re.findall(r"function.*\}", shockmouse_analytics.sampling.__doc__ or "", re.DOTALL)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_of_the_package(page: str) -> None:
    targets = LINK.findall(PAGES[page].read_text("utf-8"))
    assert [target for target in targets if not (PAGES[page].parent / target).is_file()] == []
    if page == "README.md":  # a package index shows it alone
        assert targets == []


def test_the_readme_names_every_page() -> None:
    text = PAGES["README.md"].read_text("utf-8")
    assert [page for page in PAGES if page != "README.md" and f"`{page}`" not in text] == []
