"""The program's commands as tests run them: each a process of its own, forked from one that has loaded what they need.

To load it takes half a second of the processor, and most commands nothing beside that. `python commander.py` is the
process that forks: a line of JSON in is a command, a line out its exit code. It is the program's own `main` that runs,
with arguments, environment and outputs of its own; that `python -m` comes as far is for the tests that start servers.
"""

import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PACKAGE = "shockmouse_analytics_server"
LOADED = ("__main__", "commands.opening", "backup", "doctor", "export", "importer", "openapi")
SECONDS = 90


class Ended(NamedTuple):
    """How a command ended: its exit code, -14 when it took longer than SECONDS, and what it printed."""

    code: int
    out: str
    err: str


class Commander:
    """The process that forks; commands run one after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, arguments: Sequence[str], environ: Mapping[str, str]) -> Ended:
        """Run a command to its end; its standard input is empty."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="command-") as folder, self._lock:
            outputs = [Path(folder, name) for name in ("out", "err")]
            told = {"arguments": [*arguments], "environ": {**environ}, "outputs": [*map(str, outputs)]}
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Ended(code, *(output.read_text(encoding="utf-8") for output in outputs))


@functools.cache
def commander() -> Commander:
    """Return the one of this process; it ends with its standard input, and so with us."""
    return Commander()


def fork_commands() -> None:
    """Become each command that is asked for, until standard input ends."""
    for name in LOADED:
        importlib.import_module(f"{PACKAGE}.{name}")
    gc.freeze()  # else a command's end would look through all of it, and copy it for that
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments: list[str], environ: dict[str, str], outputs: list[str]) -> None:
    """Be the command from now on; SystemExit is its end."""
    signal.alarm(SECONDS)
    files = [os.open(os.devnull, os.O_RDONLY), *(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in outputs)]
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [PACKAGE, *arguments]
    sys.exit(importlib.import_module(f"{PACKAGE}.__main__").main())


if __name__ == "__main__":
    fork_commands()
