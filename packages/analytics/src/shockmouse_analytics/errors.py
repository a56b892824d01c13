"""What can go wrong, by what the caller would do about it.

AnalyticsError
├── ConfigError           a setting is missing, unknown or out of bounds
├── ClosedError           flush() after close(); track() then drops with reason "closed"
├── StoreError            the offline store cannot be read or written; in the background memory takes its place
└── DeliveryError         raised by flush() in debug only; in the background it is counted
    ├── UnreachableError  no usable answer, 408, 5xx: retried
    ├── ThrottledError    429 or 503: retried after retry_after_seconds
    ├── TooLargeError     413: halved, unless the batch's outcome was unclear before
    └── RejectedError     any other 4xx: set aside on disk with the reason
                          (401, 403, 404: tried again every 5 minutes, a wrong key can be mended)
"""

from collections.abc import Mapping


class AnalyticsError(Exception):
    """Something that has a one-line explanation."""


class ConfigError(AnalyticsError):
    """A setting is missing, unknown or out of bounds."""


class ClosedError(AnalyticsError):
    """The client was closed; make a new one."""


class StoreError(AnalyticsError):
    """The offline store cannot be used; `damaged`: its file is no database any more; `busy`: others use it."""

    def __init__(self, message: str, *, damaged: bool = False, busy: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged
        self.busy = busy


class DeliveryError(AnalyticsError):
    """A batch was not acknowledged."""


class UnreachableError(DeliveryError):
    """No usable answer; `unclear` unless it is certain that nothing reached the server."""

    def __init__(self, message: str, *, unclear: bool = True) -> None:
        super().__init__(message)
        self.unclear = unclear


class ThrottledError(DeliveryError):
    """The server asks to wait, None where it does not say how long; `unclear` unless it certainly stored nothing."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, unclear: bool = False) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.unclear = unclear


class TooLargeError(DeliveryError):
    """The server takes no request of this many bytes."""

    def __init__(self, body_bytes: int) -> None:
        super().__init__(f"413: a batch of {body_bytes} bytes is too large for the server")
        self.body_bytes = body_bytes


class RejectedError(DeliveryError):
    """The server refuses the batch: `code` says why.

    mendable  the same batch may be taken later: the key or the address is wrong, not the batch
    events    refused events by code, where the server judged each event; empty where it refused the batch as a whole
    """

    def __init__(
        self, message: str, *, code: str, mendable: bool = False, events: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.mendable = mendable
        self.events = dict(events or {})
