"""Requests that are nobody's visit: files of a page, health checks, crawlers and programs.

The server knows thousands of crawlers and leaves them out of its answers; what is told here by a few words need not be
sent at all.
"""

import re
from functools import lru_cache

from .request import Request

_FILES = (
    *(".css", ".js", ".mjs", ".map", ".wasm", ".json", ".webmanifest", ".woff", ".woff2", ".ttf", ".otf", ".eot"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico", ".mp3", ".mp4", ".webm", ".ogg"),
)
_FOLDERS = ("/static/", "/assets/", "/media/", "/.well-known/")
_NAMES = frozenset({"/robots.txt", "/sitemap.xml", "/favicon.ico", "/ads.txt", "/humans.txt"})
_CHECKS = frozenset(
    {
        *("/health", "/healthz", "/healthcheck", "/health-check", "/_health", "/-/health", "/-/healthy", "/-/ready"),
        *("/livez", "/readyz", "/ping", "/up", "/heartbeat", "/__heartbeat__", "/__lbheartbeat__", "/metrics"),
    }
)
_BOT = re.compile(
    r"(?<!cu)bot\b|bot[/;)]|crawl|spider|slurp|scrap|archiver|preview|monitor|uptime|pingdom|lighthouse|headless"
    r"|facebookexternalhit|probe|health|^(?:curl|wget|httpie|python|httpx|aiohttp|go-http|java|okhttp|apache-http"
    r"|axios|node|undici|php|guzzle|ruby|perl|libwww|lwp|postman|insomnia|prometheus)\b",
    re.IGNORECASE,
).search


def is_routine(request: Request) -> bool:
    """Return whether a request is nobody's visit, as far as can be told by its path and user agent."""
    path = request.path
    return (
        path.endswith(_FILES)
        or path.startswith(_FOLDERS)
        or path in _NAMES
        or path.rstrip("/") in _CHECKS
        or _is_program(request.header("user-agent"))
    )


@lru_cache(4096)
def _is_program(user_agent: str) -> bool:
    return _BOT(user_agent[:512]) is not None
