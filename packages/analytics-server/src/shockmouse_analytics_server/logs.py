"""Log lines: one event each, on stderr, as text or JSON; no bodies, keys, addresses or line breaks.

Exceptions  are told by class and place. Their messages may quote what was sent to us, so only our own are printed
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

from .errors import DatabaseError, ServerError

BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
TOKENS = re.compile(r"\b(wk|rk|ak)_[a-z0-9-]+_[A-Za-z0-9]+")
FRAMES = 4


class Lines(logging.Formatter):
    """Formats a record as one line; `process` is serve, http, loader, engine or command."""

    def __init__(self, process: str, form: Literal["text", "json"]) -> None:
        super().__init__()
        self._process = process
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            message += f": {describe(record.exc_info[1])}"
        message = TOKENS.sub(r"\1_…", BREAKS.sub(" ", message))
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = record.levelname.lower()
        if self._form == "text":
            return f"{at} {level} {self._process}[{record.process}] {message}"
        fields = {"at": at, "level": level, "process": self._process, "pid": record.process, "message": message}
        return json.dumps(fields, ensure_ascii=False)


def describe(error: BaseException) -> str:
    """Return what may be said of an exception: its class, our own words, and where it came from."""
    places = places_of(error)
    if isinstance(error, DatabaseError):
        return f"{type(error).__name__} code {error.code} at {places}"
    if isinstance(error, ServerError | OSError):
        return f"{type(error).__name__} {error} at {places}"
    return f"{type(error).__name__} at {places}"


def places_of(error: BaseException) -> str:
    """Return the files and lines that an exception came from, the nearest first, without folders."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))


def set_up(process: str, *, level: str, form: Literal["text", "json"]) -> None:
    """Send the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(process, form))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
