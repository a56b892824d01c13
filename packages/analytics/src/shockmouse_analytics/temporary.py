"""Where things go that have no better place."""

import os
from pathlib import Path


def temporary_folder() -> Path:
    """Return where the queue goes when the state folder cannot be used: this account's own temporary folder."""
    import tempfile  # for few programs

    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"shockmouse-analytics-{user}"
