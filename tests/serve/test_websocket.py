"""Runs over a WebSocket, from a real server to a real client."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from pydantic_ai_streaming import Chat, RunStream
from pydantic_ai_streaming.serve import Source, serve_websocket
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, Text
from tests.serve.serving import nothing_goes_on, serving, until


def session(start: Callable[[str], Source], **settings: Any) -> WebSocketRoute:
    async def talk(websocket: WebSocket) -> None:
        await serve_websocket(websocket, start, **settings)

    return WebSocketRoute('/talk', talk)


def runs_of(model: ScriptedModel) -> Callable[[str], Source]:
    agent = Agent(model)
    return lambda prompt: RunStream(agent.run_stream_events(prompt))


async def say(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection, *until: str) -> list[dict[str, Any]]:
    """Frames, up to the first one of these types."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]['type'] not in until:
        frames.append(json.loads(await asyncio.wait_for(connection.recv(), 5)))
    return frames


async def test_prompts_are_answered_one_after_the_other() -> None:
    model = ScriptedModel(['One\n', '⛴'], ['Two'])
    chat = Chat(Agent(model))
    async with serving(session(chat.send)) as address, connect(f'ws://{address}/talk') as connection:
        for text in ('One\n⛴', 'Two'):
            await say(connection, type='prompt', prompt='Go')
            frames = await hear(connection, 'end', 'error')
            assert ''.join(frame['text'] for frame in frames if frame['type'] == 'text') == text
            assert frames[0]['type'] == 'start'
            assert frames[-1] == {'type': 'end', 'finish': 'complete'}
    assert [exchange.prompt for exchange in chat.exchanges] == ['Go', 'Go']


async def test_a_client_stops_a_run_and_asks_again() -> None:
    model = ScriptedModel(['Kept ', Stall()], ['More'])
    chat = Chat(Agent(model))
    async with serving(session(chat.send)) as address, connect(f'ws://{address}/talk') as connection:
        await say(connection, type='stop')
        await say(connection, type='prompt', prompt='Go')
        await hear(connection, 'text')
        await say(connection, type='stop')
        assert (await hear(connection, 'end'))[-1] == {'type': 'end', 'finish': 'stopped'}
        await say(connection, type='prompt', prompt='Go on')
        assert (await hear(connection, 'end'))[-1] == {'type': 'end', 'finish': 'complete'}
    assert [(exchange.text, exchange.interrupted) for exchange in chat.exchanges] == [('Kept ', True), ('More', False)]


@pytest.mark.parametrize('how', ['closes', 'vanishes'])
@pytest.mark.parametrize('steps', [['Kept ', Stall()], ['Kept ', *(Text('x', wait=0.005) for _ in range(2000))]])
async def test_a_client_that_goes_away_stops_the_run(how: str, steps: list[Any]) -> None:
    model = ScriptedModel(steps)
    async with serving(session(runs_of(model))) as address:
        connection = await connect(f'ws://{address}/talk')
        await say(connection, type='prompt', prompt='Go')
        await hear(connection, 'text')
        if how == 'closes':
            await connection.close()
        else:
            connection.transport.abort()
        took = await until(lambda: model.requests[0].closed is not None)
        assert took < 0.1
        # A model that talks may be left between two pieces.
        assert model.requests[0].closed in ('cancelled', 'left')
        await until(nothing_goes_on)
        await connection.wait_closed()


@pytest.mark.parametrize(
    ('message', 'error'),
    [
        ('', 'malformed'),
        ('no JSON', 'malformed'),
        ('[' * 100_000, 'malformed'),
        ('["prompt"]', 'malformed'),
        ('{"type": "prompt"}', 'malformed'),
        ('{"type": "prompt", "prompt": 1}', 'malformed'),
        ('{"type": "sing"}', 'malformed'),
        (b'{"type": "stop"}', 'malformed'),
        ('{"type": "prompt", "prompt": "123456"}', 'too_long'),
    ],
)
async def test_what_cannot_be_followed_is_refused_and_the_session_goes_on(message: str | bytes, error: str) -> None:
    route = session(runs_of(ScriptedModel(['x'])), longest_prompt=5)
    async with serving(route) as address, connect(f'ws://{address}/talk') as connection:
        await connection.send(message)
        [refused] = await hear(connection, 'refused')
        assert (refused['error'], '5 characters' in refused['message']) == (error, error == 'too_long')
        await say(connection, type='prompt', prompt='12345')
        assert (await hear(connection, 'end'))[-1]['finish'] == 'complete'


async def test_a_second_prompt_waits_for_nobody() -> None:
    model = ScriptedModel(['Kept ', Stall()])
    async with serving(session(runs_of(model))) as address, connect(f'ws://{address}/talk') as connection:
        await say(connection, type='prompt', prompt='Go')
        await hear(connection, 'text')
        await say(connection, type='prompt', prompt='And this')
        assert [one['error'] for one in await hear(connection, 'refused')] == ['busy']
        assert len(model.requests) == 1


async def test_a_failure_is_told_under_an_id(caplog: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel([Fail(ModelHTTPError(503, 'SECRET'))], ['x'])
    async with serving(session(runs_of(model))) as address, connect(f'ws://{address}/talk') as connection:
        with caplog.at_level(logging.ERROR):
            await say(connection, type='prompt', prompt='Go')
            frames = await hear(connection, 'end', 'error')
        assert frames[-1]['finish'] == 'failed'
        assert 'SECRET' not in json.dumps(frames)
        assert frames[-1]['error_id'] in caplog.text
        await say(connection, type='prompt', prompt='Again')
        assert (await hear(connection, 'end', 'error'))[-1]['finish'] == 'complete'


async def test_a_prompt_that_nothing_can_be_made_of_is_an_error_under_an_id(caplog: pytest.LogCaptureFixture) -> None:
    def start(prompt: str) -> Source:
        raise LookupError('SECRET')

    async with serving(session(start)) as address, connect(f'ws://{address}/talk') as connection:
        for _ in range(2):
            caplog.clear()
            await say(connection, type='prompt', prompt='Go')
            (frame,) = await hear(connection, 'error')
            assert frame['error_id'] in caplog.text
            assert 'SECRET' not in json.dumps(frame)
            assert 'SECRET' in caplog.text
