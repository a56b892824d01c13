"""The route that answered a request, where the framework tells it: its template and its name.

Starlette  scope["endpoint"], looked for among the routes of scope["router"]; FastAPI is made of it
Others     that leave an endpoint: the values of the parameters are put back into the path
Flask      environ["werkzeug.request"], whose rule is known from the match until the answer has started
Django     the path resolved once more, because it leaves nothing of its match behind
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct


class Route(Struct, frozen=True):
    """`/items/{id}` or `/items/<int:id>`, as the framework writes it, and what the program calls it."""

    template: str | None = None
    name: str | None = None


NO_ROUTE = Route()


class _Template(Struct, frozen=True):
    """A route's template, the names in it, and what matches a path of it, after the prefix that a proxy cuts off."""

    text: str
    names: frozenset[str]
    matches: re.Pattern[str]


_MAX_ROUTERS = 16  # a program has one or two; its tests make many
_known: dict[int, tuple[Any, dict[int, list[_Template]]]] = {}  # by id: a router, kept so that no other has its id


def route_of_scope(scope: Mapping[str, Any], path: str) -> Route:
    """Return the route that an ASGI application left in the scope."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return _route_of_django(path)
    route = scope.get("route")
    name = getattr(route, "name", None) or getattr(endpoint, "__name__", None)
    params = scope.get("path_params") or {}
    return Route(_template(scope.get("router"), endpoint, path, params) or _fill_in(path, params), name)


def route_of_environ(environ: Mapping[str, Any], path: str) -> Route:
    """Return the route that a WSGI application left in the environment."""
    request = environ.get("werkzeug.request")
    if request is None:
        return _route_of_django(path)
    rule = getattr(request, "url_rule", None)
    return Route(rule.rule, rule.endpoint) if rule is not None else NO_ROUTE


def _template(router: Any, endpoint: Any, path: str, params: Mapping[str, Any]) -> str | None:
    """Return the template of the endpoint's route that fits the path; None where the router does not tell."""
    if not isinstance(getattr(router, "routes", None), list):  # a router of another kind
        return None
    _, templates = _known.get(id(router), (router, {}))
    if id(endpoint) not in templates:  # also a route that was made after the router was looked at
        templates = {id(endpoint): []}
        for owner, template in _walk(router.routes, ""):
            templates.setdefault(id(owner), []).append(template)
        if len(_known) >= _MAX_ROUTERS:
            _known.clear()
        _known[id(router)] = router, templates
    for template in templates[id(endpoint)]:
        found = template.matches.fullmatch(path) if template.names <= params.keys() else None
        if found is not None:
            return f"{found[1]}{template.text}"
    return None


def _walk(routes: Iterable[Any], prefix: str) -> Iterator[tuple[Any, _Template]]:
    """Yield endpoint and template of each route, of mounted applications too."""
    for route in routes:
        path = f"{prefix}{getattr(route, 'path', '')}"
        yield from _walk(getattr(route, "routes", None) or (), path)
        texts, names, kinds = (re.split(r"\{(\w+)(?::(\w+))?\}", path)[part::3] for part in range(3))
        values = [".*" if kind == "path" else "[^/]+" for kind in kinds]
        pattern = "".join(map("".join, zip(map(re.escape, texts), [*values, ""], strict=True)))
        text = "".join(map("".join, zip(texts, [*(f"{{{name}}}" for name in names), ""], strict=True)))
        yield getattr(route, "endpoint", None), _Template(text, frozenset(names), re.compile(f"(.*?){pattern}"))


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
