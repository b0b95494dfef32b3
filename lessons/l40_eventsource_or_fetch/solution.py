"""A run that outlives its connection for a while, and ids for whoever comes back."""

from __future__ import annotations

from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse


def make_app(agent: Agent) -> Starlette:
    streams = LiveStreams(linger=30)

    async def answer(request: Request) -> SSEResponse:
        run = agent.run_stream_events(request.query_params['question'])
        return SSEResponse(RunStream(run), streams=streams, include=('text',))

    return Starlette(routes=[Route('/answer', answer)], lifespan=streams.lifespan)
