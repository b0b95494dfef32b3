"""StreamGuard against a provider that misbehaves, through a real client, under every way to run an agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolReturnPart, UserPromptPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from pydantic_ai_streaming import Deadlines, Recovery, StreamTimeout, StreamTruncated
from pydantic_ai_streaming.capabilities import StreamGuard
from tests.capabilities.ways import DRIVERS, ENDING, Outcome
from tests.material import closing, fault_server, needs_fault_server

pytestmark = [needs_fault_server, pytest.mark.no_task_left]

LIMITS = Deadlines(first=1.5, idle=0.3, total=20)
WHOLE = 'The quick brown fox jumps over the lazy dog, and then it naps in the sun. '
FIVE = 'The quick brown fox jumps '

BREAKS = {
    'stall_then_ok': StreamTimeout,
    'close_mid_then_ok': ModelConnectionError,
    'rst_mid_then_ok': ModelConnectionError,
    'end_early_then_ok': StreamTruncated,
}
"""The provider breaks off its first answer in this way, and the error if nothing is done about it."""

REQUESTS = {'retry': 1, 'restart': 2, 'continue': 2, 'fallback': 2}
"""Requests to providers for a response that breaks off once, after content."""

every_break = pytest.mark.parametrize('broke', BREAKS)
every_driver = pytest.mark.parametrize('driver', DRIVERS)


@pytest.fixture(autouse=True)
def breaks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server break off the first answer only, whatever the fault, and call a tool before that if asked to."""
    server = fault_server()
    answer: Callable[..., Awaitable[None]] = server.openai

    async def once(connection: Any, body: Any, name: str, arguments: Any, attempt: int) -> None:
        if arguments.get('tool') and not any(message['role'] == 'tool' for message in body['messages']):
            return await answer(connection, body, 'tool', arguments, attempt)
        fault = name.removesuffix('_then_ok')
        if fault == name:
            return await answer(connection, body, name, arguments, attempt)
        broken = {'stall': 'stall_mid'}.get(fault, fault)
        first = attempt <= (2 if arguments.get('tool') else 1)
        return await answer(connection, body, broken if first else 'ok', arguments, attempt)

    monkeypatch.setattr(server, 'openai', once)


@asynccontextmanager
async def models(*names: str) -> AsyncGenerator[list[OpenAIChatModel]]:
    server = fault_server()
    server.LOG.clear()
    server.COUNT.clear()
    async with server.serve() as base, AsyncExitStack() as stack:
        built = [
            OpenAIChatModel(name, provider=OpenAIProvider(base_url=f'{base}/v1', api_key='none')) for name in names
        ]
        for model in built:
            await stack.enter_async_context(closing(model))
        yield built
    async with asyncio.timeout(5):
        while any('fault_server' in repr(task.get_coro()) for task in asyncio.all_tasks()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def recovery(by: Any, other: OpenAIChatModel) -> Recovery:
    return Recovery(fallback=[other]) if by == 'fallback' else Recovery(by=by)


@every_driver
@pytest.mark.parametrize('by', ['restart', 'continue', 'fallback'])
@every_break
async def test_a_response_that_breaks_off_is_whole_in_the_end_and_nothing_shows_twice(
    broke: str, by: str, driver: str
) -> None:
    async with models(f'{broke};tool=1', 'ok') as (own, other):
        agent = Agent(own, capabilities=[StreamGuard(LIMITS, recovery=recovery(by, other))])
        ran: list[str] = []

        @agent.tool_plain
        def get_weather(city: str) -> str:
            ran.append(city)
            return 'sunny'

        seen = Outcome()
        await DRIVERS[driver](agent, 'hi', seen)
        requests = len(fault_server().LOG)
    assert (ran, requests) == (['Paris'], 1 + REQUESTS[by])
    assert seen.output == WHOLE
    if driver not in ('run', 'iter'):
        # `stream_text` of pydantic-ai cannot take anything back: see the documentation of recovery.
        twice = by == 'restart' and driver == 'run_stream'
        assert seen.screen == (FIVE if twice else '') + WHOLE
    assert seen.messages is not None
    check_history(seen, by)


def check_history(seen: Outcome, by: str) -> None:
    """One request, one call, its result, one whole reply: nothing of the recovery."""
    assert seen.messages is not None
    assert [message.kind for message in seen.messages] == ['request', 'response', 'request', 'response']
    asked, _, returned, reply = seen.messages
    assert isinstance(asked, ModelRequest)
    assert [part.content for part in asked.parts if isinstance(part, UserPromptPart)] == ['hi']
    assert isinstance(returned, ModelRequest)
    assert [type(part) for part in returned.parts] == [ToolReturnPart]
    assert isinstance(reply, ModelResponse)
    assert (reply.text, reply.state) == (WHOLE, 'complete')
    assert [attempt.outcome for attempt in reply.failed_attempts or ()] == ['error']


@every_driver
@every_break
async def test_without_a_recovery_and_with_a_retry_after_content_the_run_fails_with_what_there_is(
    broke: str, driver: str
) -> None:
    for settings in (None, Recovery(by='retry')):
        async with models(broke) as (own,):
            agent = Agent(own, capabilities=[StreamGuard(LIMITS, recovery=settings)])
            seen = Outcome()
            if driver in ENDING:
                await DRIVERS[driver](agent, 'hi', seen)
                assert ENDING[driver] in seen.protocol
            else:
                with pytest.raises(BREAKS[broke]) as caught:
                    await DRIVERS[driver](agent, 'hi', seen)
                check_error(caught.value)
            assert len(fault_server().LOG) == REQUESTS['retry']
        assert seen.screen in ('', FIVE)


def check_error(error: Exception) -> None:
    if isinstance(error, StreamTimeout | StreamTruncated):
        assert error.text == FIVE
        assert [message.kind for message in error.messages] == ['request', 'response', 'request']
        assert error.usage is not None
        assert error.usage.requests == 1


@every_driver
async def test_before_the_first_content_a_retry_is_invisible(driver: str) -> None:
    async with models('stall_then_ok;n=0') as (own,):
        limits = Deadlines(first=0.5, idle=0.5)
        agent = Agent(own, capabilities=[StreamGuard(limits, recovery=Recovery(by='retry'))])
        seen = Outcome()
        await DRIVERS[driver](agent, 'hi', seen)
        assert len(fault_server().LOG) == 2
    assert seen.output == WHOLE
    assert seen.screen in ('', WHOLE)


@pytest.mark.parametrize('driver', ['run', 'run_stream_events', 'run_stream', 'AGUIAdapter'])
async def test_the_provider_sees_the_connection_of_a_stall_close_before_it_is_asked_again(driver: str) -> None:
    async with models('stall_then_ok') as (own,):
        agent = Agent(own, capabilities=[StreamGuard(LIMITS, recovery=Recovery())])
        await DRIVERS[driver](agent, 'hi', Outcome())
        first, second = fault_server().LOG
    assert first['_t0'] + first['client_closed_at'] <= second['_t0'] + 0.1
