"""A conversation is saved after every way out of a run, and goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.exceptions import RunCancelled, RunTimedOut
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ToolReturnPart

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout
from pydantic_ai_streaming.stores import SQLiteConversationStore
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, ToolCall
from pydantic_ai_streaming.testing.conversation_store_messages import TOOL_VALUES

Exit = Callable[[Agent[None, str], Conversation], Awaitable[list[ModelMessage]]]


class ModelIsGone(Exception):
    """What the provider's client raises."""


def reply(*end: Any) -> list[Any]:
    """A tool is called, then the reply begins, and ends like this."""
    return [[ToolCall('look', {})], ['Half ', 'of ', *end]]


def agent(*end: Any) -> Agent[None, str]:
    agent = Agent(ScriptedModel(*reply(*end), ['And the next turn.'], gap=0.005))

    @agent.tool_plain
    def look() -> Any:
        return {name: TOOL_VALUES[name] for name in ('tuple', 'set', 'bytes', 'dataclass')}

    return agent


# What a program does with pydantic-ai's own stream


async def bare_complete(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with agent.run_stream_events('Go', conversation=conversation) as events:
        async for _ in events:
            pass
        return events.all_messages()


async def bare_break(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with agent.run_stream_events('Go', conversation=conversation) as events:
        await until_half(events)
    return events.all_messages()


async def bare_cancel(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with agent.run_stream_events('Go', conversation=conversation) as events:
        with suppress(RunCancelled):
            await until_half(events)
            events.cancel()
            async for _ in events:
                pass
    return events.all_messages()


async def bare_timeout(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with agent.run_stream_events('Go', conversation=conversation, timeout=0.3) as events:
        with pytest.raises(RunTimedOut):
            async for _ in events:
                pass
    return events.all_messages()


async def bare_error(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with agent.run_stream_events('Go', conversation=conversation) as events:
        with pytest.raises(ModelIsGone):
            async for _ in events:
                pass
    return events.all_messages()


async def until_half(events: AsyncIterator[Any]) -> None:
    async for event in events:
        if 'of ' in str(getattr(getattr(event, 'delta', None), 'content_delta', '')):
            return


# The same with RunStream


async def stream_complete(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with RunStream(agent.run_stream_events('Go', conversation=conversation)) as stream:
        await stream.get_output()
    return list(stream.messages)


async def stream_of_run_stream(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    # pydantic-ai's result of `run_stream` has lost the conversation's revision; what was loaded still has it.
    async with RunStream(agent.run_stream('Go', conversation=conversation)) as stream:
        await stream.get_output()
    return list(stream.messages)


async def stream_break(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    async with RunStream(agent.run_stream_events('Go', conversation=conversation)) as stream:
        async for piece in stream.text():
            if 'of ' in str(piece):
                break
    return list(stream.messages)


async def stream_cancelled(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    stream = RunStream(agent.run_stream_events('Go', conversation=conversation))
    is_half = asyncio.Event()

    async def watch() -> None:
        async with stream:
            async for piece in stream.text():
                if 'of ' in str(piece):
                    is_half.set()

    task = asyncio.create_task(watch())
    await is_half.wait()
    task.cancel()
    await asyncio.wait([task])
    return list(stream.messages)


async def stream_deadline(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    events = agent.run_stream_events('Go', conversation=conversation)
    with pytest.raises(StreamTimeout) as caught:
        async with RunStream(events, deadlines=Deadlines(idle=0.2)) as stream:
            await stream.get_output()
    return list(caught.value.messages)


async def stream_error(agent: Agent[None, str], conversation: Conversation) -> list[ModelMessage]:
    stream = RunStream(agent.run_stream_events('Go', conversation=conversation))
    with pytest.raises(ModelIsGone):
        async with stream:
            await stream.get_output()
    return list(stream.messages)


EXITS: dict[str, tuple[Exit, Any]] = {
    'bare complete': (bare_complete, 'a reply.'),
    'bare break': (bare_break, Stall()),
    'bare cancel': (bare_cancel, Stall()),
    'bare timeout': (bare_timeout, Stall()),
    'bare error': (bare_error, Fail(ModelIsGone())),
    'stream complete': (stream_complete, 'a reply.'),
    'stream of run stream': (stream_of_run_stream, 'a reply.'),
    'stream break': (stream_break, Stall()),
    'stream cancelled': (stream_cancelled, Stall()),
    'stream deadline': (stream_deadline, Stall()),
    'stream error': (stream_error, Fail(ModelIsGone())),
}


@pytest.mark.parametrize('is_loaded', [False, True], ids=['new', 'loaded'])
@pytest.mark.parametrize(('leave', 'end'), EXITS.values(), ids=EXITS)
async def test_the_conversation_is_saved_and_goes_on(leave: Exit, end: Any, is_loaded: bool, tmp_path: Path) -> None:
    async with SQLiteConversationStore(tmp_path / 'chats.db') as store:
        conversation = Conversation(conversation_id='c')
        if is_loaded:
            first = Agent(ScriptedModel(['Hello.']))
            await store.save(await first.run('Hi', conversation=conversation))
            conversation = await store.load('c') or conversation
        before = len(conversation.messages)
        talker = agent(end)
        conversation.messages = await leave(talker, conversation)
        await store.save(conversation)

        loaded = await store.load('c')
        assert loaded is not None
        assert as_json(loaded.messages) == as_json(conversation.messages)
        assert len(loaded.messages) > before + 2
        assert 'Half of' in as_json(loaded.messages)
        parts = [part for message in loaded.messages for part in message.parts]
        assert [part.tool_name for part in parts if isinstance(part, ToolReturnPart)] == ['look']

        async with talker.run_stream_events('And now?', conversation=loaded) as events:
            async for _ in events:
                pass
        assert events.result is not None
        await store.save(events.result)
        record = await store.read_record('c')
        assert record is not None
        assert record.branches == []
        final = await store.load('c')
        assert final is not None
        assert 'And the next turn.' in as_json(final.messages)


def as_json(messages: list[ModelMessage]) -> str:
    return ModelMessagesTypeAdapter.dump_json(messages).decode()
