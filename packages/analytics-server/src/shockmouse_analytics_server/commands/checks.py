"""`doctor` and `openapi`."""

from .options import Commands


def add(commands: Commands) -> None:
    """Add nothing yet."""
