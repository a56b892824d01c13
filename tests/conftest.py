"""A running server per test, on a data folder of its own, and the lines that fault tests report at the end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import Report
from tests.server_process import Server

REPORTED: list[str] = []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that listens, with a project `together`."""
    with Server(tmp_path) as running:
        yield running


@pytest.fixture
def report() -> Report:
    """Have one line printed at the end of the run, whether tests pass or fail."""
    return REPORTED.append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what this process's tests reported to the one that prints, when tests run side by side."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["reported"] = REPORTED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process's tests reported."""
    REPORTED.extend(getattr(node, "workeroutput", {}).get("reported", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests reported."""
    for line in REPORTED:
        terminalreporter.write_line(line)
