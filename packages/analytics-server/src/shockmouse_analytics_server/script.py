"""The browser script: GET /agent.js, and under the further name that AGENT_PATH gives it.

Under its further name it posts to the further name of ingestion, EVENTS_PATH, relative to itself; so a block list that
knows the usual names matches neither, and a proxy may put a prefix before both.
"""

import json
import posixpath
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .assets import Asset, make_asset, respond

PATH = "/agent.js"
EVENTS_NAME = '"v1/events"'  # as it stands in the script, once
MAX_AGE_SECONDS = 3600
HEADERS = {
    "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}",
    "Access-Control-Allow-Origin": "*",  # for pages that load it with `crossorigin`
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def make_script(events_name: str = "") -> Asset:
    """Return the script; with a name, it posts to that name, relative to its own."""
    text = files(__package__).joinpath("static", "agent.js").read_text(encoding="utf-8")
    if events_name:
        text = text.replace(EVENTS_NAME, json.dumps(events_name))
    return make_asset("text/javascript", text.encode())


def route(path: str, script: Asset) -> Route:
    """Return the route that serves the script."""

    async def serve(request: Request) -> Response:
        return respond(script, request, HEADERS)

    return Route(path, serve)


def routes(agent_path: str, events_path: str) -> list[Route]:
    """Return the script's routes: one, or two when it has a further name."""
    further = {}
    if agent_path != PATH:
        further[agent_path] = make_script(posixpath.relpath(events_path, posixpath.dirname(agent_path)))
    return [route(path, script) for path, script in ({PATH: make_script()} | further).items()]
