"""A page that does not close its EventSource, and one that loses its connection: how often is the model asked?"""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from pydantic_ai import Agent, RunContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import EventSourceStandIn, WebClient, lesson_model, serving
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse

QUESTION = 'How do I get into the harbour? In four words.'
agent = Agent(lesson_model(['Keep ', 'the ', 'buoy ', 'right.'], gap=0.05))
streams = LiveStreams(linger=2)
asked: Counter[str] = Counter()  # how often the model was, for each question


@agent.instructions
def counted(ctx: RunContext) -> str:
    asked[str(ctx.prompt)] += 1
    return 'You are a pilot.'


# %% The server, as it is often written, and with this library
async def naive(request: Request) -> StreamingResponse:
    async def generate():
        async with agent.run_stream(request.query_params['question']) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                yield f'data: {json.dumps({"type": "text", "text": piece})}\n\n'
        yield 'data: {"type": "end"}\n\n'

    return StreamingResponse(generate(), media_type='text/event-stream')


async def right(request: Request) -> SSEResponse:
    question = (await request.json() if request.method == 'POST' else request.query_params)['question']
    return SSEResponse(RunStream(agent.run_stream_events(question)), streams=streams, include=('text',))


# %% A page with an EventSource: this one connects again after 0.3 s, if the server does not say when
async def event_source(client: WebClient, path: str, question: str, case: str) -> str:
    shown, source = '', EventSourceStandIn(client, path, {'question': question}, retry=0.3)
    async for event in source:
        frame = json.loads(event.data)
        shown += frame.get('text', '')
        if case == 'lost' and shown == 'Keep the ':
            source.lose()
        # Who leaves it open has to be stopped some time.
        if (case == 'lost' and frame['type'] == 'end') or source.connections == 3:
            source.close()
    return shown


# %% A page with fetch: it can send a body, and headers, and does nothing by itself
async def fetch(client: WebClient, path: str, question: str, case: str) -> str:
    shown, headers = '', dict[str, str]()
    while True:
        async with client.request('POST', path, body={'question': question}, headers=headers) as response:
            async for event in response.events():
                frame, headers = json.loads(event.data), {'last-event-id': event.id}
                shown += frame.get('text', '')
                if frame['type'] == 'end':
                    return shown
                if case == 'lost' and shown == 'Keep the ':
                    case = 'found'
                    break


# %% All of them at the same time
async def main() -> None:
    routes = [Route('/naive', naive), Route('/right', right, methods=['GET', 'POST'])]
    pages = [(event_source, '/naive'), (event_source, '/right'), (fetch, '/right')]
    cases = {f'{page.__name__} {path} {case}': (page, path, case) for page, path in pages for case in ('open', 'lost')}
    async with serving(Starlette(routes=routes, lifespan=streams.lifespan)) as client:
        visits = (page(client, path, f'{QUESTION} ({name})', case) for name, (page, path, case) in cases.items())
        for name, shown in zip(cases, await asyncio.gather(*visits), strict=True):
            print(f'{name}: asked {asked[f"{QUESTION} ({name})"]}, shown {shown!r}')


if __name__ == '__main__':
    asyncio.run(main())
