"""`SSEResponse` takes a run that was not entered yet, and does the rest."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import SSEResponse


class Asked(BaseModel):
    question: str


def make_app(agent: Agent) -> FastAPI:
    app = FastAPI()

    @app.post('/answer')
    async def answer(asked: Asked) -> SSEResponse:
        return SSEResponse(RunStream(agent.run_stream_events(asked.question)), include=('text',))

    return app
