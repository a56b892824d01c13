"""A file of an npm package, fetched once into a cache folder."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".nox" / ".cache"


def read_package(name: str, version: str, member: str) -> bytes:
    """Return a file of a package; the test is skipped where npm is missing, which fetches it."""
    archive = CACHE / f"{name}-{version}.tgz"
    if not archive.exists():
        if shutil.which("npm") is None:
            pytest.skip(f"npm is missing, which fetches {name} to compare with: apt-get install npm")
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"{name}@{version}", "--pack-destination", str(CACHE)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    with tarfile.open(archive) as opened:
        file = opened.extractfile(f"package/{member}")
        assert file is not None
        return file.read()
