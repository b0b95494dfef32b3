"""However often a run is cancelled, it ends once: connections are closed, and what cleans up gets its time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.lag import Lag
from tests.material import needs_recordings, provider_agent
from tests.run.stages import PROVIDERS, Stage

CLOSES_WITHIN = 0.1
"""Seconds from the end of a run to the end of its connection, as the provider sees it."""

Use: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def no_garbage_collector() -> Iterator[None]:
    """A connection that only it closes is one that is left open."""
    gc.disable()
    yield
    gc.enable()


# Ways to be cancelled more than once. Each is given what uses the stream, and what waits until it is time.


async def by_a_scope_of_anyio(use: Use, ready: Use) -> None:
    """anyio cancels in every turn of the loop, until everything in the scope is over."""
    async with anyio.create_task_group() as group:
        group.start_soon(use)
        await ready()
        group.cancel_scope.cancel()


async def again_and_again(use: Use, ready: Use) -> None:
    task = asyncio.create_task(use())
    await ready()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()


@needs_recordings
@pytest.mark.no_task_left
@pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning")
@pytest.mark.parametrize('cancel', [by_a_scope_of_anyio, again_and_again])
@pytest.mark.parametrize('method', ['run_stream_events', 'run_stream'])
@pytest.mark.parametrize('provider', PROVIDERS)
async def test_a_second_cancellation_does_not_meet_the_first_while_it_closes_the_connection(
    stages: dict[str, Stage], provider: str, method: str, cancel: Callable[..., Awaitable[None]]
) -> None:
    stage = stages[provider]
    for turns in range(4):
        session = stage.session(stage.stall())
        async with provider_agent(session) as agent:
            stream = RunStream(getattr(agent, method)(stage.prompt))

            async def use(stream: RunStream[str] = stream) -> None:
                async with stream:
                    await stream.get_output()

            async def ready(stream: RunStream[str] = stream, turns: int = turns) -> None:
                # What `stream` shows before it is entered is an error.
                await asyncio.sleep(0)
                while stream.text_so_far != stage.half_text:  # noqa: ASYNC110 - the point is to look from outside
                    await asyncio.sleep(0.001)
                for _ in range(turns):
                    await asyncio.sleep(0)

            with Lag() as lag:
                began = time.monotonic()
                await cancel(use, ready)
                left = time.monotonic()
                assert await asyncio.to_thread(session.wait_for, 'client_disconnect', 1, 1.0), (turns, session.log)
            closed = session.started + session.entries('client_disconnect')[0]['t']
            assert closed - left <= lag.allow(CLOSES_WITHIN, since=began)
            assert (stream.finish, stream.text_so_far) == ('stopped', stage.half_text)


@pytest.mark.virtual_time
async def test_what_a_tool_cleans_up_gets_the_time_it_takes_inside_a_cancelled_scope_of_anyio() -> None:
    cleaned: list[float] = []
    agent = Agent(ScriptedModel([ToolCall('held')]))

    @agent.tool_plain
    async def held() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            cleaned.append(asyncio.get_running_loop().time())

    stream = RunStream(agent.run_stream_events('Go'))
    with anyio.move_on_after(1):
        async with stream:
            await stream.get_output()
    assert cleaned == [4]
    assert stream.finish == 'stopped'


@pytest.mark.virtual_time
async def test_a_cancellation_that_finds_a_run_still_cleaning_up_is_passed_on() -> None:
    """Ctrl-C, and again."""
    agent = Agent(ScriptedModel([ToolCall('held')]))

    @agent.tool_plain
    async def held() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3600)

    async def use() -> None:
        async with RunStream(agent.run_stream_events('Go')) as stream:
            await stream.get_output()

    task = asyncio.create_task(use())
    for _ in range(2):
        await asyncio.sleep(1)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() == 2


@pytest.mark.virtual_time
async def test_a_limit_that_passes_while_a_stopped_run_cleans_up_is_no_timeout() -> None:
    agent = Agent(ScriptedModel([ToolCall('held')]))

    @agent.tool_plain
    async def held() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)

    async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(total=2)) as stream:
        await asyncio.sleep(1)
    assert (stream.finish, asyncio.get_running_loop().time()) == ('stopped', 4)
