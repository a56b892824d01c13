"""/api/v1/privacy/…: what a data protection officer asks for, over HTTP as on the command line, with an admin key.

erase      answers 200 with the receipt when nothing is left; when that takes longer than WAIT_SECONDS, or ClickHouse is
           away, 202 and the address of its progress. It goes on then, also when this process ends: the loader's brings
           it to its end
export     streams everything held about one user or device
audit      who erased, exported or changed what
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from . import audit, erasure, erasure_journal
from .access import find_key
from .admin import answer, read_json
from .erasure import Receipt
from .erasure_journal import Subject
from .erasure_work import Place
from .errors import DatabaseAwayError, QuestionError
from .projects import Key
from .subject_export import export_subject

WAIT_SECONDS = 50.0  # proxies give up after a minute
SUBJECTS = ("user_id", "device_id")
LONGEST = {"user_id": 256, "device_id": 64}

logger = logging.getLogger(__name__)


class Whom(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that erases: one of the two."""

    user_id: str = ""
    device_id: str = ""


class Privacy:
    """The routes' endpoints; `place` is open while they are used."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._running: dict[str, asyncio.Task[Receipt]] = {}

    async def erase(self, request: Request) -> Response:
        key = self._key(request, ())
        asked = await read_json(request, Whom)
        subject = subject_of(key.project, {"user_id": asked.user_id, "device_id": asked.device_id})
        begun = await asyncio.to_thread(erasure.begin, self._place, subject, key.prefix)
        task = self._running.get(begun.id) or asyncio.create_task(erasure.erase(self._place, subject, key.prefix))
        self._running[begun.id] = task
        task.add_done_callback(lambda _: self._running.pop(begun.id, None))
        try:
            receipt = await asyncio.wait_for(asyncio.shield(task), WAIT_SECONDS)
        except (TimeoutError, DatabaseAwayError):
            where = f"/api/v1/privacy/erasures/{begun.id}"
            response = answer({"erasure": begun.id, "state": "running", "progress": where}, 202)
            response.headers["Location"] = where
            return response
        return answer(receipt)

    async def progress(self, request: Request) -> Response:
        key = self._key(request, ())
        wanted = request.path_params["id"]
        for each in await asyncio.to_thread(erasure_journal.unfinished, self._place.journal):
            if (each.id, each.subject.project) == (wanted, key.project):
                return answer({"erasure": each.id, "state": "running", "done": each.done}, 202)
        receipt = await audit.receipt(self._place.database, key.project, wanted)
        if receipt is None:
            raise QuestionError("there is no such erasure", code="not_found", status=404)
        return answer({"state": "finished", **receipt})

    async def export(self, request: Request) -> Response:
        key = self._key(request, SUBJECTS)
        subject = subject_of(key.project, dict(request.query_params))
        parts = export_subject(self._place, subject, key.prefix)
        first = await anext(parts)  # what fails before the first line has its status

        async def written() -> AsyncIterator[bytes]:
            yield first
            async for part in parts:
                yield part

        headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="subject.jsonl"'}
        return StreamingResponse(written(), media_type="application/x-ndjson", headers=headers)

    async def audit(self, request: Request) -> Response:
        key = self._key(request, ())
        rows = await audit.entries(self._place.database, key.project)
        return answer({"rows": rows, "next": None, "exact": True})

    def _key(self, request: Request, known: tuple[str, ...]) -> Key:
        """Return the admin key. Raises QuestionError: there is none, or a parameter is not known or given twice."""
        key = find_key(request.headers.get("authorization", ""), self._place.directory, "admin")
        names = [name for name, _ in request.query_params.multi_items()]
        for name in names:
            if name not in known:
                raise QuestionError(f"unknown parameter {name[:100]!r}", code="unknown_parameter")
            if names.count(name) > 1:
                raise QuestionError(f"{name} is given twice", code="bad_parameter")
        return key


def subject_of(project: str, given: dict[str, str]) -> Subject:
    """Return whom the request names. Raises QuestionError: nobody, or two."""
    named = {name: given.get(name, "") for name in SUBJECTS if given.get(name, "")}
    if len(named) != 1:
        raise QuestionError("give user_id or device_id, one of them", code="bad_subject")
    ((name, text),) = named.items()
    if len(text) > LONGEST[name]:
        raise QuestionError(f"{name} has at most {LONGEST[name]} characters", code="bad_subject")
    return Subject(project=project, **named)


def routes(place: Place) -> list[Route]:
    """Return the routes about persons."""
    served = Privacy(place)
    endpoints: list[tuple[str, str, Any]] = [
        ("erase", "POST", served.erase),
        ("erasures/{id}", "GET", served.progress),
        ("export", "GET", served.export),
        ("audit", "GET", served.audit),
    ]
    return [Route(f"/api/v1/privacy/{path}", endpoint, methods=[method]) for path, method, endpoint in endpoints]
