"""/api/v1/projects…: a project, its keys, settings and links over HTTP, as on the command line.

Key        `Authorization: Bearer ak_…` administers the one project that it belongs to: the list holds that one, and an
           address that names another is answered 404, whether there is such a project or not
Creation   only with a key of the project FIRST, which `serve` makes at its first start for whoever runs the server
Changes    ClickHouse first, then this node's mirror, both by registry.py; other workers and nodes follow as it says
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import erasure_journal, expiry, registry
from .access import find_key
from .clickhouse import Database
from .erasure_journal import Subject
from .errors import QuestionError, UsageError
from .links import Link, add_link, link_url
from .mismatch import explain
from .projects import Directory, Project
from .registry import FIRST, ProjectChange
from .request import read_body, read_headers

MAX_BODY_BYTES = 4096
Body = TypeVar("Body", bound=Struct)


class Creation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that makes a project."""

    name: str


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that makes a new key and revokes the one before the last."""

    rotate: Literal["write", "read", "admin"]


class Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that changes settings; what is missing or null stays."""

    retention_days: int | None = None
    rollup_retention_days: int | None = None
    ip: str | None = None
    timezone: str | None = None
    dry_run: bool = False


class Deletion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body that ends a project: `yes` says that this is meant."""

    yes: Literal[True]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of what needs no words."""


class Administration:
    """The routes' endpoints; `database` is open while they are used, in the role "admin"."""

    def __init__(self, database: Database, directory: Directory, folder_of: "Folder", defaults: ProjectChange) -> None:
        self._database = database
        self._directory = directory
        self._folder = folder_of
        self._defaults = defaults

    async def show(self, request: Request) -> Response:
        """List the key's project."""
        name = self._allowed(request)
        await self._sync()
        return answer({"rows": [registry.settings_of(self._directory.project(name))], "next": None, "exact": True})

    async def create(self, request: Request) -> Response:
        name = self._allowed(request)
        if name != FIRST:
            reason = f"a key of the project {FIRST} creates projects, and this is one of {name}; or `project create`"
            raise QuestionError(reason, code="wrong_project", status=403)
        asked = await read_json(request, Creation)
        with_reason(registry.check_name, asked.name)
        made = await registry.create_project(
            self._database, self._directory, asked.name, self._defaults, who=self._who(request)
        )
        return answer(made, status=201)

    async def keys(self, request: Request) -> Response:
        project = await self._project(request)
        return answer({"project": project.name, "keys": registry.shown_keys(self._directory.keys(project.name))})

    async def rotate(self, request: Request) -> Response:
        asked = await self._asked(request, Rotation)
        project = await self._project(request)
        who = self._who(request)
        token = await registry.rotate_key(self._database, self._directory, project.name, asked.rotate, who=who)
        shown = registry.shown_keys(self._directory.keys(project.name))
        return answer({"project": project.name, "new_key": token, "keys": shown})

    async def change(self, request: Request) -> Response:
        asked = await self._asked(request, Setting)
        wanted = ProjectChange(
            retention_days=asked.retention_days,
            rollup_retention_days=asked.rollup_retention_days,
            ip=asked.ip,
            timezone=asked.timezone,
        )
        if wanted == ProjectChange():
            raise QuestionError("nothing to set: give retention_days, rollup_retention_days, ip or timezone",
                                code="bad_body")  # fmt: skip
        with_reason(registry.check_change, wanted)
        before = await self._project(request)
        shown: dict[str, object] = {}
        if asked.dry_run:
            after = registry.changed(before, wanted)
            shown["rows_going"] = await expiry.going(self._database, after)
        else:
            who = self._who(request)
            after = await registry.set_project(self._database, self._directory, before, wanted, who=who)
            await expiry.keep_as_set(self._database, self._folder.cluster, after)
        shown |= {"before": registry.settings_of(before), "after": registry.settings_of(after)}
        return answer({"project": before.name, **shown, "dry_run": asked.dry_run})

    async def link(self, request: Request) -> Response:
        """Give a one-time link, at the address where `serve` listens: no header of a request says where that is."""
        await self._asked(request, Nothing)
        project = await self._project(request)
        link = Link(project.name, self._directory.read_prefix(project.name))
        token = await asyncio.to_thread(add_link, self._folder.directory_path, link, time.time())
        url = await asyncio.to_thread(self._folder.url_path.read_text, encoding="utf-8")
        return answer({"project": project.name, "link": link_url(url, token), "path": link_url("", token)})

    async def delete(self, request: Request) -> Response:
        await self._asked(request, Deletion)
        project = await self._project(request)
        # The journal first: the loader's process brings to its end what is cut off here.
        who, subject = self._who(request), Subject(project=project.name)
        await asyncio.to_thread(erasure_journal.begin, self._folder.directory_path, subject, who, time.time())
        await registry.delete_project(self._database, self._directory, project, who=who)
        return answer({"project": project.name, "deleted": True})

    def _allowed(self, request: Request) -> str:
        """Return the key's project, which is also the one that the address names, if it names one.

        Raises QuestionError: no admin key, or the address names another project.
        """
        key = find_key(request.headers.get("authorization", ""), self._directory, "admin")
        if request.path_params.get("name", key.project) != key.project:
            raise QuestionError("this key administers no such project", code="not_found", status=404)
        for parameter in request.query_params:
            raise QuestionError(f"unknown parameter {parameter[:100]!r}: there is none", code="unknown_parameter")
        return key.project

    def _who(self, request: Request) -> str:
        """Return the prefix of the key that asks, for the audit log."""
        return find_key(request.headers.get("authorization", ""), self._directory, "admin").prefix

    async def _asked(self, request: Request, kind: type[Body]) -> Body:
        """Return the body, read only for who may ask at all."""
        self._allowed(request)
        return await read_json(request, kind)

    async def _project(self, request: Request) -> Project:
        """Return the key's project as every node knows it now; the key is judged anew, as it may have been revoked."""
        await self._sync()
        return self._directory.project(self._allowed(request))

    async def _sync(self) -> None:
        await registry.sync(self._database, self._directory, time.time())


class Folder(Struct, frozen=True):
    """The files of the data folder that links need, and the cluster that tables are on."""

    directory_path: Path
    url_path: Path
    cluster: str | None


async def read_json(request: Request, kind: type[Body]) -> Body:
    """Return a small body as what it must be; an empty one is an empty object.

    Raises BodyError: it is too large or too slow. QuestionError: it is something else.
    """
    raw = await read_body(request.receive, read_headers(request.scope), MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise QuestionError(explain(exc, raw, kind, "the body"), code="bad_body") from exc


def with_reason(check: Callable[[Any], None], value: object) -> None:
    """Raise QuestionError where the check raises UsageError: in a request it is a bad value."""
    try:
        check(value)
    except UsageError as exc:
        raise QuestionError(str(exc), code="bad_body") from exc


def answer(content: object, status: int = 200) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status, media_type="application/json", headers={"Cache-Control": "no-store"})


def routes(database: Database, directory: Directory, folder: Folder, defaults: ProjectChange) -> list[Route]:
    """Return the routes of administration."""
    served = Administration(database, directory, folder, defaults)

    def route(path: str, method: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(f"/api/v1/projects{path}", endpoint, methods=[method])

    return [
        route("", "GET", served.show),
        route("", "POST", served.create),
        route("/{name}/keys", "GET", served.keys),
        route("/{name}/keys", "POST", served.rotate),
        route("/{name}/set", "POST", served.change),
        route("/{name}/link", "POST", served.link),
        route("/{name}/delete", "POST", served.delete),
    ]
