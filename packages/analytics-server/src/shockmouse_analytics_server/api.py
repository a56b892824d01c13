"""The query API, /api/v1/…: who asks, which question, the answer as JSON. What each path tells: docs/api.md.

Key        `Authorization: Bearer rk_…` decides the project, no parameter does; without one, the dashboard's cookie
           does, which app.py has judged: it leaves the project in the scope
List       {"rows": […], "next": a cursor or null, "exact": true}
Refusals   are raised as QuestionError; app.py turns every error into its answer
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .access import find_key
from .breakdown import DEFAULT_METRICS, breakdown
from .clickhouse import Database
from .devices import device, devices, summary
from .errors import QuestionError
from .events import events
from .export import FORMATS, export
from .funnel import MAX_BODY_BYTES, Funnel, funnel, parse_funnel
from .narrowing import explained
from .paths import DIRECTIONS, STEPS, paths
from .projects import Directory
from .properties import properties
from .question import (
    COMMON,
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_OFFSET,
    Question,
    choose,
    parse_integer,
    parse_question,
)
from .ranges import INTERVALS
from .realtime import DEFAULT_PAGES, RECENT, realtime
from .request import read_body, read_headers
from .retention import COHORTS, retention
from .sessions import session, sessions, sessions_of_device
from .stats import stats
from .stream import Streams, parse_place
from .tickets import choose_project, tickets
from .timeseries import timeseries
from .totals import METRICS
from .turns import Turns
from .vitals import vitals

EVER = timedelta(days=365 * 50)
SESSIONS_OF_DEVICE = 100
EXPORTS = 4  # at a time and process


class Ask(Struct, frozen=True, kw_only=True):
    """One request, understood: `given` are the parameters that only this path knows, `id` what its path names."""

    database: Database
    question: Question
    given: dict[str, str]
    id: str
    body: Funnel | None = None


class Path(Struct, frozen=True, kw_only=True):
    """A path of the API: what answers it, the parameters it knows beside the common ones, its usual range."""

    path: str
    answer: Callable[[Ask], Awaitable[object]]
    also: frozenset[str] = frozenset()
    usually: timedelta = timedelta(days=30)
    method: str = "GET"


async def answer_stats(ask: Ask) -> object:
    if "compare" in ask.given:
        choose("compare", ask.given["compare"], ["previous"])
    return await stats(ask.database, ask.question, with_previous="compare" in ask.given)


async def answer_timeseries(ask: Ask) -> object:
    metric = choose("metric", ask.given.get("metric", "visitors"), METRICS)
    interval = choose("interval", ask.given.get("interval", "day"), INTERVALS)
    return as_list(await timeseries(ask.database, ask.question, metric=metric, interval=interval))


async def answer_breakdown(ask: Ask) -> object:
    if "dimension" not in ask.given:
        raise QuestionError("dimension is missing", code="missing_parameter")
    metrics = [choose("metric", name, METRICS) for name in ask.given.get("metrics", DEFAULT_METRICS).split(",")]
    found = await breakdown(
        ask.database,
        ask.question,
        dimension=ask.given["dimension"],
        metrics=metrics,
        limit=parse_integer("limit", ask.given, DEFAULT_LIMIT, 1, MAX_LIMIT),
        offset=parse_integer("offset", ask.given, 0, 0, MAX_OFFSET),
    )
    return as_list(found.rows, found.following, exact=found.exact)


async def answer_sessions(ask: Ask) -> object:
    return as_list(*await sessions(ask.database, ask.question, ask.given))


async def answer_session(ask: Ask) -> object:
    return await session(ask.database, ask.question, ask.id, ask.given)


async def answer_devices(ask: Ask) -> object:
    return as_list(*await devices(ask.database, ask.question, ask.given))


async def answer_summary(ask: Ask) -> object:
    return await summary(ask.database, ask.question, ask.given)


async def answer_device(ask: Ask) -> object:
    found = await device(ask.database, ask.question, ask.id)
    recent = await sessions_of_device(ask.database, ask.question, ask.id, SESSIONS_OF_DEVICE)
    return {**found, "sessions": recent}


async def answer_events(ask: Ask) -> object:
    return as_list(*await events(ask.database, ask.question, ask.given))


async def answer_realtime(ask: Ask) -> object:
    pages = parse_integer("limit", ask.given, DEFAULT_PAGES, 1, MAX_LIMIT)
    return await realtime(ask.database, ask.question, pages)


async def answer_properties(ask: Ask) -> object:
    limit = parse_integer("limit", ask.given, DEFAULT_LIMIT, 1, MAX_LIMIT)
    rows, exact = await properties(ask.database, ask.question, limit)
    return as_list(rows, exact=exact)


async def answer_vitals(ask: Ask) -> object:
    limit = parse_integer("limit", ask.given, DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = parse_integer("offset", ask.given, 0, 0, MAX_OFFSET)
    dimension = ask.given.get("dimension")
    found = await vitals(ask.database, ask.question, dimension=dimension, limit=limit, offset=offset)
    return as_list(found.rows, found.following, exact=found.exact)


async def answer_funnel(ask: Ask) -> object:
    assert ask.body is not None
    limit = parse_integer("limit", ask.given, DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = parse_integer("offset", ask.given, 0, 0, MAX_OFFSET)
    dimension = ask.given.get("breakdown")
    return as_list(*await funnel(ask.database, ask.question, ask.body, dimension=dimension, limit=limit, offset=offset))


async def answer_retention(ask: Ask) -> object:
    interval = choose("interval", ask.given.get("interval", "day"), COHORTS)
    return as_list(await retention(ask.database, ask.question, interval))


async def answer_paths(ask: Ask) -> object:
    limit = parse_integer("limit", ask.given, DEFAULT_LIMIT, 1, MAX_LIMIT)
    direction = choose("direction", ask.given.get("direction", "next"), DIRECTIONS)
    steps = choose("steps", ask.given.get("steps", "all"), STEPS)
    return as_list(await paths(ask.database, ask.question, ask.given, direction=direction, steps=steps, limit=limit))


def as_list(rows: object, following: str | int | None = None, *, exact: bool = True) -> dict[str, object]:
    return {"rows": rows, "next": following, "exact": exact}


PAGED = frozenset({"limit", "cursor"})
PATHS = (
    Path(path="/stats", answer=answer_stats, also=frozenset({"compare"})),
    Path(path="/timeseries", answer=answer_timeseries, also=frozenset({"metric", "interval"})),
    Path(path="/breakdown", answer=answer_breakdown, also=frozenset({"dimension", "metrics", "limit", "offset"})),
    Path(path="/sessions", answer=answer_sessions, also=PAGED),
    Path(path="/sessions/{id:path}", answer=answer_session, also=PAGED | {"device_id"}, usually=EVER),
    Path(path="/devices", answer=answer_devices, also=PAGED),
    Path(path="/devices/summary", answer=answer_summary, also=frozenset({"limit"})),
    Path(path="/devices/{id:path}", answer=answer_device),
    Path(path="/events", answer=answer_events, also=PAGED),
    Path(path="/realtime", answer=answer_realtime, also=frozenset({"limit"}), usually=RECENT),
    Path(path="/properties", answer=answer_properties, also=frozenset({"limit"})),
    Path(path="/vitals", answer=answer_vitals, also=frozenset({"dimension", "limit", "offset"})),
    Path(path="/funnel", answer=answer_funnel, also=frozenset({"breakdown", "limit", "offset"}), method="POST"),
    Path(path="/retention", answer=answer_retention, also=frozenset({"interval"})),
    Path(path="/paths", answer=answer_paths, also=frozenset({"page", "event", "direction", "steps", "limit"})),
)


def routes(
    database: Database, directory: Directory, waiting_since: Callable[[], float | None] = lambda: None
) -> list[Route]:
    """Return the API's routes; `database` is open while they are used, in the role "query".

    waiting_since: when the oldest was received of what waits in this node's spool, in seconds since 1970.
    """
    streams = Streams(waiting_since)
    turns = Turns()
    return [
        Route("/api/v1/events/stream", stream_endpoint(database, directory, streams), methods=["GET"]),
        Route("/api/v1/export", export_endpoint(database, directory), methods=["GET"]),
        *(
            Route(f"/api/v1{path.path}", ask_endpoint(path, database, directory, turns), methods=[path.method])
            for path in PATHS
        ),
    ]


def ask_endpoint(
    path: Path, database: Database, directory: Directory, turns: Turns
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        project = directory.project(find_project(request, directory))
        body = parse_funnel(await read_small(request)) if path.method == "POST" else None
        question, given = parse_question(
            request.query_params.multi_items() + (body.items() if body else []),
            project=project.name,
            timezone=project.timezone,
            now=datetime.now(UTC),
            usually=path.usually,
            also=path.also,
        )
        named = request.path_params.get("id", "")
        filters = [*request.query_params.getlist("filter"), *(body.filter if body else ())]
        async with turns.turn(project.name):
            with explained(question, given, filters):
                answer = await path.answer(Ask(database=database, question=question, given=given, id=named, body=body))
        return json_response(answer)

    return respond


def stream_endpoint(
    database: Database, directory: Directory, streams: Streams
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        project = directory.project(find_project(request, directory))
        question, _ = parse_question(
            request.query_params.multi_items(),
            project=project.name,
            timezone=project.timezone,
            now=(now := datetime.now(UTC)),
            usually=timedelta(0),
            also=frozenset(),
            common=COMMON - {"from", "to"},
        )
        place = parse_place(request.headers.get("last-event-id"), now)
        streams.check()
        told = streams.follow(database, question, place, lambda: find_project(request, directory))
        first = await anext(told)  # while the database is away, the answer has its status

        async def written() -> AsyncIterator[bytes]:
            yield first
            async for part in told:
                yield part

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stack = contextlib.AsyncExitStack()
        stack.push_async_callback(told.aclose)
        return Download(stack, written(), media_type="text/event-stream", headers=headers)

    return respond


def export_endpoint(database: Database, directory: Directory) -> Callable[[Request], Awaitable[Response]]:
    turns = Turns(EXPORTS, waiting=0)

    async def respond(request: Request) -> Response:
        project = directory.project(find_project(request, directory))
        question, given = parse_question(
            request.query_params.multi_items(),
            project=project.name,
            timezone=project.timezone,
            now=datetime.now(UTC),
            usually=timedelta(days=30),
            also=frozenset({"format"}),
        )
        form = choose("format", given.get("format", "jsonl"), FORMATS)
        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(turns.turn(project.name))
        parts = export(database, question, form)
        stack.push_async_callback(parts.aclose)
        try:
            with explained(question, {}, request.query_params.getlist("filter")):
                first = await anext(parts)  # what is wrong with the question has its status
        except BaseException:
            await stack.aclose()
            raise

        async def written() -> AsyncIterator[bytes]:
            yield first.body
            async for part in parts:
                yield part.body

        name = f'attachment; filename="{project.name}.{form}"'
        headers = {"Cache-Control": "no-store", "Content-Disposition": name}
        return Download(stack, written(), media_type=FORMATS[form].media_type, headers=headers)

    return respond


class Download(StreamingResponse):
    """An answer that is streamed, and what is to be closed after it, however it ends."""

    def __init__(self, stack: contextlib.AsyncExitStack, content: AsyncIterator[bytes], **options: Any) -> None:
        super().__init__(content, **options)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            await super().__call__(scope, receive, send)


async def read_small(request: Request) -> bytes:
    """Return the body. Raises BodyError: it is too large or too slow."""
    return await read_body(request.receive, read_headers(request.scope), MAX_BODY_BYTES)


def find_project(request: Request, directory: Directory) -> str:
    """Return the project that the request's read key belongs to, or else the one signed in to the dashboard.

    Raises QuestionError: there is no key, it is unknown, or of another kind; or the session has ended meanwhile, as a
    stream asks again while it lasts.
    """
    if "dashboard_project" in request.scope and "authorization" not in request.headers:
        project = choose_project(tickets(request.cookies, directory), request.scope["dashboard_project"])
        if project is None:
            raise QuestionError("sign in first", code="signed_out", status=401)
        return project
    return find_key(request.headers.get("authorization", ""), directory, "read").project


def json_response(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"})
