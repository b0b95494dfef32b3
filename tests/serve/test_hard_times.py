"""Clients when a log is full, damaged or read-only, and when there is no room for them: each is told, and nothing is
begun that nobody was told of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pydantic_ai_streaming import Chat, RunStream
from pydantic_ai_streaming.errors import StoreError, StoreFailure, StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, Slice, StreamLog, Wanted, Write
from pydantic_ai_streaming.serve import AISDK, Asked, Frames, Source, SSEResponse, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel, Stall
from tests.serve.serving import Client, nothing_goes_on, serving, serving_app, until


class Refusing(MemoryBackend):
    """Refuses to write, or to read so many entries at once."""

    writes: StoreFailure | None = None
    reads: int | None = None
    deletes = True

    async def commit(self, writes: Sequence[Write]) -> Any:
        if not self.deletes and any(one.delete for one in writes):
            raise StoreUnavailable('the log is away')
        if self.writes is not None:
            raise StoreError('the log does not take it', reason=self.writes)
        return await super().commit(writes)

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        if any(one.limit == self.reads for one in wanted):
            raise StoreError('an entry is damaged', reason='damaged')
        return await super().fetch(wanted)


class Site:
    """An application over such a log."""

    def __init__(self, *words: str, **settings: Any) -> None:
        self.backend = Refusing()
        self.model = ScriptedModel(list(words or ('One ', 'two.')), loop=True)
        self.runner = StreamRunner(StreamLog(self.backend), formats=[Frames(), AISDK()], grace=0)
        routes = [Mount('/a b/ä', stream_router(self.runner, Agent(self.model), **settings))]
        self.app = Starlette(routes=routes, lifespan=self.runner.lifespan)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ('reason', 'status', 'error'), [('full', 507, 'full'), ('read_only', 503, 'unavailable'), ('failed', 500, 'failed')]
)
async def test_a_log_that_takes_nothing_is_told_apart(
    client: Client, reason: StoreFailure, status: int, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        site.backend.writes = reason
        answer = await client.post(f'http://{address}/a b/ä/', json={'prompt': 'Go'})
        site.backend.writes = None
        assert (answer.status_code, answer.json()['error']) == (status, error)
        assert ('retry-after' in answer.headers) == (status == 503)
        assert 'does not take it' not in answer.text
        assert 'does not take it' in caplog.text
        assert not site.model.requests


async def test_who_follows_over_a_websocket_is_cut_off_when_the_log_is_damaged() -> None:
    site = Site(*(letter * 3_000_000 for letter in 'xyz'))
    async with serving_app(site.app) as address:
        url = f'ws://{address}/a b/ä/ws'
        async with connect(url, max_size=None) as first, connect(url, max_size=None) as second:
            await first.send(json.dumps({'type': 'prompt', 'prompt': 'Go'}))
            message: dict[str, Any] = {}
            while not message or message['frames'][-1]['type'] != 'end':
                message = json.loads(await asyncio.wait_for(first.recv(), 10))
            site.backend.reads = 64  # what a session takes of what is not in memory any more
            await second.send(json.dumps({'type': 'follow', 'stream': message['stream'], 'offset': 0}))
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(second.recv(), 10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1011
            site.backend.reads = None


async def test_who_follows_over_a_websocket_what_is_not_written_for_it_is_told(client: Client) -> None:
    site = Site()
    async with serving_app(site.app) as address:
        stream = await site.runner.start(RunStream(Agent(site.model).run_stream_events('Go')), formats=['ai-sdk'])
        async with connect(f'ws://{address}/a b/ä/ws') as websocket:
            await websocket.send(json.dumps({'type': 'follow', 'stream': stream, 'offset': 0}))
            assert json.loads(await asyncio.wait_for(websocket.recv(), 10))['error'] == 'unknown_format'


async def test_who_finds_no_place_has_begun_no_run(client: Client) -> None:
    async def start(asked: Asked) -> Source:
        await asyncio.sleep(0.2)
        return RunStream(agent.run_stream_events(**asked.options))

    site = Site(viewers=1, start=start)
    agent = Agent(site.model)
    async with serving_app(site.app) as address:

        async def post() -> int:
            headers = {'accept': 'text/event-stream'}
            return (await client.post(f'http://{address}/a b/ä/', json={'prompt': 'Go'}, headers=headers)).status_code

        assert sorted(await asyncio.gather(*(post() for _ in range(5)))) == [200, 503, 503, 503, 503]
        assert len(site.model.requests) == 1
        # The place is free again, however the request ended.
        assert (
            await client.post(f'http://{address}/a b/ä/', content=b'', headers={'accept': '*/*'})
        ).status_code == 415
        site.backend.writes = 'full'
        assert await post() == 507
        site.backend.writes = None
        assert await post() == 200


async def test_a_head_takes_no_place_and_starts_no_run(client: Client) -> None:
    site = Site(viewers=1)
    async with serving_app(site.app) as address:
        begun = await client.post(f'http://{address}/a b/ä/', json={'prompt': 'Go'})
        await until(lambda: not site.runner.ids)
        for _ in range(3):
            assert (await client.head(f'http://{address}{begun.headers["location"]}')).status_code == 200
        assert 'end' in (await client.get(f'http://{address}{begun.headers["location"]}')).text

    model = ScriptedModel(['One ', 'two.'], loop=True)

    async def answer(_: object) -> Response:
        return SSEResponse(RunStream(Agent(model).run_stream_events('Go')))

    async with serving(Route('/answer', answer)) as address:
        head = await client.head(f'http://{address}/answer')
        assert (head.status_code, head.headers['content-type']) == (200, 'text/event-stream; charset=utf-8')
        await asyncio.sleep(0.2)
        assert not model.requests


async def test_the_address_of_a_stream_is_where_it_was_begun_whatever_that_is_called(client: Client) -> None:
    runner = StreamRunner()
    routes = [Mount('/t/{tenant}', stream_router(runner, Agent(ScriptedModel(['One ', 'two.']))))]
    async with serving_app(Starlette(routes=routes, lifespan=runner.lifespan)) as address:
        begun = await client.post(f'http://{address}/t/日本 ä/', json={'prompt': 'Go'})
        assert begun.status_code == 201
        assert begun.headers['location'] == f'/t/%E6%97%A5%E6%9C%AC%20%C3%A4/{begun.json()["stream"]}'
        assert 'two.' in (await client.get(f'http://{address}{begun.headers["location"]}')).text


async def test_what_a_program_raises_for_a_client_of_a_websocket_is_told_and_the_session_goes_on() -> None:
    def start(asked: Asked) -> Source:
        if asked.prompt == 'Pay':
            raise HTTPException(402, 'First the money.')
        return RunStream(agent.run_stream_events(asked.prompt))

    site = Site(start=start)
    agent = Agent(site.model)
    async with serving_app(site.app) as address, connect(f'ws://{address}/a b/ä/ws') as websocket:
        await websocket.send('{"type": "prompt", "prompt": "Pay"}')
        said = json.loads(await asyncio.wait_for(websocket.recv(), 10))
        assert said == {'type': 'refused', 'error': 'refused', 'status': 402, 'message': 'First the money.'}
        await websocket.send('{"type": "prompt", "prompt": "Go"}')
        assert json.loads(await asyncio.wait_for(websocket.recv(), 10))['frames'][0]['type'] == 'start'


async def test_a_key_of_a_turn_that_was_refused_is_free_although_its_stream_could_not_be_deleted_at_once(
    client: Client,
) -> None:
    backend = Refusing()
    agent = Agent(ScriptedModel(['One ', Stall()], loop=True))
    chat = Chat(agent)
    runner = StreamRunner(StreamLog(backend), grace=0)
    router = stream_router(runner, agent, start=lambda asked: chat.send(asked.prompt))
    async with serving_app(Starlette(routes=[Mount('/runs', router)], lifespan=runner.lifespan)) as address:
        url = f'http://{address}/runs/'
        first = (await client.post(url, json={'prompt': 'Go'})).json()['stream']
        backend.deletes = False
        again: dict[str, Any] = {'json': {'prompt': 'And this'}, 'headers': {'idempotency-key': 'k'}}
        assert (await client.post(url, **again)).status_code == 409
        backend.deletes = True
        await client.post(f'{url}{first}/stop')
        await until(lambda: not runner.ids)
        stream = (await client.post(url, **again)).json()['stream']
        assert runner.ids == [stream]


async def test_a_request_that_comes_when_its_runner_is_closed_opens_no_log() -> None:
    asked, going_on = asyncio.Event(), asyncio.Event()

    async def start(_: Asked) -> Source:
        asked.set()
        await going_on.wait()
        return RunStream(agent.run_stream_events('Go'))

    backend = Refusing()
    agent = Agent(ScriptedModel(['One ', 'two.']))
    runner = StreamRunner(StreamLog(backend), grace=0)
    transport = httpx.ASGITransport(stream_router(runner, agent, start=start))
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
        async with runner:
            headers = {'idempotency-key': 'k'}
            both = [asyncio.ensure_future(client.post('/', json={'prompt': 'Go'}, headers=headers)) for _ in range(2)]
            await asked.wait()
        going_on.set()
        assert [(await one).status_code for one in both] == [503, 503]
        assert nothing_goes_on()
