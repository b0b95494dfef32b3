"""A stream whose output is waited for by a part of its own run, which would wait for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import Hooks

from pydantic_ai_streaming import RunStream, StreamUsageError
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall, virtual_time

Waits = Callable[[], Awaitable[str]]


def in_a_tool(waits: Waits) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(ScriptedModel([ToolCall('look')], ['Done.']))
    agent.tool_plain(name='look')(waits)
    return agent


def in_one_of_two_tools(waits: Waits) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(ScriptedModel([ToolCall('clock'), ToolCall('look')], ['Done.']))
    agent.tool_plain(name='look')(waits)

    @agent.tool_plain
    async def clock() -> str:
        return 'noon'

    return agent


def in_an_output_validator(waits: Waits) -> Agent[None, str]:
    agent: Agent[None, str] = Agent(ScriptedModel(['Done.']))

    @agent.output_validator
    async def check(output: str) -> str:
        return await waits()

    return agent


def in_an_output_function(waits: Waits) -> Agent[None, str]:
    async def function(what: str) -> str:
        return await waits()

    return Agent(ScriptedModel([ToolCall('final_result', {'what': 'x'})]), output_type=function)


def in_a_hook_of_the_request(waits: Waits) -> Agent[None, str]:
    hooks: Hooks[None] = Hooks()

    @hooks.on.model_request
    async def wrap(ctx: Any, *, request_context: Any, handler: Any) -> Any:
        response = await handler(request_context)
        await waits()
        return response

    return Agent(ScriptedModel(['Done.']), deps_type=type(None), capabilities=[hooks])


def in_a_hook_of_the_run(waits: Waits) -> Agent[None, str]:
    hooks: Hooks[None] = Hooks()

    @hooks.on.run
    async def wrap(ctx: Any, *, handler: Any) -> Any:
        result = await handler()
        await waits()
        return result

    return Agent(ScriptedModel(['Done.']), deps_type=type(None), capabilities=[hooks])


PLACES = [
    in_a_tool,
    in_one_of_two_tools,
    in_an_output_validator,
    in_an_output_function,
    in_a_hook_of_the_request,
    in_a_hook_of_the_run,
]


@pytest.mark.parametrize('call', ['run_stream_events', 'run_stream'])
@pytest.mark.parametrize('place', PLACES)
def test_a_part_of_a_run_that_waits_for_its_output_is_told_so(
    place: Callable[[Waits], Agent[None, str]], call: str
) -> None:
    streams: list[RunStream[str]] = []
    waited: list[bool] = []

    async def waits() -> str:
        waited.append(True)
        return await streams[0].get_output()

    async def main() -> None:
        run: AbstractAsyncContextManager[Any] = getattr(place(waits), call)('Go')
        async with asyncio.timeout(60), RunStream[str](run) as stream:
            streams.append(stream)
            async for _ in stream.events():
                pass

    with pytest.raises(StreamUsageError, match='waits for the tool'):
        virtual_time.run(main())
    assert waited == [True]


def test_a_task_that_the_tool_does_not_wait_for_may_wait_for_the_output() -> None:
    streams: list[RunStream[str]] = []
    tasks: list[asyncio.Task[str]] = []

    async def main() -> str:
        async def look() -> str:
            tasks.append(asyncio.create_task(streams[0].get_output()))
            await asyncio.sleep(1)
            return 'x'

        async with RunStream(in_a_tool(look).run_stream_events('Go')) as stream:
            streams.append(stream)
            await stream.get_output()
        return await tasks[0]

    assert virtual_time.run(main()) == 'Done.'


def test_a_tool_of_another_run_may_wait_for_the_output() -> None:
    async def main() -> str:
        slow: Agent[None, str] = Agent(ScriptedModel(['Done ', 'elsewhere.'], gap=1))
        async with RunStream(slow.run_stream_events('Go')) as other:
            async with RunStream(in_a_tool(other.get_output).run_stream_events('Go')) as stream:
                assert await stream.get_output() == 'Done.'
            return other.output

    assert virtual_time.run(main()) == 'Done elsewhere.'
