"""What can go wrong, by what the caller would do about it.

AnalyticsError
├── ConfigError           a setting is missing, unknown or out of bounds
├── ClosedError           flush() after close(); track() then drops with reason "closed"
├── StoreError            the offline store cannot be read or written; in the background memory takes its place
└── DeliveryError         raised by flush() in debug only; in the background it is counted
    ├── UnreachableError  no usable answer, 408, 5xx: retried
    ├── ThrottledError    429 or 503: retried after retry_after_seconds
    ├── TooLargeError     413: halved, unless the batch's outcome was unclear before
    └── RejectedError     401, 403, 404: waits and is tried every 5 minutes, a wrong key can be mended;
                          any other 4xx: set aside on disk with the reason
"""

from collections.abc import Mapping


class AnalyticsError(Exception):
    """Something that has a one-line explanation; the class to catch for all of them.

    >>> try:
    ...     Analytics(endpoint="nowhere")
    ... except AnalyticsError as exc:
    ...     print(exc)
    endpoint is 'nowhere', but should be like https://stats.example.com
    """


class ConfigError(AnalyticsError):
    """A setting is missing, unknown or out of bounds.

    >>> Analytics("wk_shop_0123456789", sample_rate=1.5)
    Traceback (most recent call last):
    shockmouse_analytics.errors.ConfigError: sample_rate 1.5: must be at most 1
    """


class ClosedError(AnalyticsError):
    """The client was closed; make a new one.

    >>> analytics.close()
    >>> analytics.deliver_stored()
    Traceback (most recent call last):
    shockmouse_analytics.errors.ClosedError: the client is closed: make a new one
    """


class StoreError(AnalyticsError):
    """The offline store cannot be used; `damaged`: its file is no database any more; `busy`: others use it."""

    def __init__(self, message: str, *, damaged: bool = False, busy: bool = False) -> None:
        super().__init__(message)
        self.damaged = damaged
        self.busy = busy


class DeliveryError(AnalyticsError):
    """A batch was not acknowledged; with `debug` flush() raises the kind that says why.

    >>> away = Analytics("wk_shop_0123456789", endpoint="http://127.0.0.1:9", debug=True)
    >>> away.track("Report exported")
    >>> try:
    ...     away.flush(timeout=1)
    ... except DeliveryError as exc:
    ...     print(type(exc).__name__)
    UnreachableError
    >>> away.close()
    """


class UnreachableError(DeliveryError):
    """No usable answer; `unclear` unless it is certain that nothing reached the server.

    >>> UnreachableError("cannot connect to stats.example.com:443: connection refused", unclear=False).unclear
    False
    """

    def __init__(self, message: str, *, unclear: bool = True) -> None:
        super().__init__(message)
        self.unclear = unclear


class ThrottledError(DeliveryError):
    """The server asks to wait, None where it does not say how long; `unclear` unless it certainly stored nothing.

    >>> ThrottledError("429", retry_after_seconds=30.0).retry_after_seconds
    30.0
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, unclear: bool = False) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.unclear = unclear


class TooLargeError(DeliveryError):
    """The server takes no request of this many bytes.

    >>> print(TooLargeError(2_000_000))
    413: a batch of 2000000 bytes is too large for the server
    """

    def __init__(self, body_bytes: int) -> None:
        super().__init__(f"413: a batch of {body_bytes} bytes is too large for the server")
        self.body_bytes = body_bytes


class RejectedError(DeliveryError):
    """The server refuses the batch: `code` says why.

    mendable  the same batch may be taken later: the key or the address is wrong, not the batch
    events    refused events by code, where the server judged each event; empty where it refused the batch as a whole

    >>> RejectedError("401 unknown_key: no such key", code="unknown_key", mendable=True).code
    'unknown_key'
    """

    def __init__(
        self, message: str, *, code: str, mendable: bool = False, events: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.mendable = mendable
        self.events = dict(events or {})
