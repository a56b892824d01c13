"""Where a data folder's engine listens.

engine.sock     in the data folder when its path is short enough for the kernel, which takes about 100 bytes
elsewhere       shockmouse-HASH/engine.sock in the runtime folder, always the same for one data folder
engine.address  names the place, for the runtime folder of another process may be another one
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from .errors import ConfigError

SOCKET_PATH_BYTES = 100


def socket_of(data_dir: Path) -> Path:
    """Return where the folder's engine listens, or will."""
    return engine_address(data_dir) or _place(data_dir)


def engine_address(data_dir: Path) -> Path | None:
    """Return where the folder's engine listens, or did the last time; None when there never was one."""
    address = data_dir / "engine.address"
    return Path(address.read_text()) if address.exists() else None


def prepare_socket(data_dir: Path) -> Path:
    """Return a free place that only this user can reach.

    Raises ConfigError: the short folder belongs to somebody else.
    """
    path = _place(data_dir)
    if path.parent != data_dir:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        found = path.parent.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise ConfigError(f"{path.parent} must be a folder of this user with mode 0700: remove it")
    path.unlink(missing_ok=True)
    return path


def publish_socket(data_dir: Path, path: Path) -> None:
    """Only this user reaches the socket, and the address names its place, never half of it."""
    path.chmod(0o600)
    new = data_dir / "engine.address.new"
    new.write_text(str(path))
    new.replace(data_dir / "engine.address")


def _place(data_dir: Path) -> Path:
    path = data_dir / "engine.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = f"shockmouse-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]}"
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / name / "engine.sock"
