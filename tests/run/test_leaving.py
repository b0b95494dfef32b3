"""However often a run is cancelled, it ends once: connections are closed, and what cleans up gets its time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import AgentStreamEvent, ModelResponse, PartStartEvent, TextPart
from pydantic_ai.tools import RunContext

from pydantic_ai_streaming import Deadlines, RunStream
from pydantic_ai_streaming.testing import ScriptedModel, Thinking, ToolCall
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


@pytest.mark.virtual_time
@pytest.mark.no_task_left
async def test_the_text_in_the_history_is_the_text_that_was_shown_at_whatever_turn_a_run_is_left() -> None:
    texts: set[str] = set()
    for turns in range(120):
        agent = Agent(ScriptedModel([Thinking('Hm. '), 'Let me ', 'look. ', ToolCall('look')], ['Done.']))

        @agent.tool_plain
        async def look() -> str:
            return 'seen'

        async with RunStream(agent.run_stream_events('Go')) as stream:
            for _ in range(turns):
                await asyncio.sleep(0)
        responses = [message for message in stream.messages if isinstance(message, ModelResponse)]
        said = [part.content for response in responses for part in response.parts if isinstance(part, TextPart)]
        assert ''.join(said) == stream.text_so_far, turns
        assert ''.join([piece async for piece in stream.text()]) == stream.text_so_far
        texts.add(stream.text_so_far)
    assert {'', 'Let me ', 'Let me look. '} <= texts


class Censor(AbstractCapability[Any]):
    """Looks at each part for a while before it may be shown."""

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        async for event in stream:
            if isinstance(event, PartStartEvent):
                await asyncio.sleep(1)
            yield event


@pytest.mark.virtual_time
async def test_what_a_capability_still_looks_at_when_a_run_is_left_is_not_shown() -> None:
    agent = Agent(ScriptedModel([Thinking('Hm. '), 'Secret.']), capabilities=[Censor()])
    async with RunStream(agent.run_stream_events('Go')) as stream:
        await asyncio.sleep(1.5)
    assert stream.text_so_far == ''
