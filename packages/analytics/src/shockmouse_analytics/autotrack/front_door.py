"""What both front doors are made of: the application behind, the settings of docs/web.md, and the script's routes."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from ..analytics import Analytics
from .first_party import FirstParty
from .frameworks import hear_failures
from .request import LOOPBACK
from .routine import is_routine
from .visit import Asked, Refusals, Visits

App = TypeVar("App")


class FrontDoor(Generic[App]):
    """Wraps an application; what a request and an answer are is the subclass's to know."""

    def __init__(
        self,
        app: App,
        analytics: Analytics,
        *,
        inject: bool = False,
        consent: Asked | None = None,
        refusals: Refusals = "strict",
        skip: Asked = is_routine,
        trusted_proxies: Iterable[str] = LOOPBACK,
        timings: bool = True,
        hints: bool = False,
    ) -> None:
        """Wrap the application. Raises ValueError: a proxy is no address and no network, or a value is unknown."""
        self._app = app
        self._visits = Visits(
            analytics,
            consent=consent,
            refusals=refusals,
            skip=skip,
            trusted_proxies=trusted_proxies,
            timings=timings,
            hints=hints,
            inject=inject,
        )
        self._first_party = FirstParty(self._visits) if inject else None
        hear_failures()
