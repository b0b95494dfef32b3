"""An answer of four lines goes to a web page: what does the page show, and what does it know at the end?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model, serving
from pydantic_ai_streaming.serve import SSEResponse
from pydantic_ai_streaming.testing import Fail, reply

QUESTION = 'What do I need for a loaf of bread? One thing a line, four lines.'
ANSWER = 'Five cups of flour\nTwo cups of water\nA spoon of salt\nA night of patience'
words = reply(ANSWER, cut='words')
failure = Fail(ModelHTTPError(503, 'bread-1', 'overloaded'))
agent = Agent(lesson_model(words, [*words[:8], failure], gap=0.05))
app = FastAPI()


class Asked(BaseModel):
    question: str


# %% As it is often written
@app.get('/naive')
async def naive(question: str) -> StreamingResponse:
    async def generate() -> AsyncGenerator[str]:
        async with agent.run_stream(question) as result:
            async for chunk in result.stream_text(debounce_by=None):
                yield f'data: {chunk}\n\n'
            yield 'data: [DONE]\n\n'

    return StreamingResponse(generate(), media_type='text/event-stream')


# %% With pydantic-ai alone: what is new, as JSON, and a last word whatever happens
@app.post('/alone')
async def alone(asked: Asked) -> StreamingResponse:
    async def generate() -> AsyncGenerator[str]:
        last = {'type': 'end'}
        try:
            async with agent.run_stream(asked.question) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    yield f'data: {json.dumps({"type": "text", "text": piece})}\n\n'
        except Exception:  # and into your log with it
            last = {'type': 'error'}
        yield f'data: {json.dumps(last)}\n\n'

    headers = {'cache-control': 'no-cache', 'x-accel-buffering': 'no'}
    return StreamingResponse(generate(), media_type='text/event-stream', headers=headers)


# %% With this library
@app.post('/right')
async def right(asked: Asked) -> SSEResponse:
    return SSEResponse(RunStream(agent.run_stream_events(asked.question)), include=('text',))


# %% The page: it adds to what it shows, as pages do
async def main() -> None:
    async with serving(app) as client:
        for way in ('naive', 'alone', 'right'):
            for case in ('whole', 'fails'):
                shown, last = '', 'no last word'
                ask = client.get if way == 'naive' else client.post
                try:
                    async with ask(f'/{way}', question=QUESTION) as response:
                        async for event in response.events():
                            frame = {'text': event.data} if way == 'naive' else json.loads(event.data)
                            shown += frame.get('text', '') if event.data != '[DONE]' else ''
                            last = frame.get('type', event.data)
                            if any(frame.get('error_id', '-') in line for line in client.log):
                                last += ', and the log has it under the same id'
                except ConnectionResetError:
                    last = 'the connection broke'
                print(f'{way} {case}  {len(shown):3} characters, {shown.count(chr(10))} line ends: {last}')


if __name__ == '__main__':
    asyncio.run(main())
