"""What goes wrong, as HTTP answers it: status, code and reason of each of our errors, and when to come again."""

from typing import NamedTuple

from .errors import (
    BatchReusedError,
    BodyError,
    DatabaseAwayError,
    DatabaseError,
    LockedError,
    NameTakenError,
    QuestionError,
    QuestionLimitError,
    ServerError,
    SpoolBrokenError,
    SpoolFullError,
    UsageError,
)


class Failure(NamedTuple):
    """An answer that is none."""

    status: int
    code: str
    reason: str


FAILED = Failure(500, "failed", "the server failed; its log says more")
DISK_FAILING = Failure(503, "disk_failing", "nothing can be stored now")
# The first that fits; an empty reason is the error's own words.
FAILURES: tuple[tuple[type[ServerError], Failure], ...] = (
    (BatchReusedError, Failure(400, "batch_id_reused", "")),
    (UsageError, Failure(404, "not_found", "")),
    (NameTakenError, Failure(409, "name_taken", "")),
    (QuestionLimitError, Failure(422, "over_limits", "the question needs more time, memory or rows than it may take")),
    (DatabaseAwayError, Failure(503, "database_away", "the database does not answer; try again")),
    (DatabaseError, Failure(500, "database_error", "the database refused the question")),
    (SpoolFullError, Failure(503, "spool_full", "nothing more can be stored now")),
    (SpoolBrokenError, DISK_FAILING),
    (LockedError, Failure(503, "busy", "")),
    (ServerError, FAILED),
)
RETRY_SECONDS = {429: 60, 503: 5}
SPOOL_FULL_SECONDS = 30


def failure_of(error: Exception) -> Failure:
    """Return the answer to one of our errors."""
    if isinstance(error, QuestionError | BodyError):
        return Failure(error.status, error.code, error.reason)
    found = next((failure for kind, failure in FAILURES if isinstance(error, kind)), FAILED)
    return found if found.reason else found._replace(reason=str(error))


def retry_seconds(status: int, code: str) -> int | None:
    """Return what Retry-After says where nothing else is known; None where it says nothing."""
    return SPOOL_FULL_SECONDS if code == "spool_full" else RETRY_SECONDS.get(status)
