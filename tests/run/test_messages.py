"""The history of a run at every moment: what it was given stays, what it adds is ready for the next run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout
from pydantic_ai_streaming.reduce.history import INTERRUPTED
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

Describe = Callable[[Agent[None, str], str, list[ModelMessage]], Any]
RUNS: dict[str, Describe] = {
    'run_stream_events': lambda agent, prompt, history: agent.run_stream_events(prompt, message_history=history),
    'run_stream': lambda agent, prompt, history: agent.run_stream(prompt, message_history=history),
}


def interrupted_before() -> list[ModelMessage]:
    """A history whose last two requests pydantic-ai sends as one."""
    return [
        ModelRequest(parts=[UserPromptPart('Go')]),
        ModelResponse(parts=[TextPart('Half')], state='interrupted'),
        ModelRequest(parts=[UserPromptPart(INTERRUPTED)]),
        ModelRequest(parts=[UserPromptPart('Are you there?')]),
    ]


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


@pytest.mark.parametrize('method', RUNS)
async def test_what_a_run_has_added_is_told_apart_from_what_it_was_given(method: str) -> None:
    agent = Agent(ScriptedModel(['One ', 'two.'], gap=1))
    async with RunStream(RUNS[method](agent, 'Go on', interrupted_before())) as stream:
        async for _ in stream.text():
            break
    assert said(stream.new_messages) == ['Go on', 'One ', INTERRUPTED]
    assert said(stream.messages) == ['Go', 'Half', INTERRUPTED, 'Are you there?', 'Go on', 'One ', INTERRUPTED]


@pytest.mark.parametrize('method', RUNS)
async def test_a_prompt_that_nobody_answered_is_there_once(method: str) -> None:
    agent = Agent(ScriptedModel([Stall()]))
    stream = RunStream(RUNS[method](agent, 'Go on', interrupted_before()), deadlines=Deadlines(first=1))
    with pytest.raises(StreamTimeout):
        async with stream:
            await stream.get_output()
    assert said(stream.new_messages) == ['Go on']
    assert said(stream.messages)[-2:] == ['Are you there?', 'Go on']


async def test_a_run_that_added_nothing_keeps_what_it_was_given() -> None:
    given = interrupted_before()
    async with RunStream(Agent(ScriptedModel([Stall()])).run_stream_events(message_history=given)) as stream:
        assert (said(stream.messages), stream.new_messages) == (said(given), [])
        await asyncio.sleep(1)
    assert stream.new_messages == []
    assert said(stream.messages) == said(given)


async def test_in_the_middle_of_a_run_the_history_is_that_of_one_that_is_stopped_there() -> None:
    agent = Agent()

    @agent.tool_plain
    async def quick() -> int:
        return 1

    @agent.tool_plain
    async def slow() -> int:
        await asyncio.sleep(5)
        return 2

    for instant in range(1, 12):
        agent.model = ScriptedModel([ToolCall('quick'), ToolCall('slow')], ['One ', 'two ', 'three.'], gap=1)
        async with RunStream(agent.run_stream_events('Go')) as stream:
            await asyncio.sleep(instant + 0.5)
            running = stream.messages
            await stream.stop()
        # Ids of calls and times are those of the same run, so all but the instant of a synthesised result is the same.
        assert said(running) == said(stream.messages), instant
        assert [message.kind for message in running] == [message.kind for message in stream.messages], instant
        following = await Agent(ScriptedModel(['Next.'])).run('And?', message_history=running)
        assert following.output == 'Next.'


async def test_a_tool_that_has_ended_keeps_its_result_while_another_runs() -> None:
    agent = Agent(ScriptedModel([ToolCall('quick'), ToolCall('slow')]))

    @agent.tool_plain
    async def quick() -> str:
        return 'paid'

    @agent.tool_plain
    async def slow() -> None:
        await asyncio.sleep(60)

    async with RunStream(agent.run_stream_events('Go')) as stream:
        await asyncio.sleep(30)
        answers = [part for part in stream.messages[-1].parts if isinstance(part, ToolReturnPart)]
    assert [(part.tool_name, part.content == 'paid') for part in answers] == [('quick', True), ('slow', False)]


async def test_a_conversation_that_is_interrupted_again_and_again_is_extended_only() -> None:
    agent = Agent(ScriptedModel(*([['One ', 'two.']] * 3), gap=1))
    conversation = Conversation()
    for turn in range(3):
        before = list(conversation.messages)
        async with RunStream(agent.run_stream_events(f'Turn {turn}', conversation=conversation)) as stream:
            async for _ in stream.text():
                break
        conversation.messages += stream.new_messages
        assert all(message is kept for message, kept in zip(conversation.messages, before, strict=False))
        assert said(conversation.messages[len(before) :]) == [f'Turn {turn}', 'One ', INTERRUPTED]
