"""create_app: the routes, who answers what is wrong, and what stands in front of them.

guard → /v1/events: ingestion, plain ASGI, nothing in between
      → everything else: Starlette, with one policy for all answers and one table from errors to answers
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, Response

from . import admin, api, dashboard, data_health, metrics, openapi, privacy, script
from .addresses import Proxies
from .appender import Appender
from .clickhouse import Database
from .config import ServerConfig
from .counters import Counters
from .erasure_work import Place
from .errors import ServerError
from .failures import FAILED, failure_of, retry_seconds
from .folder import defaults_of, directory_path, url_path
from .guard import Application, Guard, Message, Receive, Scope, Send
from .ingest import Ingest
from .places import Places
from .projects import Directory
from .request import SenderGoneError
from .spool import Spool
from .tickets import COOKIE, choose_project, is_write_token, tickets
from .wire import Limits

EVENTS_PATH = "/v1/events"
POSTED_QUESTIONS = ("/api/v1/funnel",)
POLICY = {
    "Content-Security-Policy": dashboard.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

logger = logging.getLogger(__name__)


class Door:
    """Sends ingestion straight to its endpoint and the rest to Starlette, under one policy."""

    def __init__(self, ingest: Ingest, events_paths: frozenset[str], pages: Starlette, directory: Directory) -> None:
        self._ingest = ingest
        self._events_paths = events_paths
        self._pages = pages
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._events_paths:
            await self._ingest(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            self._admit_dashboard(scope)

        async def send_under_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in POLICY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._pages(scope, receive, send_under_policy)

    def _admit_dashboard(self, scope: Scope) -> None:
        """Let the dashboard's cookie stand for a read key where a question only reads.

        `project` in the address is understood beside the cookie alone: it says which of the projects signed in to.
        """
        headers = Headers(raw=scope["headers"])
        cookies = cookie_parser(headers.get("cookie", ""))
        if "authorization" in headers or COOKIE not in cookies or not self._only_reads(scope, headers, cookies[COOKIE]):
            return
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        name = next((value for parameter, value in given if parameter == "project"), None)
        project = choose_project(tickets(cookies, self._directory), name)
        if project is not None:
            scope["dashboard_project"] = project
            scope["query_string"] = urlencode([pair for pair in given if pair[0] != "project"]).encode()

    def _only_reads(self, scope: Scope, headers: Headers, cookie: str) -> bool:
        """Tell whether a request is a question; one that is posted needs the token of our own script."""
        if scope["method"] in ("GET", "HEAD"):
            return True
        given = headers.get("x-csrf-token", "")
        return scope["path"] in POSTED_QUESTIONS and is_write_token(given, cookie, self._directory)


class Parts(Struct, frozen=True):
    """What a worker has opened for its application, for as long as that is used; `database` only reads."""

    directory: Directory
    counters: Counters
    spool: Spool
    appender: Appender
    places: Places
    database: Database
    admin_database: Database


def create_app(config: ServerConfig, parts: Parts) -> Application:
    """Return the application of one worker."""
    proxies = Proxies.parse(config.trusted_proxies)
    ingest = Ingest(
        directory=parts.directory,
        appender=parts.appender,
        limits=limits_of(config),
        trusted_proxies=proxies,
        places=parts.places,
        rate_limit=config.rate_limit_events_per_second / config.workers,  # a key's connections spread over them
        counters=parts.counters,
    )
    events_paths = frozenset((EVENTS_PATH, config.events_path))
    return Guard(Door(ingest, events_paths, make_pages(config, parts), parts.directory))


def make_pages(config: ServerConfig, parts: Parts) -> Starlette:
    """Return everything but ingestion."""
    directory = parts.directory
    others = config.clickhouse_url is not None
    cluster = config.clickhouse_cluster
    place = Place(parts.admin_database, directory, parts.spool, config.data_dir, cluster, has_other_nodes=others)
    folder = admin.Folder(directory_path(config.data_dir), url_path(config.data_dir), config.clickhouse_cluster)
    pages = Starlette(
        routes=[
            *metrics.routes(parts.appender, parts.spool, directory, parts.counters),
            *openapi.routes(),
            *script.routes(config.agent_path, config.events_path),
            *api.routes(parts.database, directory, lambda: parts.spool.status().oldest_at),
            *admin.routes(parts.admin_database, directory, folder, defaults_of(config)),
            *data_health.routes(directory, parts.counters, parts.spool),
            *privacy.routes(place),
            *dashboard.routes(directory, directory_path(config.data_dir), Proxies.parse(config.trusted_proxies)),
        ],
        exception_handlers={
            ServerError: answer_failure,
            HTTPException: answer_http,
            SenderGoneError: answer_nobody,
            Exception: answer_bug,
        },
    )
    pages.router.redirect_slashes = False
    return pages


def limits_of(config: ServerConfig) -> Limits:
    return Limits(
        max_body_bytes=config.max_body_bytes,
        max_inflated_bytes=config.max_inflated_bytes,
        max_batch_events=config.max_batch_events,
        max_event_bytes=config.max_event_bytes,
    )


def error_answer(status: int, code: str, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    seconds = retry_seconds(status, code)
    further = {} if seconds is None else {"Retry-After": str(seconds)}
    body = {"error": {"code": code, "reason": reason}}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store", **further, **(headers or {})})


async def answer_failure(_: Request, error: Exception) -> Response:
    """Answer one of our own errors as the table says."""
    failure = failure_of(error)
    if failure.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("a request failed", exc_info=error)
    return error_answer(*failure)


async def answer_http(_: Request, error: Exception) -> Response:
    """Answer what Starlette refuses: no such path, or another method."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    is_unknown = error.detail == HTTPStatus.NOT_FOUND.phrase
    reason = "there is no such path; /openapi.json names them all" if is_unknown else error.detail
    return error_answer(error.status_code, code, reason, error.headers)


async def answer_nobody(_: Request, __: Exception) -> Response:
    """Answer for form's sake who has gone before the body was there."""
    return Response(status_code=400)


async def answer_bug(_: Request, __: Exception) -> Response:
    """Answer what nobody foresaw; Starlette raises it again, so that it is logged."""
    return error_answer(*FAILED)
