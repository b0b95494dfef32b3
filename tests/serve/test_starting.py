"""Requests that come again, at once, to another worker or with another prompt: each run is started once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from websockets.asyncio.client import connect

from pydantic_ai_streaming import Chat, RunStream
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog
from pydantic_ai_streaming.serve import AISDK, Asked, Frames, StreamRunner, durable_streams, stream_router
from pydantic_ai_streaming.serve.starting import SECRET
from pydantic_ai_streaming.testing import ScriptedModel, Stall
from tests.serve.serving import serving_app

Post = Callable[..., Awaitable[httpx.Response]]


class Worker:
    """A router, and the runs that its `start` has made."""

    def __init__(
        self,
        backend: MemoryBackend | None = None,
        *,
        gap: float = 0.01,
        lease: float = 10.0,
        authorize: Any = None,
        **settings: Any,
    ) -> None:
        self.made: list[RunStream[Any]] = []
        self.failing = False
        self.agent = Agent(ScriptedModel(['One'], loop=True, gap=gap))
        log = StreamLog(backend or MemoryBackend(), lease=lease)
        self.runner = StreamRunner(log, formats=[Frames(), AISDK()], grace=0, **settings)
        router = stream_router(self.runner, self.agent, start=self._start, authorize=authorize)
        self.app = Starlette(routes=[Mount('/runs', router)], lifespan=self.runner.lifespan)

    async def _start(self, asked: Asked) -> RunStream[Any]:
        await asyncio.sleep(0.01)
        if self.failing:
            raise RuntimeError('not now')
        self.made.append(RunStream(self.agent.run_stream_events(**asked.options)))
        return self.made[-1]


@asynccontextmanager
async def asking(*workers: Worker) -> AsyncGenerator[list[Post]]:
    """A function for each worker that sends it a request, without a server."""
    async with AsyncExitStack() as stack:
        posts: list[Post] = []
        for one in workers:
            await stack.enter_async_context(one.runner)
            transport = httpx.ASGITransport(one.app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url='http://test'))
            posts.append(_post(client))
        yield posts


def _post(client: httpx.AsyncClient) -> Post:
    def post(body: Any, key: str | None = 'a', *, path: str = '', **headers: str) -> Awaitable[httpx.Response]:
        if key is not None:
            headers['idempotency-key'] = key
        return client.post(f'/runs/{path}', json=body, headers=headers)

    return post


def ui(text: str) -> dict[str, Any]:
    message = {'id': 'm1', 'role': 'user', 'parts': [{'type': 'text', 'text': text}]}
    return {'trigger': 'submit-message', 'id': 'c', 'messages': [message]}


async def test_requests_of_one_key_that_come_at_once_make_one_run() -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        answers = await asyncio.gather(*(post({'prompt': 'Go'}) for _ in range(4)))
        assert len({one.json()['stream'] for one in answers}) == 1
        assert [one.status_code for one in answers] == [201] * 4
        assert len(worker.made) == 1
        others = await asyncio.gather(*(post({'prompt': 'Go'}, key) for key in ('b', 'c', None, None)))
        assert len({one.json()['stream'] for one in (answers[0], *others)}) == 5


async def test_of_two_workers_that_get_the_same_request_at_once_one_enters_its_run() -> None:
    backend = MemoryBackend()
    one, other = Worker(backend), Worker(backend)
    async with asking(one, other) as posts:
        answers = await asyncio.gather(*(post({'prompt': 'Go'}) for post in posts))
        assert len({answer.json()['stream'] for answer in answers}) == 1
        assert sorted(made.started for made in (*one.made, *other.made)) == [False, True]


@pytest.mark.parametrize(
    ('path', 'other'),
    [
        ('', {'prompt': 'Stop'}),
        ('', {'prompt': 'Go', 'chat': 'c'}),
        ('ai-sdk', ui('Go')),
    ],
    ids=['prompt', 'chat', 'format'],
)
async def test_a_key_that_comes_again_for_something_else_is_refused_and_starts_nothing(path: str, other: Any) -> None:
    backend = MemoryBackend()
    workers = Worker(backend), Worker(backend)
    async with asking(*workers) as (post, elsewhere):
        assert (await post({'prompt': 'Go'})).status_code == 201
        for send in (post, elsewhere):
            again = await send(other, path=path)
            assert (again.status_code, again.json()['error']) == (422, 'key_reused')
        assert [len(one.made) for one in workers] == [1, 0]
        assert (await post({'prompt': 'Go'})).status_code == 201


async def test_of_two_workers_that_get_different_requests_of_one_key_at_once_one_refuses() -> None:
    backend = MemoryBackend()
    async with asking(Worker(backend), Worker(backend)) as posts:
        answers = await asyncio.gather(*(post({'prompt': str(n)}) for n, post in enumerate(posts)))
        assert sorted(one.status_code for one in answers) == [201, 422]


async def test_a_key_whose_request_has_failed_is_as_good_as_new() -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        worker.failing = True
        answers = await asyncio.gather(post({'prompt': 'Go'}), post({'prompt': 'Go'}))
        assert [one.status_code for one in answers] == [500, 500]
        worker.failing = False
        assert (await post({'prompt': 'Stop'})).status_code == 201


async def test_a_request_for_a_page_is_answered_again_when_it_comes_again() -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        first, again = [await post(ui('Go'), path='ai-sdk') for _ in range(2)]
        assert first.text == again.text
        assert 'One' in first.text
        other = await post(ui('Stop'), path='ai-sdk')
        assert (other.status_code, len(worker.made)) == (422, 1)


async def test_a_key_that_is_empty_or_there_twice_protects_from_nothing_and_is_refused() -> None:
    worker = Worker()
    async with asking(worker):
        transport = httpx.ASGITransport(worker.app)
        async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
            for keys in ([''], ['a', 'b']):
                headers = [('idempotency-key', key) for key in keys]
                answer = await client.post('/runs/', json={'prompt': 'Go'}, headers=headers)
                assert (answer.status_code, answer.json()['error'], worker.made) == (400, 'malformed', [])


async def test_prompts_over_a_websocket_have_keys_of_their_own_whatever_its_handshake_has_had() -> None:
    worker = Worker()

    async def ask(websocket: Any, **more: Any) -> Any:
        await websocket.send(json.dumps({'type': 'prompt', 'prompt': 'Go', **more}))
        while (message := json.loads(await websocket.recv())).get('frames', [{}])[0].get('type') != 'start':
            if 'error' in message:
                return message['error']
        return message['stream']

    async with serving_app(worker.app) as address:
        handshake = {'idempotency-key': 'a'}
        async with connect(f'ws://{address}/runs/ws', additional_headers=handshake) as websocket:
            assert await ask(websocket) != await ask(websocket)
            once = await ask(websocket, key='a')
            assert await ask(websocket, key='a') == once
            assert await ask(websocket, key='b') != once
            assert await ask(websocket, key='a', prompt='Stop') == 'key_reused'
            assert await ask(websocket, key=1) == 'malformed'
        assert len(worker.made) == 4
        async with httpx.AsyncClient() as client:
            answer = await client.post(f'http://{address}/runs/', json={'prompt': 'Go'}, headers=handshake)
            assert answer.json()['stream'] == once, 'the same request by another way'


async def test_a_start_that_returns_what_was_entered_already_is_an_error_of_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker()
    async with RunStream(worker.agent.run_stream_events('Go')) as entered:
        router = stream_router(worker.runner, worker.agent, start=lambda _: entered)
        worker.app.router.routes[:] = [Mount('/runs', router)]
        async with asking(worker) as (post,):
            answer = await post({'prompt': 'Go'})
        assert (answer.status_code, answer.json()['error']) == (500, 'failed')
        assert answer.json()['message'].rpartition('error ')[2].rstrip(').') in caplog.text
        assert 'pass RunStream(...)' in caplog.text


def who(connection: HTTPConnection) -> str:
    return connection.headers['x-who']


async def test_an_owner_with_too_many_runs_is_told_so_and_others_are_not() -> None:
    worker = Worker(gap=60, authorize=who, at_once=2, at_once_each=1)
    async with asking(worker) as (post,):
        answers = [await post({'prompt': 'Go'}, None, **{'x-who': name}) for name in ('ann', 'ann', 'bob', 'eve')]
        assert [one.status_code for one in answers] == [201, 429, 201, 503]
        assert [one.json()['error'] for one in answers if one.status_code > 400] == ['too_many', 'busy']
        assert {one.headers['retry-after'] for one in answers if one.status_code > 400} == {'1'}


async def test_who_asks_a_worker_that_is_ending_is_told_to_ask_again_and_that_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        await worker.runner.close()
        with caplog.at_level(logging.INFO, 'pydantic_ai_streaming'):
            answer = await post({'prompt': 'Go'}, None)
        assert (answer.status_code, answer.json()['error'], answer.headers['retry-after']) == (503, 'unavailable', '1')
        assert not [one for one in caplog.records if one.name.startswith('pydantic_ai_streaming')]


async def test_who_knows_a_key_does_not_know_the_id_that_is_made_of_it() -> None:
    here, elsewhere = Worker(MemoryBackend()), Worker(MemoryBackend())
    async with asking(here, elsewhere) as posts:
        ids = [(await post({'prompt': 'Go'})).json()['stream'] for post in posts]
        assert len(set(ids)) == 2


async def test_who_writes_into_the_log_does_not_get_at_what_keys_need() -> None:
    backend = MemoryBackend()
    one, other = Worker(backend), Worker(backend)
    async with asking(one, other) as posts:
        first = await posts[0]({'prompt': 'Go'})
        for prefix, name in (('', SECRET), ('__serve', SECRET.removeprefix('__serve'))):
            app = durable_streams(one.runner.log, writable=True, prefix=prefix)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url='http://test') as client:
                for method in ('HEAD', 'GET', 'PUT', 'POST', 'DELETE'):
                    answer = await client.request(method, f'/{name}', json=[])
                    assert answer.status_code == 404, method
        again = await posts[1]({'prompt': 'Go'})
        assert (again.status_code, again.json()) == (201, first.json())


async def test_workers_make_the_same_of_a_key_when_their_log_has_come_back_empty() -> None:
    backend = MemoryBackend()
    one, other = Worker(backend), Worker(backend)
    async with asking(one, other) as posts:
        await posts[0]({'prompt': 'Go'})
        backend._streams.clear()  # pyright: ignore[reportPrivateUsage] - as a server that has kept nothing
        answers = [await post({'prompt': 'Go'}, 'b') for post in reversed(posts)]
        assert answers[0].json() == answers[1].json()
        assert sum(made.started for made in (*one.made, *other.made)) == 2


async def test_a_key_means_something_of_its_own_at_each_place_where_a_router_is() -> None:
    runner = StreamRunner(grace=0)
    agents = {name: Agent(ScriptedModel([name], loop=True)) for name in ('sailor', 'cook')}
    app = Starlette(routes=[Mount(f'/{name}', stream_router(runner, agent)) for name, agent in agents.items()])
    transport = httpx.ASGITransport(app)
    async with runner, httpx.AsyncClient(transport=transport, base_url='http://test') as client:
        for name in agents:
            headers = {'idempotency-key': 'a', 'accept': 'text/event-stream'}
            answers = [await client.post(f'/{name}/', json={'prompt': 'Who?'}, headers=headers) for _ in range(2)]
            assert answers[0].text == answers[1].text
            assert f'"text":"{name}"' in answers[0].text


@pytest.mark.parametrize('turns', range(1, 40, 3))
async def test_a_request_that_is_given_up_while_it_starts_does_not_use_up_its_key(turns: int) -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        first = asyncio.ensure_future(post({'prompt': 'Go'}))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.wait([first])
        again = await post({'prompt': 'Go'})
        stream_id = again.json()['stream']
        entries = [entry async for part in await worker.runner.log.follow(stream_id) for entry in part.entries]
        assert json.loads(entries[-1]) == {'type': 'end', 'finish': 'complete'}
        assert sum(one.started for one in worker.made) == 1


class Busy(Worker):
    """Whose runs are the turns of one conversation."""

    def __init__(self, backend: MemoryBackend | None = None) -> None:
        super().__init__(backend)
        self.chat = Chat(Agent(ScriptedModel(['One', Stall()])))

    async def _start(self, asked: Asked) -> Any:
        return self.chat.send('And then?')


async def test_a_turn_that_is_refused_is_refused_again_though_the_first_request_was_given_up() -> None:
    worker = Busy()
    async with worker.chat.send('Go'), asking(worker) as (post,):
        for turns in range(1, 60):
            key = f'key {turns}'
            first = asyncio.ensure_future(post({'prompt': 'Go'}, key))
            for _ in range(turns):
                await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            assert (await post({'prompt': 'Go'}, key)).status_code == 409, turns


async def test_a_turn_that_one_worker_refuses_is_not_followed_by_the_other() -> None:
    backend = MemoryBackend()
    one, other = Busy(backend), Busy(backend)
    other.chat = one.chat
    async with one.chat.send('Go'), asking(one, other) as (post, elsewhere):
        for number in range(12):

            async def second(pause: float, key: str) -> httpx.Response:
                await asyncio.sleep(pause)
                return await elsewhere({'prompt': 'Go'}, key)

            key = f'key {number}'
            answers = await asyncio.gather(post({'prompt': 'Go'}, key), second(number * 0.0005, key))
            assert [answer.status_code for answer in answers] == [409, 409]
            assert [answer.json()['error'] for answer in answers] == ['turn_in_progress'] * 2


async def test_why_nothing_was_begun_for_a_request_that_was_given_up_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker()
    async with asking(worker) as (post,):
        worker.failing = True
        given_up = asyncio.ensure_future(post({'prompt': 'Go'}))
        await asyncio.sleep(0.005)
        given_up.cancel()
        await asyncio.sleep(0.05)
        assert 'RuntimeError: not now' in caplog.text
        assert (await post({'prompt': 'Go'}, 'b')).status_code == 500
        assert caplog.text.count('RuntimeError: not now') == 2
