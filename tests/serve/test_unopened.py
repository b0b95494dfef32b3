"""A program that mounts the routes of a runner and does not open it is told so, once."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic_ai import Agent
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import StreamRunner, stream_router
from pydantic_ai_streaming.testing import ScriptedModel

AGENT = Agent(ScriptedModel(['One'], loop=True))


@pytest.fixture
def runner() -> StreamRunner:
    return StreamRunner()


def site(runner: StreamRunner) -> Starlette:
    """Without the lifespan."""
    return Starlette(routes=[Mount(f'/{name}', stream_router(runner, AGENT)) for name in ('runs', 'others')])


@asynccontextmanager
async def client_of(runner: StreamRunner) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site(runner)), base_url='http://test') as client:
        yield client


async def ask(client: httpx.AsyncClient, name: str = 'runs') -> None:
    answer = await client.post(f'/{name}/', json={'prompt': 'Go'})
    assert answer.status_code == 201


async def test_the_first_request_that_starts_a_run_says_what_to_write_and_no_other_does(
    runner: StreamRunner, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(runner) as client:
        assert (await client.get('/runs/unknown')).status_code == 404
        assert not caplog.records
        for name in ('runs', 'runs', 'others'):
            await ask(client, name)
    (told,) = caplog.records
    assert (told.name, told.levelname) == ('pydantic_ai_streaming.serve.runner', 'WARNING')
    assert 'lifespan=runner.lifespan' in told.getMessage()
    await runner.close()


def test_a_prompt_over_a_websocket_is_such_a_request(runner: StreamRunner, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(site(runner)) as client, client.websocket_connect('/runs/ws') as talk:
        for _ in range(2):
            talk.send_json({'type': 'prompt', 'prompt': 'Go'})
            while json.loads(talk.receive_text())['frames'][-1]['type'] != 'end':
                pass
    assert [one.levelname for one in caplog.records] == ['WARNING']


@asynccontextmanager
async def opened(runner: StreamRunner, how: str) -> AsyncGenerator[None]:
    if how == 'by hand':
        await runner.open()
        yield
        await runner.close()
        return
    async with runner if how == 'as a context' else runner.lifespan(None):
        yield


@pytest.mark.parametrize('how', ['by hand', 'as a context', 'with the application'])
async def test_one_that_was_opened_says_nothing(
    how: str, runner: StreamRunner, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(runner, how), client_of(runner) as client:
        await ask(client)
    assert not caplog.records


async def test_a_program_that_starts_runs_by_itself_is_told_nothing(
    runner: StreamRunner, caplog: pytest.LogCaptureFixture
) -> None:
    await runner.start(RunStream(AGENT.run_stream_events('Go')))
    await runner.close()
    assert not caplog.records
