"""The route that answered a request, where the framework tells it: its template and its name.

FastAPI    scope["route"], the route itself
Starlette  scope["endpoint"] and the values of the parameters, which are put back into the path
Flask      environ["werkzeug.request"], whose rule is known from the match until the answer has started
Django     the path resolved once more, because it leaves nothing of its match behind
"""

import sys
from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Route(Struct, frozen=True):
    """`/items/{id}` or `/items/<int:id>`, as the framework writes it, and what the program calls it."""

    template: str | None = None
    name: str | None = None


NO_ROUTE = Route()


def route_of_scope(scope: Mapping[str, Any], path: str) -> Route:
    """Return the route that an ASGI application left in the scope."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return _route_of_django(path)
    route = scope.get("route")
    name = getattr(route, "name", None) or getattr(endpoint, "__name__", None)
    return Route(_fill_in(path, scope.get("path_params") or {}), name)


def route_of_environ(environ: Mapping[str, Any], path: str) -> Route:
    """Return the route that a WSGI application left in the environment."""
    request = environ.get("werkzeug.request")
    if request is None:
        return _route_of_django(path)
    rule = getattr(request, "url_rule", None)
    return Route(rule.rule, rule.endpoint) if rule is not None else NO_ROUTE


def _fill_in(path: str, params: Mapping[str, Any]) -> str:
    """Return the path with the parameters' names in the place of their values."""
    done = 0
    for name, value in params.items():
        text = str(value)
        place = _find(path, text, done)
        if place >= 0:
            path = f"{path[:place]}{{{name}}}{path[place + len(text) :]}"
            done = place + len(name) + 2
    return path


def _find(path: str, text: str, start: int) -> int:
    """Return where the text stands as whole segments, else where it stands at all, else -1."""
    place = path.find(f"/{text}", start)
    while place >= 0:
        end = place + 1 + len(text)
        if end == len(path) or path[end] == "/":
            return place + 1
        place = path.find(f"/{text}", place + 1)
    return path.find(text, start) if text else -1


def _route_of_django(path: str) -> Route:
    urls, conf = sys.modules.get("django.urls"), sys.modules.get("django.conf")
    if urls is None or conf is None or not conf.settings.configured:
        return NO_ROUTE
    try:
        match = urls.resolve(path)
    except urls.Resolver404:
        return NO_ROUTE
    return Route("/" + match.route.lstrip("^/"), match.view_name)
