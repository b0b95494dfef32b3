"""Turns of a chat: each goes into the conversation, however it ends, and they do not overlap."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, assert_type

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, DeferredToolRequests, RunContext, ToolDenied
from pydantic_ai.conversation_store import ConversationConflict, InMemoryConversationStore
from pydantic_ai.exceptions import UsageLimitExceeded, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolReturnPart
from pydantic_ai.usage import UsageLimits

from pydantic_ai_streaming import (
    Chat,
    ConversationChanged,
    Deadlines,
    RunOptions,
    RunStream,
    ScopeConflict,
    StreamTimeout,
    StreamUsageError,
    TurnInProgress,
)
from pydantic_ai_streaming.chat.options import OF_THE_CHAT
from pydantic_ai_streaming.reduce.history import INTERRUPTED
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, ToolCall

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


class ModelIsGone(Exception):
    """What the provider's client raises."""


class ConsumerError(Exception):
    """What the program that reads the stream fails with."""


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def replies(*texts: str) -> Agent[None, str]:
    return Agent(ScriptedModel(*([text] for text in texts), gap=1))


# Ways out

Leave = Callable[[RunStream[str]], Awaitable[None]]


async def reads(stream: RunStream[str]) -> None:
    async for _ in stream.text():
        pass


async def breaks(stream: RunStream[str]) -> None:
    async for _ in stream.text():
        break


async def raises(stream: RunStream[str]) -> None:
    await breaks(stream)
    raise ConsumerError


async def stops(stream: RunStream[str]) -> None:
    await breaks(stream)
    await stream.stop()


async def is_cancelled(stream: RunStream[str]) -> None:
    await breaks(stream)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


@dataclass(frozen=True)
class Way:
    reply: list[Any]
    leave: Leave
    raised: type[BaseException] | None
    kept: list[str]


HALF = ['Half ', 'of it.']
WAYS = {
    'complete': Way(HALF, reads, None, ['Half of it.']),
    'break': Way(HALF, breaks, None, ['Half ', INTERRUPTED]),
    'stop': Way(HALF, stops, None, ['Half ', INTERRUPTED]),
    'consumer raises': Way(HALF, raises, ConsumerError, ['Half ', INTERRUPTED]),
    'cancelled': Way(HALF, is_cancelled, asyncio.CancelledError, ['Half ', INTERRUPTED]),
    'timeout': Way(['Half ', Stall()], reads, StreamTimeout, ['Half ', INTERRUPTED]),
    'error': Way(['Half ', Fail(ModelIsGone())], reads, ModelIsGone, ['Half ', INTERRUPTED]),
    'error before anything': Way([Fail(ModelIsGone())], reads, ModelIsGone, []),
    'timeout before anything': Way([Stall()], reads, StreamTimeout, []),
}


@pytest.mark.parametrize('way', WAYS.values(), ids=WAYS)
async def test_the_next_turn_goes_on_however_one_ended(way: Way) -> None:
    model = ScriptedModel(['First.'], way.reply, ['And the next.'], gap=1)
    store = InMemoryConversationStore()
    chat = Chat(Agent(model), store, 'c', deadlines=Deadlines(first=5, idle=5))
    async with chat.send('Hi') as stream:
        pass_on = await stream.get_output()
    assert pass_on == 'First.'

    async def second_turn() -> None:
        async with chat.send('Go') as stream:
            await way.leave(stream)

    task = asyncio.create_task(second_turn())
    await asyncio.wait({task})
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    assert type(error) is (way.raised or type(None))
    assert said(chat.messages) == ['Hi', 'First.', 'Go', *way.kept]

    async with chat.send('And?') as stream:
        assert await stream.get_output() == 'And the next.'
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['Hi', 'First.', 'Go', *way.kept, 'And?', 'And the next.']
    record = await store.read_record('c')
    assert record is not None
    assert record.branches == [], 'the history was rewritten'
    assert record.usage == chat.usage
    assert chat.usage.requests == (3 if way.kept else 2), 'what an interrupted turn has used counts'


async def test_a_turn_without_a_prompt_asks_again_after_one_that_failed() -> None:
    chat = Chat(Agent(ScriptedModel([Fail(ModelIsGone())], ['Here I am.'])))
    with pytest.raises(ModelIsGone):
        async with chat.send('Hi') as stream:
            await stream.get_output()
    async with chat.send() as stream:
        assert await stream.get_output() == 'Here I am.'
    assert said(chat.messages) == ['Hi', 'Here I am.']


async def test_a_turn_is_saved_even_if_its_task_is_cancelled_while_it_saves() -> None:
    class Slow(InMemoryConversationStore):
        async def write_record(self, record: Any, **options: Any) -> None:
            await asyncio.sleep(5)
            await super().write_record(record, **options)

    store = Slow()
    chat = Chat(replies('Hello.'), store, 'c')

    async def turn() -> None:
        async with chat.send('Hi') as stream:
            await stream.get_output()

    task = asyncio.create_task(turn())
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['Hi', 'Hello.']


async def test_tool_calls_without_a_result_are_closed() -> None:
    agent = Agent(ScriptedModel([ToolCall('slow')], ['Next.'], gap=1))

    @agent.tool_plain
    async def slow() -> None:
        await asyncio.sleep(60)

    chat = Chat(agent)
    async with chat.send('Go') as stream:
        await asyncio.sleep(30)
    assert [type(part) for part in chat.messages[-1].parts] == [ToolReturnPart]
    assert [one.interrupted for one in chat.exchanges] == [True]
    async with chat.send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    assert [(one.prompt, one.interrupted) for one in chat.exchanges] == [('Go', True), ('And?', False)]


# One at a time


async def test_turns_of_one_chat_cannot_overlap() -> None:
    chat = Chat(replies('One.', 'Two.'), conversation_id='c')
    async with chat.send('Hi') as stream:
        with pytest.raises(TurnInProgress, match="conversation 'c' goes on in this chat") as caught:
            async with chat.send('Me too'):
                pass
        assert caught.value.conversation_id == 'c'
        for forbidden in (chat.load(), chat.save(), chat.branch(at=0)):
            with pytest.raises(TurnInProgress):
                await forbidden
        await stream.get_output()
    async with chat.send('Now?') as stream:
        assert await stream.get_output() == 'Two.'
    assert said(chat.messages) == ['Hi', 'One.', 'Now?', 'Two.']


async def test_a_turn_that_cannot_begin_leaves_the_floor() -> None:
    chat = Chat(replies('One.'), deadlines=Deadlines(first=5))
    with pytest.raises(UserError):
        async with chat.send('Hi', model='nobody:nothing') as stream:
            await stream.get_output()
    async with chat.send() as stream:
        assert await stream.get_output() == 'One.'


async def test_a_conversation_that_somebody_else_has_saved_is_not_continued_unnoticed() -> None:
    store = InMemoryConversationStore()
    mine, yours = Chat(replies('One.', 'Three.'), store, 'c'), Chat(replies('Two.'), store, 'c')
    async with mine.send('Hi') as stream:
        await stream.get_output()
    async with yours.send('Me too') as stream:
        await stream.get_output()
    with pytest.raises(ConversationChanged, match=r'chat.load\(\)') as caught:
        async with mine.send('And?'):
            pass
    assert isinstance(caught.value, ConversationConflict)
    await mine.load()
    async with mine.send('And?') as stream:
        assert await stream.get_output() == 'Three.'
    assert said(mine.messages) == ['Hi', 'One.', 'Me too', 'Two.', 'And?', 'Three.']


async def test_a_turn_that_somebody_else_was_faster_than_is_not_lost() -> None:
    store = InMemoryConversationStore()
    mine, yours = Chat(replies('One.'), store, 'c'), Chat(replies('Two.'), store, 'c')

    async def turn() -> None:
        async with mine.send('Hi') as stream:
            await stream.get_output()
            async with yours.send('Me too') as other:
                await other.get_output()

    with pytest.raises(ConversationChanged) as caught:
        await turn()
    assert said(list(caught.value.messages)) == ['Hi', 'One.']
    assert caught.value.text == 'One.'
    other = await mine.save_as('mine')
    assert said(other.messages) == ['Hi', 'One.']
    await mine.load()
    assert said(mine.messages) == ['Me too', 'Two.']
    assert {record.conversation_id for record in await store.list_conversations()} == {'c', 'mine'}


# What it carries on


async def test_usage_and_its_limits_carry_on() -> None:
    chat = Chat(replies('One.', 'Two.', 'Three.'), usage_limits=UsageLimits(request_limit=2))
    for text in ('One.', 'Two.'):
        async with chat.send('Go') as stream:
            assert await stream.get_output() == text
    assert chat.usage.requests == 2
    with pytest.raises(UsageLimitExceeded):
        async with chat.send('Go') as stream:
            await stream.get_output()
    assert chat.usage.requests == 2


async def test_a_conversation_does_not_end_after_fifty_requests() -> None:
    chat = Chat(Agent(ScriptedModel(['One.'], loop=True)))
    for _ in range(60):
        async with chat.send('Go') as stream:
            await stream.get_output()
    assert chat.usage.requests == 60


async def test_a_turn_that_asks_for_ever_ends_after_fifty_requests() -> None:
    agent = Agent(ScriptedModel([ToolCall('again')], loop=True))

    @agent.tool_plain
    async def again() -> None:
        pass

    chat = Chat(agent)
    for turn in (1, 2):
        with pytest.raises(UsageLimitExceeded):
            async with chat.send('Go') as stream:
                await stream.get_output()
        assert chat.usage.requests == turn * 50


async def test_an_approval_is_waited_for_from_one_turn_to_the_next() -> None:
    agent = Agent(
        ScriptedModel([ToolCall('pay', {'euros': 3})], ['Not paid.']), output_type=[str, DeferredToolRequests]
    )

    @agent.tool_plain(requires_approval=True)
    def pay(euros: int) -> str:
        return f'{euros} paid'

    store = InMemoryConversationStore()
    async with Chat(agent, store, 'c').send('Pay') as stream:
        await stream.get_output()
    async with Chat(agent, store, 'c') as chat:
        requests = chat.conversation.deferred_tool_requests
        assert requests is not None
        assert [one.interrupted for one in chat.exchanges] == [True]
        denied = requests.build_results(approvals={requests.approvals[0].tool_call_id: ToolDenied('Too much.')})
        async with chat.send(deferred_tool_results=denied) as stream:
            assert await stream.get_output() == 'Not paid.'
        assert chat.conversation.deferred_tool_requests is None


async def test_options_of_the_chat_and_of_a_turn_reach_the_run() -> None:
    agent = Agent(ScriptedModel([ToolCall('who')], ['Done.'], loop=True), deps_type=str)
    seen: list[str] = []

    @agent.tool
    def who(ctx: RunContext[str]) -> str:
        seen.append(ctx.deps)
        return ctx.deps

    chat = Chat[str, str](agent, deps='ada')
    async with chat.send('Who?') as stream:
        await stream.get_output()
    async with chat.send('Who?', deps='grace') as stream:
        await stream.get_output()
    assert seen == ['ada', 'grace']


async def test_a_turn_may_have_an_output_type_of_its_own() -> None:
    class Movie(BaseModel):
        title: str

    agent = Agent(ScriptedModel([ToolCall('final_result', '{"title": "Dune"}')], ['A movie.']))
    chat = Chat(agent)
    async with chat.send('Which?', output_type=Movie) as stream:
        assert_type(stream, RunStream[Movie])
        assert await stream.get_output() == Movie(title='Dune')
    assert not chat.exchanges[-1].interrupted
    async with chat.send('What?') as stream:
        assert_type(stream, RunStream[str])
        assert await stream.get_output() == 'A movie.'


def test_run_options_are_the_parameters_of_a_run() -> None:
    theirs = set(inspect.signature(Agent.run_stream_events).parameters)
    ours = set(RunOptions.__annotations__)
    assert theirs == {'self', 'user_prompt', 'output_type', *OF_THE_CHAT, *ours}


async def test_the_history_may_be_a_window() -> None:
    store = InMemoryConversationStore()
    async with Chat(replies('One.', 'Two.'), store, 'c') as chat:
        for prompt in ('First', 'Second'):
            async with chat.send(prompt) as stream:
                await stream.get_output()
    model = ScriptedModel(['Three.'])
    async with Chat(Agent(model), store, 'c', history_limit=2) as chat:
        assert said(chat.messages) == ['Second', 'Two.']
        async with chat.send('Third') as stream:
            await stream.get_output()
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['First', 'One.', 'Second', 'Two.', 'Third', 'Three.']


# Going back


async def test_a_reply_is_regenerated_and_the_one_before_stays_a_branch() -> None:
    chat = Chat(replies('Hello.', 'A bad joke.', 'A good joke.'), conversation_id='c')
    for prompt in ('Hi', 'A joke'):
        async with chat.send(prompt) as stream:
            await stream.get_output()
    async with chat.regenerate() as stream:
        assert await stream.get_output() == 'A good joke.'
    assert said(chat.messages) == ['Hi', 'Hello.', 'A joke', 'A good joke.']
    assert [(one.prompt, one.text, one.interrupted) for one in chat.exchanges] == [
        ('Hi', 'Hello.', False),
        ('A joke', 'A good joke.', False),
    ]
    (left,) = await chat.branches()
    await chat.branch(from_entry=left)
    assert said(chat.messages) == ['Hi', 'Hello.', 'A joke', 'A bad joke.']


async def test_an_interrupted_reply_is_regenerated_without_its_note() -> None:
    chat = Chat(Agent(ScriptedModel(['Half ', 'of it.'], ['Half ', 'of it.'], ['All of it.'], gap=1)))
    for _ in range(2):
        async with chat.send('Go') as stream:
            await breaks(stream)
    assert [one.interrupted for one in chat.exchanges] == [True, True]
    async with chat.regenerate() as stream:
        assert await stream.get_output() == 'All of it.'
    assert said(chat.messages) == ['Go', 'Half ', INTERRUPTED, 'Go', 'All of it.']


async def test_an_earlier_prompt_is_edited() -> None:
    chat = Chat(replies('One.', 'Two.', 'Other.'))
    for prompt in ('First', 'Second'):
        async with chat.send(prompt) as stream:
            await stream.get_output()
    async with chat.edit('Another first', exchange=0) as stream:
        assert await stream.get_output() == 'Other.'
    assert said(chat.messages) == ['Another first', 'Other.']
    with pytest.raises(StreamUsageError, match='Exchange 7 is not there'):
        async with chat.edit('What?', exchange=7):
            pass
    assert said(chat.messages) == ['Another first', 'Other.']


async def test_there_is_nothing_to_regenerate_before_the_first_prompt() -> None:
    with pytest.raises(StreamUsageError, match='no prompt yet'):
        async with Chat(replies('One.')).regenerate():
            pass


async def test_a_fork_goes_on_by_itself() -> None:
    chat = Chat(replies('One.', 'Two.', 'Three.'), scope='ada')
    async with chat.send('First') as stream:
        await stream.get_output()
    fork = await chat.fork('fork')
    async with fork.send('There') as stream:
        await stream.get_output()
    async with chat.send('Here') as stream:
        await stream.get_output()
    assert said(fork.messages) == ['First', 'One.', 'There', 'Two.']
    assert said(chat.messages) == ['First', 'One.', 'Here', 'Three.']


# What it refuses


async def test_a_conversation_of_another_scope_is_refused_before_anybody_is_asked() -> None:
    store, model = InMemoryConversationStore(), ScriptedModel(['One.'], ['Two.'])
    async with Chat(Agent(model), store, 'c', scope='ada').send('Hi') as stream:
        await stream.get_output()
    with pytest.raises(ScopeConflict, match="not stored with the scope 'grace'"):
        async with Chat(Agent(model), store, 'c', scope='grace').send('Hi'):
            pass
    assert len(model.requests) == 1


@pytest.mark.parametrize('name', OF_THE_CHAT)
async def test_what_the_chat_hands_on_itself_is_refused(name: str) -> None:
    options: Any = {name: None}
    with pytest.raises(StreamUsageError, match=f'{name}= is what the chat itself hands on'):
        Chat(replies('One.')).send('Hi', **options)
    if name != 'conversation_id':
        with pytest.raises(StreamUsageError, match=f'{name}='):
            Chat(replies('One.'), **options)


async def test_a_conversation_that_was_not_loaded_says_how() -> None:
    with pytest.raises(StreamUsageError, match='async with chat:'):
        _ = Chat(replies('One.')).messages


@pytest.mark.parametrize('name', ['history_limit', 'journal_every', 'journal_characters'])
@pytest.mark.parametrize('value', [0, -1, float('nan'), float('inf')])
def test_limits_are_positive_numbers(name: str, value: float) -> None:
    settings: Any = {name: value}
    with pytest.raises(ValueError, match=f'{name}='):
        Chat(replies('One.'), **settings)


async def test_a_misspelt_option_is_an_error_before_anything_is_stored() -> None:
    store = InMemoryConversationStore()
    options: Any = {'usage_limit': 3}
    with pytest.raises(TypeError, match="'usage_limit' is no option"):
        Chat(replies('One.'), store, 'c').send('Hi', **options)
    with pytest.raises(TypeError, match="'usage_limit' is no option"):
        Chat(replies('One.'), store, 'c', **options)
    assert await store.list_conversations() == []


async def test_a_turn_that_is_not_entered_says_that_it_has_to_be() -> None:
    turn: Any = Chat(replies('One.')).send('Hi')
    with pytest.raises(AttributeError, match=r"no 'text' before it is entered: .* stream\.text"):
        turn.text()
    for misuse in (lambda: turn.__enter__(), lambda: iter(turn), lambda: aiter(turn), lambda: turn.__await__()):
        with pytest.raises(StreamUsageError, match='async with chat'):
            misuse()


def test_a_path_is_no_store() -> None:
    store: Any = 'chats.db'
    with pytest.raises(TypeError, match='SQLiteConversationStore'):
        Chat(replies('One.'), store)


async def test_an_error_of_the_run_goes_before_that_of_the_save() -> None:
    class Full(InMemoryConversationStore):
        async def write_record(self, record: Any, **options: Any) -> None:
            raise OSError('no space left')

    chat = Chat(Agent(ScriptedModel(['Half ', Fail(ModelIsGone())], ['Next.'])), Full(), 'c')
    with pytest.raises(ModelIsGone) as caught:
        async with chat.send('Hi') as stream:
            await stream.get_output()
    assert ['no space left' in note for note in caught.value.__notes__] == [True]
    with pytest.raises(OSError, match='no space left'):
        await chat.save()
    assert said(chat.messages) == ['Hi', 'Half ', INTERRUPTED]
    assert isinstance(chat.messages[1], ModelResponse)
