"""An event stream, byte for byte: what is lost on the way, who reads it wrongly, and what it gives away."""

from __future__ import annotations

import asyncio
import codecs
import json

from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import events_in, lesson_model, serving
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse
from pydantic_ai_streaming.testing import Fail

QUESTION = 'What is the weather at sea? In two lines, with an empty one between.'
PIECES = ['Wind: ', 'west 4\n', '\nSea: ', 'calm ⛵', '\n']
broken = [*PIECES[:2], Fail(OSError('no route to db-7.internal'))]
agent = Agent(lesson_model(*[PIECES] * 3, broken, *[PIECES] * 2, broken, gap=0.05))  # the naive way asks once more
streams = LiveStreams(linger=1)


# %% As it is often written: the text as it is, and the exception too
async def naive(request: Request) -> StreamingResponse:
    async def generate():
        try:
            async with agent.run_stream(QUESTION) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    yield f'data: {piece}\n\n'
        except Exception as error:
            yield f'data: Error: {error}\n\n'

    return StreamingResponse(generate(), media_type='text/event-stream')


def naive_read(*pieces: bytes) -> list[str]:
    lines = (line for piece in pieces for line in piece.decode(errors='replace').split('\n'))
    return [line[6:] for line in lines if line.startswith('data: ')]


# %% JSON with ids from the server, and a reader that waits for the end of a line and of an event
async def right(request: Request) -> SSEResponse:
    return SSEResponse(RunStream(agent.run_stream_events(QUESTION)), streams=streams, include=('text',))


def right_read(*pieces: bytes) -> list[str]:
    decode = codecs.getincrementaldecoder('utf-8')().decode
    read, data, rest = list[str](), list[str](), ''
    for piece in pieces:
        *lines, rest = (rest + decode(piece)).split('\n')
        for line in lines:
            if line.startswith('data:'):
                data.append(line[5:].removeprefix(' '))
            elif not line and data:
                read, data = [*read, '\n'.join(data)], []
    return read


# %% All of it; cut anywhere; picked up after it was lost; a failure
def text_in(data: str) -> str:
    return json.loads(data).get('text', '') if data[:1] == '{' else data


async def main() -> None:
    routes = [Route('/naive', naive), Route('/right', right)]
    async with serving(Starlette(routes=routes, lifespan=streams.lifespan)) as client:
        for path, read in (('/naive', naive_read), ('/right', right_read)):
            async with client.get(path) as response:
                wire = await response.read()
            text = ''.join(text_in(event.data) for event in events_in(wire))
            wrong = [cut for cut in range(1, len(wire)) if read(wire[:cut], wire[cut:]) != read(wire)]
            print(f'{path}: {len(text)} of 26 characters; at {len(wrong)} of {len(wire) - 1} cuts it is read wrongly')
            shown, headers = '', dict[str, str]()
            for _ in range(2):
                async with client.request('GET', path, headers=headers) as response:
                    async for event in response.events():
                        shown, headers = shown + text_in(event.data), {'last-event-id': event.id}
                        if shown.strip() == 'Wind: west 4':
                            break  # and the connection is lost
            async with client.get(path) as response:
                last = [event.data async for event in response.events()][-1][:46]
            print(f'lost, and picked up again: {shown.replace(chr(10), "⏎")}\na failure: {last}\n')


if __name__ == '__main__':
    asyncio.run(main())
