"""Exceptions that a framework answers by itself, so that no middleware around it sees them: Flask's and Django's.

Both send the signal got_request_exception; neither is imported here, it is there if the application is.
"""

import sys
from typing import Any

from .route import route_of_environ, route_of_scope
from .visit import KEY, Visit


def hear_failures() -> None:
    """Record what Flask and Django applications raise from now on in requests that are visits."""
    flask, signals = sys.modules.get("flask"), sys.modules.get("django.core.signals")
    if flask is not None:
        flask.got_request_exception.connect(_flask_failed)
    if signals is not None:
        signals.got_request_exception.connect(_django_failed, dispatch_uid=KEY)


def _flask_failed(sender: object, exception: Exception, **extra: Any) -> None:
    environ = sys.modules["flask"].request.environ
    visit = environ.get(KEY)
    if isinstance(visit, Visit):
        visit.fail(exception, route_of_environ(environ, environ.get("PATH_INFO", "")))


def _django_failed(sender: object, request: Any, **extra: Any) -> None:
    scope = getattr(request, "scope", None)
    told = request.environ if scope is None else scope
    visit, exception = told.get(KEY), sys.exception()
    if isinstance(visit, Visit) and exception is not None:
        route = route_of_environ if scope is None else route_of_scope
        visit.fail(exception, route(told, request.path_info))
