"""A small shop that is tracked by the middleware and, in its pages, by the browser script that the middleware adds.

Run as a program it takes a free port and prints `serving ADDRESS` when it can be reached; the client reads
SHOCKMOUSE_CLIENT_WRITE_KEY and SHOCKMOUSE_CLIENT_ENDPOINT. SIGTERM answers what is open, delivers what waits, prints
`delivered N`, the number of events that the server has acknowledged, and ends.
"""

import asyncio
import contextlib
import random
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import pages
from hypercorn.asyncio import serve
from hypercorn.config import Config
from shop import CHEESES, STORIES
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shockmouse_analytics import Analytics, Visitor
from shockmouse_analytics.autotrack.asgi import AnalyticsMiddleware

HERE = Path(__file__).parent
BY_SLUG = {cheese.slug: cheese for cheese in CHEESES}
GUIDE = "cheese,price\n" + "".join(f"{cheese.name},{cheese.price}\n" for cheese in CHEESES)

analytics = Analytics(flush_seconds=1)


def visitor_of(request: Request) -> Visitor | None:
    """Return whose request it is; None when the middleware leaves it out."""
    visit = request.scope.get("shockmouse.visit")
    return visit.visitor if visit else None


def plain(request: Request) -> Response:
    """Answer the pages that are the same for everyone."""
    shown = {"/": pages.home, "/cheese": pages.shelf, "/stories": pages.stories, "/checkout": pages.checkout}
    return HTMLResponse((shown | {"/contact": pages.contact, "/thanks": pages.thanks})[request.url.path]())


def cheese(request: Request) -> Response:
    found = BY_SLUG.get(request.path_params["slug"])
    if found is None:
        raise HTTPException(404)
    return HTMLResponse(pages.product(found))


async def story(request: Request) -> Response:
    if request.path_params["slug"] not in STORIES:
        raise HTTPException(404)
    await asyncio.sleep(random.uniform(0.2, 0.9))  # the slow pages of this site, for the vitals to show
    return HTMLResponse(pages.story(request.path_params["slug"]))


def pieces_in_basket(request: Request) -> int:
    text = request.cookies.get("pieces", "")
    return min(int(text), 99) if text.isdecimal() and text.isascii() else 0


async def basket(request: Request) -> Response:
    """Show the basket, which is a cookie; or put a piece of cheese into it."""
    pieces = pieces_in_basket(request)
    if request.method == "GET":
        return HTMLResponse(pages.basket(pieces))
    (slug,) = parse_qs((await request.body()).decode(errors="replace")).get("cheese", [""])[:1]
    chosen = BY_SLUG.get(slug)
    if chosen is None:
        raise HTTPException(400)
    visitor = visitor_of(request)
    if visitor:
        analytics.track("Basket filled", {"cheese": chosen.name, "price": chosen.price}, visitor=visitor)
    response = JSONResponse({"pieces": pieces + 1})
    response.set_cookie("pieces", str(pieces + 1), samesite="lax")
    return response


def order(request: Request) -> Response:
    visitor = visitor_of(request)
    if visitor:
        analytics.track("Order placed", {"pieces": pieces_in_basket(request)}, visitor=visitor)
    response = RedirectResponse("/thanks", status_code=303)
    response.delete_cookie("pieces")
    return response


def contact(_: Request) -> Response:
    return RedirectResponse("/thanks", status_code=303)


def guide(_: Request) -> Response:
    return Response(GUIDE, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="guide.csv"'})


def style(_: Request) -> Response:
    return FileResponse(HERE / "shop.css")


def script(_: Request) -> Response:
    return FileResponse(HERE / "shop.js")


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await analytics.aflush(timeout=10)


PLAIN = ("/", "/cheese", "/stories", "/checkout", "/contact", "/thanks")
shop = Starlette(
    routes=[
        *(Route(path, plain) for path in PLAIN),
        Route("/cheese/{slug}", cheese),
        Route("/stories/{slug}", story),
        Route("/basket", basket, methods=["GET", "POST"]),
        Route("/order", order, methods=["POST"]),
        Route("/contact", contact, methods=["POST"]),
        *(Route(path, show) for path, show in (("/guide.csv", guide), ("/shop.css", style), ("/shop.js", script))),
    ],
    lifespan=lifespan,
)
app = AnalyticsMiddleware(shop, analytics, inject=True, consent=lambda request: request.cookie("cookies") == "accepted")


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
    analytics.close()
    print(f"delivered {analytics.stats().sent}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
