"""Stop is pressed after three of six words. Does the model stop, and what does the next question know of it?"""

from __future__ import annotations

import asyncio
import json

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from pydantic_ai_streaming import Chat
from pydantic_ai_streaming.course import lesson_model, serving
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse

PROMPT = 'How do I row? In six words.'
WORDS = ['Sit ', 'low, ', 'lean ', 'back, ', 'pull ', 'both.']
agent = Agent(lesson_model(WORDS, gap=0.1))
history: list[ModelMessage] = []


# %% As it is often written: the history is taken when the answer is whole
async def naive(request: Request) -> StreamingResponse:
    prompt = (await request.json())['prompt']

    async def generate():
        async with agent.run_stream(prompt, message_history=history) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield f'data: {json.dumps({"type": "text", "text": piece})}\n\n'
            history[:] = result.all_messages()
        yield 'data: {"type": "end"}\n\n'

    return StreamingResponse(generate(), media_type='text/event-stream')


# %% With this library: a run outlives its connection, and is stopped by a request of its own
chat = Chat(agent)
streams = LiveStreams(linger=30)


async def right(request: Request) -> SSEResponse:
    return SSEResponse(chat.send((await request.json())['prompt']), streams=streams, include=('text',))


async def stop(request: Request) -> JSONResponse:
    return JSONResponse({'stopped': await streams.stop(request.path_params['stream'])})


# %% A page that hides what comes after the stop, one that closes the connection, and one that sends the request
async def visit(path: str, press: str) -> str:
    shown, told, stream, words = '', 'nothing', '', 0
    routes = [Route('/naive', naive, methods=['POST']), Route('/right', right, methods=['POST'])]
    app = Starlette(routes=[*routes, Route('/right/{stream}', stop, methods=['DELETE'])])
    async with serving(app) as client:
        async with client.post(path, prompt=PROMPT) as response:
            async for event in response.events():
                frame = json.loads(event.data)
                stream = frame.get('stream', stream)
                if frame['type'] == 'end':
                    told = frame.get('finish', 'end')
                elif frame['type'] == 'text':
                    words += 1
                    shown += frame['text'] if words <= 3 else ''
                    if words == 3 and press == 'stop':
                        async with client.request('DELETE', f'{path}/{stream}'):
                            pass
                    elif words == 3 and press == 'close':
                        break
        if press == 'close':
            await asyncio.sleep(0.5)  # whoever goes on has time for it
    return f'{shown!r}, told {told!r}'


async def main() -> None:
    for path, press in (('/naive', 'hide'), ('/naive', 'close'), ('/right', 'close'), ('/right', 'stop')):
        history.clear()
        page = await visit(path, press)
        messages = history if path == '/naive' else chat.conversation.messages
        kept = [message.text for message in messages if isinstance(message, ModelResponse)][-1:]
        print(f'{path} {press}: the page shows {page}; the history has {kept}')


if __name__ == '__main__':
    asyncio.run(main())
