"""A page with a stop button, and a network that loses connections. The two are not the same.

POST /answer {"prompt": "..."} is answered by server-sent events, as in lesson 11; the first is {"type": "start",
"stream": "<id>"}. DELETE /answer/<id> is the stop button: the model stops at once, the page is told {"type": "end"},
and what it shows is kept for the next prompt. It gives the JSON object {"stopped": true}, or false if nothing was to be
stopped. A connection that is lost stops nothing: POST with `Last-Event-ID` gets what follows.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.serve import SSEResponse


def make_app(chat: Chat[object, str]) -> Starlette:
    async def answer(request: Request) -> SSEResponse:
        return SSEResponse(chat.send((await request.json())['prompt']), include=('text',))

    async def stop(request: Request) -> JSONResponse:
        # TODO: the button says so, and the model writes on; what stops it is a connection that is lost.
        return JSONResponse({'stopped': True})

    return Starlette(
        routes=[Route('/answer', answer, methods=['POST']), Route('/answer/{stream}', stop, methods=['DELETE'])],
    )
