"""The client for browsers, in Node, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse
from pydantic_ai_streaming.testing import ScriptedModel, Stall, Text, ToolCall
from tests.npm import needs_node
from tests.serve.browser_client import node, text_of
from tests.serve.serving import nothing_goes_on, serving, until

pytestmark = needs_node


class Breaking(SSEResponse):
    """Breaks the connection after so many pieces of the body, and counts the requests."""

    requests = 0
    after: int | None = 4
    quickly = b'retry: 10\n\n'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        Breaking.requests += 1
        pieces = 0

        async def breaking(message: Message) -> None:
            nonlocal pieces
            if message['type'] == 'http.response.body':
                if Breaking.after is not None and pieces >= Breaking.after:
                    raise ConnectionResetError
                pieces += 1
                message = {**message, 'body': message['body'].replace(b'retry: 1000\n\n', self.quickly)}
            await send(message)

        await super().__call__(scope, receive, breaking)


def answering(model: ScriptedModel, *, linger: float = 5, **settings: Any) -> Route:
    agent = Agent(model, **settings)
    streams = LiveStreams(linger=linger) if linger else None
    Breaking.requests, Breaking.after = 0, None

    async def answer(request: Request) -> Response:
        await request.body()
        return Breaking(RunStream(agent.run_stream_events('Go')), streams=streams)

    return Route('/answer', answer, methods=['GET', 'POST'])


WORDS = ['One\n', '\n', 'two\r\n', '⛴️ 👩‍🚀 ', '\u2028', 'end.']


async def test_the_text_arrives_as_it_was_written() -> None:
    model = ScriptedModel(WORDS)
    async with serving(answering(model)) as address:
        frames = await node(f'http://{address}/answer', method='POST', body='{"prompt": "Go"}')
    assert text_of(frames) == ''.join(WORDS)
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}


async def test_a_connection_that_breaks_again_and_again_loses_nothing_and_runs_once() -> None:
    words = [f'{number} ' for number in range(30)]
    model = ScriptedModel(words, gap=0.01)
    async with serving(answering(model)) as address:
        Breaking.after = 4
        frames = await node(f'http://{address}/answer', method='POST', body='{}')
    assert text_of(frames) == ''.join(words)
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}
    assert Breaking.requests > 4
    assert len(model.requests) == 1


async def test_a_stream_that_is_gone_is_lost_and_not_run_again() -> None:
    model = ScriptedModel(WORDS, loop=True, gap=0.01)
    async with serving(answering(model, linger=0)) as address:
        Breaking.after = 3
        frames = await node(f'http://{address}/answer', method='POST', body='{}')
    assert frames[-1]['lost']
    assert '404' in frames[-1]['message']
    assert len(model.requests) == 1


async def test_without_an_id_nothing_is_asked_again() -> None:
    model = ScriptedModel(WORDS, loop=True)
    async with serving(answering(model)) as address:
        Breaking.after = 0
        frames = await node(f'http://{address}/answer', method='POST', body='{}')
    assert [frame['type'] for frame in frames] == ['thrown']
    assert frames[0]['lost']
    assert Breaking.requests == 1


async def test_a_server_that_stays_away_is_given_up() -> None:
    model = ScriptedModel(['Kept ', Text('not seen', wait=0.3), Stall()])
    async with serving(answering(model, linger=1)) as address:
        reading = asyncio.create_task(node(f'http://{address}/answer', retries=2))
        await until(lambda: model.requests and model.requests[0].pieces)
        await asyncio.sleep(0.1)
        Breaking.after = 0
        frames = await reading
        await until(nothing_goes_on)
    assert text_of(frames) == 'Kept '
    assert frames[-1]['lost']
    assert Breaking.requests == 3


@pytest.mark.parametrize('how', ['abort', 'leave'])
async def test_a_stop_ends_the_run(how: str) -> None:
    model = ScriptedModel(['Kept ', *(Text('x', wait=0.005) for _ in range(2000))])
    async with serving(answering(model, linger=0)) as address:
        frames = await node(f'http://{address}/answer', **{f'{how}_at': 'Kept '})
        await until(nothing_goes_on)
    assert model.requests[0].closed in ('cancelled', 'left')
    if how == 'abort':
        assert frames[-1]['name'] == 'AbortError'
        assert not frames[-1]['lost']
    else:
        assert frames[-1] == {'type': 'text', 'text': 'Kept '}


class Crew(BaseModel):
    ship: str
    names: list[str]
    seats: dict[str, int]


async def test_a_structured_output_fills_in() -> None:
    document = {'ship': 'Tern ⛴ 👩‍🚀 / ~', 'names': ['Ada', 'Bo'], 'seats': {'a/b': 1, '~c': 2, '__proto__': 3}}
    model = ScriptedModel([ToolCall('final_result', document, pieces=3)])
    async with serving(answering(model, output_type=Crew)) as address:
        frames = await node(f'http://{address}/answer')
    outputs = [frame for frame in frames if frame['type'] == 'output']
    assert outputs[-1]['document'] == document
    assert outputs[-1]['final']
    assert len(outputs) > 10
