"""/data-health: what became of a project's events, for whoever is signed in to its dashboard.

project    its own counts since the server began to count, and why rows of it wait in quarantine
server     what waits on disk and how long, inserts that are tried again; and requests refused whole: the project's own,
           or all of them where it is the server's only one. Whose an unknown key was meant to be nobody knows, and what
           others send is not for this reader
"""

import asyncio
import time
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .counters import Count, Counters
from .errors import QuestionError
from .projects import Directory
from .quarantine import reasons
from .spool import Spool
from .tickets import choose_project, tickets

REASONS = 20
OF_PROJECT = ("accepted", "duplicates")
OF_PROJECT_BY_LABEL = ("rejected", "dropped", "client_dropped")


def describe(project: str, counters: Counters, spool: Spool, now: float, *, is_only: bool) -> dict[str, object]:
    """Return the answer; `is_only` says that the server has no other project."""
    own, whole, status = counters.totals_of(project), counters.totals(), spool.status()
    return {
        "project": {
            **{name: by_label(own, name).get("", 0) for name in OF_PROJECT},
            **{name: by_label(own, name) for name in OF_PROJECT_BY_LABEL},
            "quarantine": [
                {"reason": found.reason, "rows": found.rows, "last_at": datetime.fromtimestamp(found.last_at, UTC)}
                for found in reasons(spool.file, project, REASONS)
            ],
        },
        "server": {
            "refused": by_label(whole if is_only else own, "refused"),
            "load_failures": by_label(whole, "load_failures"),
            "spool_rows": status.rows,
            "spool_bytes": status.bytes,
            "lag_seconds": 0.0 if status.oldest_at is None else max(0.0, now - status.oldest_at),
            "quarantined": status.quarantined,
        },
    }


def by_label(counts: list[Count], name: str) -> dict[str, int]:
    return {count.label: count.value for count in counts if count.name == name}


def routes(directory: Directory, counters: Counters, spool: Spool) -> list[Route]:
    """Return the route."""

    async def show(request: Request) -> Response:
        project = choose_project(tickets(request.cookies, directory), request.query_params.get("project"))
        if project is None:
            raise QuestionError("sign in to this project first", code="signed_out", status=401)
        is_only = [each.name for each in directory.projects()] == [project]
        body = await asyncio.to_thread(describe, project, counters, spool, time.time(), is_only=is_only)
        return Response(msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "no-store"})

    return [Route("/data-health", show)]
