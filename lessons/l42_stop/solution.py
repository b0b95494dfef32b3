"""`LiveStreams` keep a run whose connection was lost, and know it by its id."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse


def make_app(chat: Chat[object, str]) -> Starlette:
    streams = LiveStreams(linger=30)

    async def answer(request: Request) -> SSEResponse:
        return SSEResponse(chat.send((await request.json())['prompt']), streams=streams, include=('text',))

    async def stop(request: Request) -> JSONResponse:
        return JSONResponse({'stopped': await streams.stop(request.path_params['stream'])})

    return Starlette(
        routes=[Route('/answer', answer, methods=['POST']), Route('/answer/{stream}', stop, methods=['DELETE'])],
        lifespan=streams.lifespan,
    )
