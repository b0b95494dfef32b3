"""Answer the questions of a web page: POST /answer {"question": "..."}, with server-sent events.

The data of each is one JSON object: {"type": "text", "text": "..."} for each new piece of the answer, and the last one
is {"type": "end"}, or {"type": "error"} if the answer is not whole. The page leaves other types and keys alone. What
went wrong is for the log, and when the page is closed, the model is to stop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_ai import Agent


class Asked(BaseModel):
    question: str


def make_app(agent: Agent) -> FastAPI:
    app = FastAPI()

    @app.post('/answer')
    async def answer(asked: Asked) -> StreamingResponse:
        # TODO: the text comes again and again and loses its line ends, and a failure has no last word.
        async def generate() -> AsyncGenerator[str]:
            async with agent.run_stream(asked.question) as result:
                async for chunk in result.stream_text(debounce_by=None):
                    yield f'data: {chunk}\n\n'
                yield 'data: [DONE]\n\n'

        return StreamingResponse(generate(), media_type='text/event-stream')

    return app
