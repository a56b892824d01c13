"""Version of the package; the public names follow."""

__version__ = "0.1.0"

from .analytics import Analytics
from .counts import Stats
from .errors import (
    AnalyticsError,
    ClosedError,
    ConfigError,
    DeliveryError,
    RejectedError,
    ThrottledError,
    TooLargeError,
    UnreachableError,
)
from .event import Event
from .fingerprint import Fingerprint, Fingerprinter
from .requests_manager import RequestsManager
from .visitor import Visitor

__all__ = [
    "Analytics",
    "AnalyticsError",
    "ClosedError",
    "ConfigError",
    "DeliveryError",
    "Event",
    "Fingerprint",
    "Fingerprinter",
    "RejectedError",
    "RequestsManager",
    "Stats",
    "ThrottledError",
    "TooLargeError",
    "UnreachableError",
    "Visitor",
    "__version__",
]
