"""An engine's folder with this release's schema: made once in a test run, copied by whoever starts a server anew.

A first start runs 29 statements, which costs more than all else that a server's start does. That it runs them is for
the tests of first starts and of migrations; the others begin with a copy, which has no project and no key yet.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VARIABLE = "PREPARED_FOLDER"  # where the processes of one test run find it


def begin() -> None:
    """The processes that this one starts share a folder for it, which is empty yet."""
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix="prepared-")


def end() -> None:
    """The folder is gone."""
    shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def prepare(data_dir: Path) -> None:
    """The data folder, which is new, has the schema and nothing else; outside a test run it is left as it is."""
    if VARIABLE not in os.environ:
        return
    data_dir.mkdir(mode=0o700, parents=True)
    shutil.copytree(migrated(), data_dir / "engine", symlinks=True)


@functools.cache
def migrated() -> Path:
    """Return the engine's folder; the first to ask in a test run makes it, and the others wait."""
    place = Path(os.environ[VARIABLE])
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "engine").exists():
            program = [sys.executable, "-m", "shockmouse_analytics_server", "migrate", "up"]
            subprocess.run([*program, "--data-dir", str(place / "data")], check=True, capture_output=True, timeout=120)
            (place / "data" / "engine").rename(place / "engine")
    return place / "engine"
