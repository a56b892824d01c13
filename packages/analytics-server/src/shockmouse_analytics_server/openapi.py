"""The OpenAPI document."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def document() -> dict[str, object]:
    return {}


def routes() -> list[Route]:
    async def show(_: Request) -> Response:
        return JSONResponse(document())

    return [Route("/openapi.json", show)]
