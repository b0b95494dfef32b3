"""Answer a page that has an EventSource: GET /answer?question=..., answered by server-sent events.

The data of each is one JSON object: {"type": "text", "text": "..."} for each new piece, {"type": "end"} at the end, as
in lesson 11. The page never closes its EventSource, and its network is bad. However often it connects again for one
answer, the model is to be asked once, and the page to get each piece once, also those that were written while it was
away. If it stays away for a minute, or the server ends, the model is to stop.
"""

from __future__ import annotations

import json

from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def make_app(agent: Agent) -> Starlette:
    async def answer(request: Request) -> StreamingResponse:
        # TODO: each time the page connects, the model is asked again.
        async def generate():
            async with agent.run_stream(request.query_params['question']) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    yield f'data: {json.dumps({"type": "text", "text": piece})}\n\n'
            yield 'data: {"type": "end"}\n\n'

        return StreamingResponse(generate(), media_type='text/event-stream')

    return Starlette(routes=[Route('/answer', answer)])
