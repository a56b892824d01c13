"""The yardstick of `ingest_single`: a bare Starlette app on Hypercorn that reads the body and answers 200.

python -m tests.bench.bare PORT
"""

import sys

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def take(request: Request) -> JSONResponse:
    """Read the body and answer what ingestion answers."""
    await request.body()
    return JSONResponse({"accepted": 1, "duplicates": 0, "rejected": []})


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{int(sys.argv[1])}"]
    config.loglevel = "ERROR"
    app = Starlette(routes=[Route("/v1/events", take, methods=["POST"])])
    uvloop.run(serve(app, config))  # type: ignore[arg-type]
