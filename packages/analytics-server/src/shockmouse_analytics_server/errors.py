"""What can go wrong, by what the caller would do about it.

ServerError
├── ConfigError             a setting is missing, unknown or out of bounds: the person at the keyboard mends it
├── UsageError              a command or request asks for what cannot be: exit 2
│   └── NoProjectError      it is well formed, and names a project that is not there: exit 1, 404
├── NameTakenError          a project cannot be created, for its name is or was in use: 409
├── BodyError               a request's body is refused whole: its status, code and reason are the answer
├── QuestionError           a question's parameters are refused: its status, code and reason are the answer
├── SpoolFullError          nothing more fits on disk: 503 with Retry-After
├── SpoolBrokenError        the disk failed under the spool: 503, and the process restarts
├── BatchReusedError        the batch id was used before with other events: 400
├── SchemaError             files, journal and live schema do not agree: never repaired by guessing
├── LockedError             another process holds what is needed: try again when it has ended
└── DatabaseError           ClickHouse answered with an error; `code` is its number
    ├── DatabaseAwayError   no answer, or one that says nothing about the statement: the same again later
    ├── BadRowsError        the rows cannot be read: nothing of the block was stored, so it may be divided
    └── QuestionLimitError  the question is over its limits of time, rows or memory: 422
"""


class ServerError(Exception):
    """Something that has a one-line explanation; no traceback reaches a user."""


def in_words(error: BaseException) -> str:
    """Return an error's own words; the system's are its file and what is wrong, without a number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror.lower()}"
    return str(error)


class ConfigError(ServerError):
    """A setting is missing, unknown or out of bounds."""


class UsageError(ServerError):
    """A command or request names something that does not exist, or does not fit."""


class NoProjectError(UsageError):
    """There is no project of this name, or there is none any more."""


class NameTakenError(ServerError):
    """A new project's name is or was in use."""


class BodyError(ServerError):
    """A request's body is refused whole."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


class QuestionError(ServerError):
    """A question asks for something that is not there, or for too much."""

    def __init__(self, reason: str, *, code: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason


class SpoolFullError(ServerError):
    """The spool has reached its limit, or the disk its reserve."""


class SpoolBrokenError(ServerError):
    """The disk failed under the spool; what was acknowledged before stays valid."""


class BatchReusedError(ServerError):
    """A batch id came again with other events."""


class SchemaError(ServerError):
    """Migration files, journal and live schema do not agree."""


class LockedError(ServerError):
    """Another process holds the lock."""


class DatabaseError(ServerError):
    """ClickHouse refused a statement."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class DatabaseAwayError(DatabaseError):
    """ClickHouse did not answer, or its answer leaves the outcome open."""


class BadRowsError(DatabaseError):
    """ClickHouse could not read the rows of an insert; none was stored."""


class QuestionLimitError(DatabaseError):
    """A question needs more time, rows or memory than it may take."""
