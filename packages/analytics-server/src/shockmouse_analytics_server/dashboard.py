"""The dashboard's pages, and who may see them.

Sign-in    by a read key or a one-time link; both end in a cookie, good for SESSION_DAYS
Cookie     project, prefix of the read key (none after a link), end, HMAC-SHA256 of these under the secret `cookies`.
           It ends early when the key is revoked or the project deleted
Writes     signing in and out: only from our own pages (Sec-Fetch-Site, Origin); signing out also needs the token that
           /session gives to our script
"""

import asyncio
import collections
import hashlib
import hmac
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .addresses import Proxies, client_address, read_address
from .errors import QuestionError, UsageError
from .links import use_link
from .projects import COOKIES_SECRET, Directory

COOKIE = "shockmouse"
SESSION_DAYS = 7
FORM_BYTES = 4096
FORM_SECONDS = 10.0
ATTEMPTS_PER_MINUTE = 10
REMEMBERED_ADDRESSES = 10_000
STATIC = {
    "dashboard.html": "text/html",
    "dashboard.js": "text/javascript",
    "dashboard.css": "text/css",
    "icon.svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class SignedIn(Struct, frozen=True):
    """Who a cookie says is there; `prefix` is empty after a one-time link."""

    project: str
    prefix: str
    ends_at: int


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


def sign(who: SignedIn, secret: bytes) -> str:
    text = f"{who.project}.{who.prefix}.{who.ends_at}"
    return f"{text}.{hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()}"


def read_cookie(value: str, directory: Directory, now: float) -> SignedIn | None:
    """Return who the cookie's value says is there, None when it is not ours or no longer good."""
    parts = value.split(".")
    secret = directory.secret(COOKIES_SECRET)
    if secret is None or len(parts) != 4 or not parts[2].isascii() or not parts[2].isdigit():
        return None
    who = SignedIn(parts[0], parts[1], int(parts[2]))
    if not hmac.compare_digest(sign(who, secret).encode(), value.encode()) or who.ends_at < now:
        return None
    try:
        directory.project(who.project)
    except UsageError:
        return None
    is_key_good = not who.prefix or who.prefix in {row.prefix for row in directory.keys(who.project)}
    return who if is_key_good else None


def signed_in(cookies: Mapping[str, str], directory: Directory) -> SignedIn | None:
    return read_cookie(cookies[COOKIE], directory, time.time()) if COOKIE in cookies else None


def write_token(cookie: str, directory: Directory) -> str:
    """Return what our own script must send with a write of this cookie's session."""
    return hmac.new(cookie_secret(directory), b"write:" + cookie.encode(), hashlib.sha256).hexdigest()


def cookie_secret(directory: Directory) -> bytes:
    """Return the secret. Raises QuestionError: it is not here yet."""
    secret = directory.secret(COOKIES_SECRET)
    if secret is None:
        raise QuestionError("the server is not ready for this yet", code="not_ready", status=503)
    return secret


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


def file_response(name: str, status: int = 200) -> Response:
    """Return one of the closed list of files."""
    body = files(__package__).joinpath("static", name).read_bytes()
    return Response(body, status, media_type=STATIC[name], headers={"Cache-Control": "no-cache"})


class Dashboard:
    """The routes' endpoints."""

    def __init__(self, directory: Directory, directory_path: Path, proxies: Proxies) -> None:
        self._directory = directory
        self._directory_path = directory_path
        self._proxies = proxies
        self._attempts = Attempts()

    async def show(self, _: Request) -> Response:
        return file_response("dashboard.html")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            raise QuestionError("there is no such file", code="not_found", status=404)
        return file_response(name)

    async def session(self, request: Request) -> Response:
        """Tell our script which project is shown, and the token that its writes need."""
        who = signed_in(request.cookies, self._directory)
        if who is None:
            raise QuestionError("sign in first", code="signed_out", status=401)
        token = write_token(request.cookies[COOKIE], self._directory)
        body = {"project": who.project, "timezone": self._directory.project(who.project).timezone, "token": token}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def sign_in_by_link(self, request: Request) -> Response:
        """Use up a one-time link. The page comes in this answer, as a strict cookie does not survive a redirect."""
        self._count_attempt(request)
        token = request.query_params.get("token", "")
        project = await asyncio.to_thread(use_link, self._directory_path, token, time.time())
        if project is None:
            return file_response("dashboard.html", status=410)
        return self._welcome(request, project, "", file_response("dashboard.html"))

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
        expected = write_token(request.cookies.get(COOKIE, ""), self._directory)
        if not hmac.compare_digest(request.headers.get("x-csrf-token", "").encode(), expected.encode()):
            raise QuestionError("the request lacks its token", code="forged", status=403)
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
        """Put the cookie on the response; Secure when the proxy that we trust says that the visitor came by TLS."""
        ends_at = int(time.time()) + SESSION_DAYS * 86_400
        cookie = sign(SignedIn(project, prefix, ends_at), cookie_secret(self._directory))
        response.set_cookie(
            COOKIE,
            cookie,
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
        Route("/static/{name}", dashboard.static),
        Route("/session", dashboard.session),
        Route("/sign-in", dashboard.sign_in_by_link, methods=["GET"]),
        Route("/sign-in", dashboard.sign_in_by_key, methods=["POST"]),
        Route("/sign-out", dashboard.sign_out, methods=["POST"]),
    ]
