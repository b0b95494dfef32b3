"""Which run a chat has: found by its name while it starts, as long as it goes on, and only where it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming import RunStream, StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog, Write
from pydantic_ai_streaming.serve import AISDK, Asked, Frames, StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel, Stall
from tests.serve.serving import until
from tests.serve.test_starting import ui


class Site:
    """Two routers of one runner, whose model stands still and whose `start` waits until it is told to go on."""

    def __init__(self, backend: MemoryBackend | None = None, *, ttl: float = 3600.0, lease: float = 10.0) -> None:
        self.agent = Agent(ScriptedModel(['One', Stall()], loop=True))
        self.asked = 0
        self.made: list[RunStream[Any]] = []
        self.going_on = asyncio.Event()
        self.going_on.set()
        log = StreamLog(backend or MemoryBackend(), lease=lease)
        self.runner = StreamRunner(log, formats=[Frames(), AISDK()], grace=0, ttl=ttl)
        router, other = (stream_router(self.runner, self.agent, start=self._start) for _ in range(2))
        self.app = Starlette(routes=[Mount('/runs', router), Mount('/others', other)])

    async def _start(self, asked: Asked) -> RunStream[Any]:
        self.asked += 1
        await self.going_on.wait()
        self.made.append(RunStream(self.agent.run_stream_events(**asked.options)))
        return self.made[-1]

    @asynccontextmanager
    async def asking(self) -> AsyncGenerator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app)
        async with self.runner, httpx.AsyncClient(transport=transport, base_url='http://test/runs') as client:
            yield client


async def begun(client: httpx.AsyncClient, site: Site) -> None:
    """Ask, and go away when it goes on."""
    asking = asyncio.ensure_future(client.post('/ai-sdk', json=ui('Go')))
    await until(lambda: bool(site.runner.ids))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait([asking])


async def test_a_stop_that_comes_while_a_chat_begins_ends_its_run() -> None:
    site = Site()
    async with site.asking() as client:
        site.going_on.clear()
        asking = asyncio.ensure_future(client.post('/ai-sdk', json=ui('Go')))
        await until(lambda: site.asked == 1)
        answers = [await client.post(path) for path in ('/ai-sdk/c/stop', '/ai-sdk/d/stop')]
        assert [one.status_code for one in answers] == [200, 404]
        assert answers[0].json() == {'stopped': True}
        site.going_on.set()
        assert (await asyncio.wait_for(asking, 10)).status_code == 200
        await until(lambda: not site.runner.ids)
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': False}


async def test_a_stop_ends_what_a_chat_begins_also_if_nobody_waits_for_it_and_what_it_had_before() -> None:
    site = Site()
    async with site.asking() as client:
        await begun(client, site)
        site.going_on.clear()
        asking = asyncio.ensure_future(client.post('/ai-sdk', json=ui('Go')))
        await until(lambda: site.asked == 2)
        asking.cancel()
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': True}
        await until(lambda: not site.runner.ids)
        site.going_on.set()
        await until(lambda: [one.finish for one in site.made] == ['stopped', 'stopped'])


class WithoutNotes(MemoryBackend):
    """A place where runs can be written, and notes of chats cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = True

    async def commit(self, writes: Sequence[Write]) -> Any:
        if self.failing and any('chat-' in write.stream_id for write in writes):
            raise StoreUnavailable('gone')
        return await super().commit(writes)


async def test_a_run_whose_chat_cannot_be_noted_goes_on_and_is_found_when_it_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = WithoutNotes()
    site = Site(backend, ttl=1.0, lease=0.5)
    async with site.asking() as client:
        asking = asyncio.ensure_future(client.post('/ai-sdk', json=ui('Go')))
        await until(lambda: 'It could not be noted' in caplog.text)
        assert (await client.get('/ai-sdk/c/stream')).status_code == 204
        backend.failing = False
        for _ in range(100):
            await asyncio.sleep(0.05)
            if (await client.post('/ai-sdk/c/stop')).json() == {'stopped': True}:
                break
        answer = await asyncio.wait_for(asking, 10)
        assert (answer.status_code, 'One' in answer.text) == (200, True)


async def test_a_run_whose_chat_cannot_be_noted_is_stopped_by_the_process_that_has_it() -> None:
    site = Site(WithoutNotes())
    async with site.asking() as client:
        asking = asyncio.ensure_future(client.post('/ai-sdk', json=ui('Go')))
        await until(lambda: site.made and site.made[0].started)
        await until(lambda: site.runner.ids)
        await asyncio.sleep(0.1)
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': True}
        assert (await asyncio.wait_for(asking, 10)).status_code == 200
        assert site.made[0].finish == 'stopped'


async def test_a_chat_is_found_for_as_long_as_its_run_goes_on_and_forgotten_with_its_stream() -> None:
    site = Site(ttl=0.8, lease=0.3)
    async with site.asking() as client:
        await begun(client, site)
        await asyncio.sleep(2.0)
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': True}
        await until(lambda: not site.runner.ids)
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': False}
        await asyncio.sleep(2.0)
        assert (await client.post('/ai-sdk/c/stop')).status_code == 404


async def test_chats_of_one_name_at_two_places_are_two() -> None:
    site = Site()
    async with site.asking() as client:
        await begun(client, site)
        assert (await client.post('http://test/others/ai-sdk/c/stop')).status_code == 404
        assert (await client.post('/ai-sdk/c/stop')).json() == {'stopped': True}
