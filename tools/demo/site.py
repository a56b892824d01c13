"""A small shop whose pages and forms are counted by calling the client: what a web application does without middleware.

Run as a program it takes a free port and prints `serving ADDRESS` when it can be reached; the client reads
SHOCKMOUSE_CLIENT_WRITE_KEY and SHOCKMOUSE_CLIENT_ENDPOINT. SIGTERM answers what is open, delivers what waits and ends.
"""

import asyncio
import contextlib
import html
import os
import signal
import socket
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from shockmouse_analytics import Analytics, Visitor

PAGES = {
    "/": "Mouse & Cheese",
    "/cheese/brie": "Brie",
    "/cheese/comte": "Comté",
    "/cheese/stilton": "Stilton",
    "/pricing": "Pricing",
    "/contact": "Contact",
    "/thanks": "Thank you",
}
STYLE = (
    "body{font:17px/1.6 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fffdf6}"
    "nav a{margin-right:1rem}a{color:#a04000}input,button{font:inherit;padding:.3rem .6rem}"
)
# The pages themselves are told by the program below; the script adds what only a browser knows.
SCRIPT = '<script defer src="{}/agent.js" data-key="{}" data-autotrack="clicks forms vitals errors scroll"></script>'
TAG = SCRIPT.format(os.environ["SHOCKMOUSE_CLIENT_ENDPOINT"], os.environ["SHOCKMOUSE_CLIENT_WRITE_KEY"])
FORM = '<form method="post" action="/contact"><input name="email" type="email"> <button>Write to us</button></form>'

analytics = Analytics()


def visitor_of(request: Request) -> Visitor:
    """Name whose visit a request is; the server derives an anonymous device from it and keeps no address."""
    forwarded = request.headers.get("x-forwarded-for")
    address = forwarded or (request.client.host if request.client else "")
    return Visitor(ip=address, user_agent=request.headers.get("user-agent", ""))


async def show(request: Request) -> Response:
    path = request.url.path
    title = PAGES[path]
    visitor = visitor_of(request)
    analytics.page(url=str(request.url), title=title, referrer=request.headers.get("referer", ""), visitor=visitor)
    links = "".join(f'<a href="{link}">{html.escape(name)}</a>' for link, name in PAGES.items() if link != "/thanks")
    body = FORM if path == "/contact" else "<p>The mouse recommends it.</p>"
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>{TAG}<nav>{links}</nav><h1>{html.escape(title)}</h1>{body}</html>"
    )


async def contact(request: Request) -> Response:
    fields = sorted(parse_qs((await request.body()).decode()))  # names, never values
    analytics.track("Contact form sent", {"fields": fields}, visitor=visitor_of(request))
    return RedirectResponse("/thanks", status_code=303)


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await analytics.aflush()
    await asyncio.to_thread(analytics.close)


app = Starlette(
    routes=[*(Route(path, show) for path in PAGES), Route("/contact", contact, methods=["POST"])], lifespan=lifespan
)


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.errorlog = None

    async def stopped() -> None:
        await stopping.wait()

    print(f"serving http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await serve(app, config, shutdown_trigger=stopped)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(main())
