"""The `EventSource` of a real browser: it comes back for as long as there is something to come back for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.errors import StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, MemoryLog, RedisLog, Slice, StreamLog, Wanted, tail
from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, StreamRunner, following, stream_router
from pydantic_ai_streaming.testing import ScriptedModel
from tests.npm import needs_node
from tests.serve.browser_client import node, text_of
from tests.serve.chromium import in_a_page, needs_chromium
from tests.serve.serving import serving_app, until
from tests.servers import RedisServer, start_redis

WORDS = [f'{number} ' for number in range(40)]
TEXT = ''.join(WORDS)


class Site:
    """An empty page, and a run beside it whose connections can be broken."""

    def __init__(self, log: StreamLog, *, gap: float = 0.0, model: Model | None = None, **settings: Any) -> None:
        self.agent = Agent(model or ScriptedModel(WORDS, gap=gap))
        self.runner = StreamRunner(log, formats=[Frames(['text'])], grace=0)
        self.requests = 0
        self.cut = self.started = False

        async def page(_: Request) -> HTMLResponse:
            return HTMLResponse('<!doctype html><title>A page</title>')

        routes = [Route('/', page), Mount('/runs', stream_router(self.runner, self.agent, **settings))]
        self.app = Starlette(routes=routes, lifespan=self.runner.lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get('path', '').startswith('/runs'):
            self.requests += 1
            if self.requests == 1 and not self.started:  # a browser takes its time to be there
                await self.start()

        async def cuttable(message: Message) -> None:
            if self.cut and message.get('more_body'):
                raise ConnectionResetError
            await send(message)

        await self.app(scope, receive, cuttable)

    async def start(self) -> None:
        self.started = True
        await self.runner.start(RunStream(self.agent.run_stream_events('Go')), stream_id='run')


@pytest.fixture
def redis() -> Any:
    """A Redis of its own, which is stopped."""
    with start_redis() as server:
        yield server


async def while_redis_is_away(site: Site, redis: RedisServer, reading: asyncio.Task[Any]) -> None:
    """Redis goes away, and the connection of who reads breaks; after two more requests, Redis is there again."""
    await until(lambda: site.requests == 1, within=20)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(redis.stop)
    site.cut = True
    await until(lambda: site.requests >= 2, within=10)
    site.cut = False
    await until(lambda: site.requests >= 3 or reading.done(), within=20)
    await asyncio.to_thread(redis.start)


@needs_chromium
async def test_an_event_source_outlasts_a_redis_that_is_away(redis: RedisServer) -> None:
    site: Any = Site(RedisLog(redis.url, lease=30), gap=0.1, keep_alive=0.1)
    async with serving_app(site) as address:
        reading = asyncio.create_task(in_a_page(f'http://{address}', 'follow', '/runs/run'))
        await while_redis_is_away(site, redis, reading)
        seen = await reading
    assert seen['over']
    assert text_of(seen['frames']) == TEXT
    assert seen['frames'][-1] == {'type': 'end', 'finish': 'complete'}
    assert len(set(seen['ids'])) == len(seen['ids'])


@needs_node
async def test_the_client_for_browsers_outlasts_a_redis_that_is_away(redis: RedisServer) -> None:
    site: Any = Site(RedisLog(redis.url, lease=30), gap=0.1, keep_alive=0.1)
    async with serving_app(site) as address:
        reading = asyncio.create_task(node(f'http://{address}/runs/run'))
        await while_redis_is_away(site, redis, reading)
        frames = await reading
    assert text_of(frames) == TEXT
    assert frames[-1] == {'type': 'end', 'finish': 'complete'}


@needs_node
async def test_the_client_for_browsers_waits_for_a_place_before_it_has_seen_anything() -> None:
    going_on = asyncio.Event()

    async def waiting(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield WORDS[0]
        await going_on.wait()
        for word in WORDS[1:]:
            yield word

    site: Any = Site(MemoryLog(), model=FunctionModel(stream_function=waiting), viewers=1)
    async with serving_app(site) as address, httpx.AsyncClient() as client:
        async with client.stream('GET', f'http://{address}/runs/run'):
            reading = asyncio.create_task(node(f'http://{address}/runs/run'))
            # It comes again, so it was refused before.
            await until(lambda: site.requests >= 3, within=60)
        going_on.set()
        frames = await reading
    assert text_of(frames) == TEXT


class AwayOnce(MemoryBackend):
    """Cannot be reached when older entries are read for the third time."""

    reads = 0

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        self.reads += any(one.start > 0 for one in wanted)
        if self.reads == 3:
            self.reads += 1
            raise StoreUnavailable('the log is at secret.example')
        return await super().fetch(wanted)


@pytest.fixture
def far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client has not read yet is read from the backend, a few entries at a time."""
    monkeypatch.setattr(tail, 'WINDOW', 1)
    monkeypatch.setattr(following, 'AT_ONCE', 4)


async def cut_off(site: Any, caplog: pytest.LogCaptureFixture, read: Callable[[str], Awaitable[Any]]) -> Any:
    """What a client has seen of a stream that is over, of which the log could not be read once."""
    with caplog.at_level(logging.WARNING, 'pydantic_ai_streaming'):
        async with serving_app(site) as address:
            await site.start()
            await until(lambda: not site.runner.ids)
            seen = await read(address)
    assert site.requests == 2
    (told,) = caplog.records
    assert 'secret.example' in told.getMessage()
    assert told.levelname == 'WARNING'
    return seen


@pytest.mark.usefixtures('far_behind')
@needs_chromium
async def test_an_event_source_that_is_cut_off_since_the_log_is_away_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site(StreamLog(AwayOnce()), gap=0)
    seen = await cut_off(site, caplog, lambda address: in_a_page(f'http://{address}', 'follow', '/runs/run'))
    assert text_of(seen['frames']) == TEXT
    assert len(set(seen['ids'])) == len(seen['ids'])


@pytest.mark.usefixtures('far_behind')
@needs_node
async def test_the_client_for_browsers_that_is_cut_off_since_the_log_is_away_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site(StreamLog(AwayOnce()), gap=0)
    assert text_of(await cut_off(site, caplog, lambda address: node(f'http://{address}/runs/run'))) == TEXT


@pytest.mark.usefixtures('far_behind')
async def test_a_body_that_is_not_all_does_not_end_as_if_it_were() -> None:
    site: Any = Site(StreamLog(AwayOnce()), gap=0)
    async with serving_app(site) as address, httpx.AsyncClient() as client:
        await site.start()
        await until(lambda: not site.runner.ids)
        with pytest.raises(httpx.RemoteProtocolError, match='incomplete'):
            await client.get(f'http://{address}/runs/run')


class Away(MemoryBackend):
    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        raise StoreUnavailable('the log is at secret.example')


@pytest.mark.parametrize(
    ('accept', 'status', 'kind'),
    [
        ('text/event-stream', 200, 'text/event-stream; charset=utf-8'),
        ('Text/Event-Stream;q=1', 200, 'text/event-stream; charset=utf-8'),
        ('text/event-stream, application/json', 503, 'application/json'),
        ('*/*', 503, 'application/json'),
        ('', 503, 'application/json'),
    ],
)
async def test_who_reads_a_status_gets_one_and_who_reads_events_alone_is_told_to_come_back(
    accept: str, status: int, kind: str
) -> None:
    site: Any = Site(StreamLog(Away()), gap=0)
    site.requests = 1
    async with serving_app(site) as address, httpx.AsyncClient() as client:
        answer = await client.get(f'http://{address}/runs/run', headers={'accept': accept})
        assert (answer.status_code, answer.headers['content-type']) == (status, kind)
        assert 'no-store' in answer.headers['cache-control']
        assert 'secret' not in answer.text
        if status == 200:
            assert answer.text == ': unavailable\n\nretry: 1000\n\n'
        else:
            assert answer.headers['retry-after'] == '1'
        # No EventSource sends this: whoever does reads the status.
        stop = await client.delete(f'http://{address}/runs/run', headers={'accept': accept})
        assert (stop.status_code, stop.json()['error']) == (503, 'unavailable')


@pytest.mark.parametrize('kind', ['frames', 'ai-sdk', 'ag-ui'])
async def test_who_has_seen_all_that_is_for_him_is_told_so_though_the_last_entries_are_for_others(kind: str) -> None:
    agent = Agent(ScriptedModel(WORDS))
    runner = StreamRunner(formats=[Frames(), AISDK(), AGUI()], grace=0)
    app = Starlette(routes=[Mount('/runs', stream_router(runner, agent))], lifespan=runner.lifespan)
    async with serving_app(app) as address, httpx.AsyncClient() as client:
        await runner.start(RunStream(agent.run_stream_events('Go')), stream_id='run')
        await until(lambda: not runner.ids)
        url = f'http://{address}/runs/run?format={kind}'
        ids = [line[4:] for line in (await client.get(url)).text.split('\n') if line.startswith('id: ')]
        one_left, nothing = [await client.get(url, headers={'last-event-id': last}) for last in ids[-2:]]
        assert (one_left.status_code, one_left.text.count('data:')) == (200, 1)
        assert (nothing.status_code, nothing.text) == (204, '')
