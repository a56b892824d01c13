"""What a program did wrong in a call of the client, told without anything of its events."""

import sys
from pathlib import Path
from types import TracebackType

_PACKAGE = str(Path(__file__).parent)


def explain(exc: Exception) -> str:
    """Return what was wrong; only the kind of error where its text may quote what was to be told."""
    raised = _innermost(exc)
    is_ours = raised is None or raised.tb_frame.f_code.co_filename.startswith(_PACKAGE)
    return str(exc) if is_ours and not isinstance(exc, UnicodeError) else type(exc).__name__


def raised_at(exc: Exception) -> str:
    """Return file and line of where an exception was raised, empty if it was not."""
    raised = _innermost(exc)
    return f"{raised.tb_frame.f_code.co_filename}:{raised.tb_lineno}" if raised else ""


def caller() -> str:
    """Return file and line of the program's own call."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _innermost(exc: Exception) -> TracebackType | None:
    raised = exc.__traceback__
    while raised is not None and raised.tb_next is not None:
        raised = raised.tb_next
    return raised
