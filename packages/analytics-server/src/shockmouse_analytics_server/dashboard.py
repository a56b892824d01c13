"""The dashboard's pages, and how one signs in to them.

Sign-in    by a read key or a one-time link; both add a ticket to the cookie (tickets.py), good for SESSION_DAYS. Who
           signs in to several projects keeps them all, and the address says which one is shown
Writes     signing in and out: only from our own pages (Sec-Fetch-Site, Origin); signing out also needs the token that
           /session gives to our script
"""

import asyncio
import collections
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .addresses import Proxies, client_address, read_address
from .assets import Assets
from .errors import QuestionError
from .links import use_link
from .projects import Directory
from .tickets import COOKIE, Ticket, end_session, is_read_key, is_write_token, tickets, write_cookie, write_token

SESSION_DAYS = 7
FORM_BYTES = 4096
FORM_SECONDS = 10.0
ATTEMPTS_PER_MINUTE = 10
REMEMBERED_ADDRESSES = 10_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class Attempts:
    """Counts attempts to sign in by address, for a minute and in memory only."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: collections.Counter[str] = collections.Counter()

    def allow(self, address: str, now: float) -> bool:
        minute = int(now // 60)
        if minute != self._minute or len(self._counts) > REMEMBERED_ADDRESSES:
            self._minute, self._counts = minute, collections.Counter()
        self._counts[address] += 1
        return self._counts[address] <= ATTEMPTS_PER_MINUTE


def is_own_page(request: Request) -> bool:
    """Tell whether a page of this server made the request; what says nothing about pages is no browser.

    A proxy may have taken the port from Host, so without Sec-Fetch-Site the names alone are compared.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or host_name(origin) == host_name("//" + request.headers.get("host", "")) != ""


def host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def read_form(request: Request) -> dict[str, str]:
    """Return a small form's fields. Raises QuestionError: it is too large or does not come."""
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_BYTES:
                    raise QuestionError("the form is too large", code="too_large", status=413)
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except (TimeoutError, ClientDisconnect) as exc:
        raise QuestionError("the form did not come", code="timeout", status=408) from exc
    except ValueError as exc:
        raise QuestionError("the form has too many fields", code="bad_form") from exc
    return {name: given[-1] for name, given in fields.items()}


class Dashboard:
    """The routes' endpoints."""

    def __init__(self, directory: Directory, directory_path: Path, proxies: Proxies) -> None:
        self._directory = directory
        self._directory_path = directory_path
        self._proxies = proxies
        self._attempts = Attempts()
        self._assets = Assets()

    async def show(self, request: Request) -> Response:
        return self._assets.page(request)

    async def static(self, request: Request) -> Response:
        found = self._assets.file(request, **request.path_params)
        if found is None:
            raise QuestionError("there is no such file", code="not_found", status=404)
        return found

    async def session(self, request: Request) -> Response:
        """Tell our script which projects may be shown, the first unless the address names another, and its token."""
        held = tickets(request.cookies, self._directory)
        if not held:
            raise QuestionError("sign in first", code="signed_out", status=401)
        token = write_token(request.cookies[COOKIE], self._directory)
        projects = [self._describe(ticket.project) for ticket in held]
        return JSONResponse(
            {**projects[0], "projects": projects, "token": token}, headers={"Cache-Control": "no-store"}
        )

    def _describe(self, project: str) -> dict[str, str]:
        """Return what the page shows of a project; its write key is public by nature and stands in the snippet."""
        keys = [row.token for row in self._directory.keys(project) if row.kind == "write"]
        timezone = self._directory.project(project).timezone
        return {"project": project, "timezone": timezone, "write_key": keys[0] if keys else ""}

    async def sign_in_by_link(self, request: Request) -> Response:
        """Use up a one-time link. The page comes in this answer, as a strict cookie does not survive a redirect.

        Whoever only looks whether there is something uses up nothing.
        """
        if request.method == "HEAD":
            return self._assets.page(request)
        if "prefetch" in request.headers.get("sec-purpose", ""):
            raise QuestionError("a link that works once is not fetched in advance", code="not_ready", status=503)
        self._count_attempt(request)
        token = request.query_params.get("token", "")
        link = await asyncio.to_thread(use_link, self._directory_path, token, time.time())
        if link is None or not is_read_key(link.project, link.prefix, self._directory):
            return self._assets.page(request, status=410)
        return self._welcome(request, link.project, link.prefix, self._assets.page(request))

    async def sign_in_by_key(self, request: Request) -> Response:
        self._count_attempt(request)
        check_own_page(request)
        token = (await read_form(request)).get("key", "").strip()
        key = self._directory.find_key(token)
        if key is None or key.kind != "read":
            raise QuestionError("this is not a read key of this server", code="unknown_key", status=401)
        return self._welcome(request, key.project, key.prefix, RedirectResponse("/", status_code=303))

    async def sign_out(self, request: Request) -> Response:
        check_own_page(request)
        given = request.headers.get("x-csrf-token", "")
        if not is_write_token(given, request.cookies.get(COOKIE, ""), self._directory):
            raise QuestionError("the request lacks its token", code="forged", status=403)
        await asyncio.to_thread(end_session, request.cookies, self._directory)
        response = JSONResponse({"status": "signed out"})
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    def _count_attempt(self, request: Request) -> None:
        if not self._attempts.allow(self._address(request), time.time()):
            raise QuestionError("too many attempts; wait a minute", code="too_many_attempts", status=429)

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        forwarded_for, forwarded = (request.headers.get(name, "") for name in ("x-forwarded-for", "forwarded"))
        return client_address(peer, forwarded_for, forwarded, self._proxies)

    def _welcome(self, request: Request, project: str, prefix: str, response: Response) -> Response:
        """Add a ticket to the cookie; Secure when the proxy that we trust says that the visitor came by TLS."""
        new = Ticket(project, prefix, int(time.time()) + SESSION_DAYS * 86_400)
        others = [ticket for ticket in tickets(request.cookies, self._directory) if ticket.project != project]
        response.set_cookie(
            COOKIE,
            write_cookie([new, *others], self._directory),
            max_age=SESSION_DAYS * 86_400,
            httponly=True,
            samesite="strict",
            secure=self._came_by_tls(request),
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    def _came_by_tls(self, request: Request) -> bool:
        peer = read_address(request.client.host) if request.client else None
        says_so = request.headers.get("x-forwarded-proto", "").strip().lower() == "https"
        return says_so and peer is not None and self._proxies.trusts(peer)


def check_own_page(request: Request) -> None:
    """Raise QuestionError: another site's page made the request."""
    if not is_own_page(request):
        raise QuestionError("another site's page asked for this", code="forged", status=403)


def routes(directory: Directory, directory_path: Path, proxies: Proxies) -> list[Route]:
    """Return the dashboard's routes."""
    dashboard = Dashboard(directory, directory_path, proxies)
    return [
        Route("/", dashboard.show),
        Route("/static/{version}/{name}", dashboard.static),
        Route("/session", dashboard.session),
        Route("/sign-in", dashboard.sign_in_by_link, methods=["GET"]),
        Route("/sign-in", dashboard.sign_in_by_key, methods=["POST"]),
        Route("/sign-out", dashboard.sign_out, methods=["POST"]),
    ]
