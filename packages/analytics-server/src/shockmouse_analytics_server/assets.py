"""The dashboard's files: a closed list, read once, each as it is and gzipped.

Version    a hash over all of them. /static/VERSION/NAME never changes, so a browser keeps it for a year; the page names
           the version it belongs to. Under another one, as of a page from before an update, a file is asked for again
"""

import gzip
import hashlib
from importlib.resources import files

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

PAGE = "dashboard.html"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
NAMES = (
    PAGE,
    "address.js",
    "api.js",
    "bots.js",
    "breakdowns.js",
    "chart.js",
    "controls.js",
    "dashboard.js",
    "detail.css",
    "devices.js",
    "element.js",
    "event.js",
    "failure.js",
    "figures.js",
    "filters.js",
    "focus.js",
    "folding.js",
    "funnel.js",
    "funnel_form.js",
    "goals.js",
    "health.js",
    "icon.svg",
    "live.js",
    "no_view.js",
    "overview.js",
    "own_visits.js",
    "paths.js",
    "period.js",
    "reasons.js",
    "renewal.js",
    "retention.js",
    "sessions.js",
    "shell.css",
    "sign_in.js",
    "table.js",
    "timeline.js",
    "views.css",
    "vitals.js",
    "week.js",
    "welcome.js",
)
MARK = "VERSION"  # stands in the page for the version of its files
KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"


class Asset(Struct, frozen=True):
    """One file as it is sent; each form has a tag of its own, as they are not the same bytes."""

    media_type: str
    digest: str
    plain: bytes
    zipped: bytes


class Assets:
    """All files, with the version that they have together."""

    def __init__(self) -> None:
        folder = files(__package__).joinpath("static")
        bodies = {name: folder.joinpath(name).read_bytes() for name in NAMES}
        self.version = hashlib.sha256(b"".join(bodies[name] for name in NAMES)).hexdigest()[:12]
        bodies[PAGE] = bodies[PAGE].replace(MARK.encode(), self.version.encode())
        self._assets = {name: make_asset(TYPES[name[name.rindex(".") :]], body) for name, body in bodies.items()}

    def page(self, request: Request, status: int = 200) -> Response:
        """Return the page, which is asked for again each time."""
        return respond(self._assets[PAGE], request, {"Cache-Control": ASKED_AGAIN}, status)

    def file(self, request: Request, version: str, name: str) -> Response | None:
        """Return one of the files, None when there is none of this name."""
        if name not in self._assets or name == PAGE:
            return None
        cache = KEPT if version == self.version else ASKED_AGAIN
        return respond(self._assets[name], request, {"Cache-Control": cache})


def make_asset(media_type: str, body: bytes) -> Asset:
    return Asset(media_type, hashlib.sha256(body).hexdigest()[:16], body, gzip.compress(body, 9, mtime=0))


def respond(asset: Asset, request: Request, headers: dict[str, str], status: int = 200) -> Response:
    """Return the file in the form that the browser takes, or 304 for one that has it."""
    is_zipped = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{asset.digest}-gzip"' if is_zipped else f'"{asset.digest}"'
    headers = {**headers, "ETag": etag, "Vary": "Accept-Encoding"}
    if status == 200 and etag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    if is_zipped:
        return Response(asset.zipped, status, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.plain, status, headers, asset.media_type)
