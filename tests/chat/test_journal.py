"""The journal of a chat: what it has when the process dies, who may take it over, and a store that comes and goes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from inline_snapshot import snapshot
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import (
    Chat,
    ConversationChanged,
    ScopeConflict,
    StoreUnavailable,
    TurnInProgress,
)
from pydantic_ai_streaming.reduce.history import INTERRUPTED
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall
from tests.chat.journals import JournalStore

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def talker(*replies: Any, gap: float = 0.1) -> Agent[None, str]:
    return Agent(ScriptedModel(*replies, gap=gap))


WORDS = [f'{n} ' for n in range(40)]


async def left_behind(store: JournalStore, *, at: float, **settings: Any) -> str:
    """What a process that dies `at` seconds after the beginning of a turn has shown; the store is as it was then."""
    chat = Chat(talker(WORDS), store, 'c', **settings)
    async with chat.send('Count') as stream:
        await asyncio.sleep(at)
        store.dies = True
        shown = stream.text_so_far
    store.dies = False
    return shown


@pytest.mark.parametrize('every', [0.2, 0.5, 2.0])
@pytest.mark.parametrize('takes', [0, 0.05])
async def test_what_was_shown_is_short_by_no_more_than_the_bound(every: float, takes: float) -> None:
    for tenths in range(1, 45):
        store = JournalStore(takes=takes)
        shown = await left_behind(store, at=tenths / 10 + 0.03, journal_every=every)
        async with Chat(talker(['Next.']), store, 'c') as chat:
            text = chat.exchanges[-1].text
            assert shown.startswith(text)
            # The last word may have come, and the end of the reply not.
            interrupted = chat.exchanges[-1].interrupted
            assert interrupted or text == ''.join(WORDS)
            # A word comes each tenth of a second.
            assert len(shown.split()) - len(text.split()) <= every * 10
            assert said(chat.recovered)[0] == 'Count'
            assert chat.recovered == chat.messages
            async with chat.send('And?') as stream:
                assert await stream.get_output() == 'Next.'
            assert chat.recovered == []
        stored = await store.load('c')
        assert stored is not None
        note = [INTERRUPTED] if interrupted else []
        assert said(stored.messages) == ['Count', *([text, *note] if text else []), 'And?', 'Next.']
        assert store.turns == {}


async def test_the_prompt_is_kept_before_the_model_is_asked() -> None:
    store = JournalStore()
    model = ScriptedModel(['Hello.'])
    async with Chat(Agent(model), store, 'c').send('Hi'):
        turn = await store.read_turn('c')
        assert turn is not None
        assert (said(turn.messages), model.requests) == (['Hi'], [])


async def test_it_is_written_at_an_even_pace_and_not_after_the_end() -> None:
    store = JournalStore()
    async with Chat(talker(WORDS[:12]), store, 'c').send('Count') as stream:
        await stream.get_output()
    began = store.written[0]
    assert [round(at - began, 2) for at in store.written] == snapshot([0.0, 0.25, 0.5, 0.75, 1.0])
    await asyncio.sleep(10)
    assert len(store.written) == 5


async def test_a_chat_may_do_without() -> None:
    store = JournalStore()
    async with Chat(talker(WORDS[:12]), store, 'c', journal_every=None).send('Count') as stream:
        await stream.get_output()
    assert store.written == []


async def test_many_characters_are_written_before_their_time() -> None:
    store = JournalStore()
    chat = Chat(talker(['x' * 300, *['y'] * 20, Stall()]), store, 'c', journal_every=10, journal_characters=256)
    async with chat.send('Go'):
        await asyncio.sleep(1)
    began = store.written[0]
    assert [round(at - began, 2) for at in store.written] == snapshot([0.0, 0.1])


async def test_the_result_of_a_tool_is_kept_while_another_runs() -> None:
    agent = Agent(ScriptedModel([ToolCall('pay'), ToolCall('slow')]))

    @agent.tool_plain
    async def pay() -> str:
        return 'paid'

    @agent.tool_plain
    async def slow() -> None:
        await asyncio.sleep(60)

    store = JournalStore()
    async with Chat(agent, store, 'c').send('Go'):
        await asyncio.sleep(5)
        async with Chat(agent, store, 'c') as after:
            assert 'paid' in said(after.messages)


async def test_what_a_dead_process_has_used_counts() -> None:
    agent = Agent(ScriptedModel([ToolCall('look')], ['Half ', Stall()], gap=0.1))

    @agent.tool_plain
    def look() -> str:
        return 'seen'

    store = JournalStore()
    async with Chat(agent, store, 'c').send('Go'):
        await asyncio.sleep(5)
        async with Chat(agent, store, 'c') as after:
            # A response counts when it is over.
            assert (after.usage.requests, after.usage.tool_calls) == (1, 1)


# Who may take it over


async def test_a_turn_that_goes_on_elsewhere_is_not_taken_over() -> None:
    store = JournalStore()
    async with Chat(talker(WORDS), store, 'c').send('Count') as stream:
        await asyncio.sleep(1)
        other = Chat(talker(['Mine.']), store, 'c')
        with pytest.raises(TurnInProgress, match='in another process'):
            async with other.send('Me too'):
                pass
        assert await stream.get_output() == ''.join(WORDS)
    # It has ended: what was shown of it elsewhere is what is stored.
    with pytest.raises(ConversationChanged):
        await other.save()
    await other.load()
    async with other.send('Me too') as stream:
        assert await stream.get_output() == 'Mine.'
    assert said(other.messages) == ['Count', ''.join(WORDS), 'Me too', 'Mine.']


async def test_a_turn_that_ends_while_another_waits_is_continued() -> None:
    store = JournalStore()
    async with Chat(talker(WORDS[:12]), store, 'c').send('Count') as stream:
        await asyncio.sleep(1)
        other = Chat(talker(['Mine.']), store, 'c')
        await other.load()
        await stream.get_output()
    async with other.send('Me too') as stream:
        assert await stream.get_output() == 'Mine.'
    assert said(other.messages) == ['Count', ''.join(WORDS[:12]), 'Me too', 'Mine.']


async def test_of_two_that_find_a_dead_turn_one_goes_on() -> None:
    store = JournalStore()
    await left_behind(store, at=2)
    chats = [Chat(talker(['Mine.'], gap=3), store, 'c') for _ in range(2)]
    for chat in chats:
        await chat.load()

    async def turn(chat: Chat[None, str]) -> str:
        async with chat.send('Me') as stream:
            return await stream.get_output()

    results = await asyncio.gather(*map(turn, chats), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ['TurnInProgress', 'str']
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages).count('Me') == 1


async def test_a_turn_begun_since_the_last_one_here_is_seen() -> None:
    store = JournalStore()
    mine = Chat(talker(['One.'], ['Three.']), store, 'c')
    async with mine.send('Hi') as stream:
        await stream.get_output()
    yours = Chat(talker(WORDS), store, 'c')
    async with yours.send('Count') as stream:
        await asyncio.sleep(1)
        with pytest.raises(TurnInProgress):
            async with mine.send('And?'):
                pass
        await stream.get_output()


async def test_a_conversation_that_died_in_its_first_turn_is_listed() -> None:
    store = JournalStore()
    await left_behind(store, at=1, scope='ada')
    (record,) = await store.list_conversations(scope='ada')
    async with Chat(talker(['Next.']), store, record.conversation_id, scope='ada') as chat:
        assert said(chat.messages)[0] == 'Count'
    with pytest.raises(ScopeConflict):
        await Chat(talker(['Next.']), store, record.conversation_id, scope='grace').load()


# A store that comes and goes


async def test_a_store_that_is_away_in_the_middle_does_not_touch_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    store = JournalStore()
    chat = Chat(talker(WORDS, ['Next.']), store, 'c')
    with caplog.at_level(logging.WARNING, 'pydantic_ai_streaming'):
        async with chat.send('Count') as stream:
            await asyncio.sleep(1)
            store.away = True
            await asyncio.sleep(1)
            store.away = False
            assert await stream.get_output() == ''.join(WORDS)
    assert [record.getMessage() for record in caplog.records] == snapshot(
        ["The turn of conversation 'c' cannot be journalled: The store is away"]
    )
    assert store.turns == {}
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['Count', ''.join(WORDS)]


async def test_a_log_of_the_program_that_raises_does_not_end_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(record: logging.LogRecord) -> bool:
        raise OSError('the disk is full')

    monkeypatch.setattr(logging.getLogger('pydantic_ai_streaming'), 'filters', [full])
    store = JournalStore()
    async with Chat(talker(WORDS), store, 'c').send('Count') as stream:
        await asyncio.sleep(1)
        store.away = True
        await asyncio.sleep(1)
        store.away = False
        await asyncio.sleep(1)
        shown = stream.text_so_far
        store.dies = True
    store.dies = False
    async with Chat(talker(['Next.']), store, 'c') as chat:
        text = chat.exchanges[-1].text
        assert len(text) > len(shown) / 2
        assert shown.startswith(text)


async def test_a_store_that_is_away_at_the_end_gets_the_turn_with_the_next_one() -> None:
    store = JournalStore()
    chat = Chat(talker(WORDS, ['Next.']), store, 'c')

    async def turn() -> None:
        async with chat.send('Count') as stream:
            await asyncio.sleep(1)
            store.away = True
            await stream.get_output()

    with pytest.raises(StoreUnavailable) as caught:
        await turn()
    assert caught.value.text == ''.join(WORDS)
    assert said(list(caught.value.messages)) == ['Count', ''.join(WORDS)]
    store.away = False
    async with chat.send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    stored = await store.load('c')
    assert stored is not None
    assert said(stored.messages) == ['Count', ''.join(WORDS), 'And?', 'Next.']
    assert store.turns == {}


async def test_a_store_that_is_away_at_the_beginning_asks_nobody() -> None:
    store = JournalStore()
    model = ScriptedModel(['Hello.'])
    chat = Chat(Agent(model), store, 'c')
    await chat.load()
    store.away = True
    with pytest.raises(StoreUnavailable):
        async with chat.send('Hi'):
            pass
    assert model.requests == []
    store.away = False
    async with chat.send('Hi') as stream:
        assert await stream.get_output() == 'Hello.'
    assert said(chat.messages) == ['Hi', 'Hello.']


@pytest.mark.parametrize('turns', range(0, 60, 3))
async def test_a_beginning_that_is_cancelled_blocks_nobody(turns: int) -> None:
    store = JournalStore()
    chat = Chat(talker(['Hello.'], ['Hello.']), store, 'c')

    async def turn() -> str:
        async with chat.send('Hi') as stream:
            return await stream.get_output()

    task = asyncio.create_task(turn())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert await turn() == 'Hello.'
    assert store.turns == {}
