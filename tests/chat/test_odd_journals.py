"""A journal that tells something odd: of another time, of another version, damaged."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Chat, TurnInProgress
from pydantic_ai_streaming.testing import ScriptedModel
from tests.chat.journals import JournalStore

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def talker(*replies: Any, gap: float = 0.1) -> Agent[None, str]:
    return Agent(ScriptedModel(*replies, gap=gap))


WORDS = [f'{n} ' for n in range(40)]
TWO_EXCHANGES = ['One', '1.', 'Two', '2.']


async def two_exchanges(store: JournalStore, **settings: Any) -> Chat[None, str]:
    chat = Chat(talker(['1.'], ['2.'], ['3.'], ['4.']), store, 'c', **settings)
    for prompt in ('One', 'Two'):
        async with chat.send(prompt) as stream:
            await stream.get_output()
    return chat


async def die(store: JournalStore, *, at: float) -> None:
    """A process dies `at` seconds after the beginning of a turn."""
    async with Chat(talker(WORDS), store, 'c').send('Count'):
        await asyncio.sleep(at)
        store.dies = True
    store.dies = False


async def test_a_clock_that_was_set_back_does_not_close_the_conversation() -> None:
    store = JournalStore()
    await die(store, at=1)
    store.turns['c'] = replace(store.turns['c'], written_at=store.turns['c'].written_at + 3600)
    clock = asyncio.get_running_loop().time
    began = clock()
    async with Chat(talker(['Next.']), store, 'c').send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    assert clock() - began < 2


async def test_a_turn_that_died_after_it_was_seen_here_is_taken_over() -> None:
    store = JournalStore()
    mine = Chat(talker(['Next.']), store, 'c')
    async with Chat(talker(WORDS), store, 'c').send('Count'):
        await asyncio.sleep(1)
        await mine.load()
        with pytest.raises(TurnInProgress):
            async with mine.send('And?'):
                pass
        await asyncio.sleep(1)
        store.dies = True
    store.dies = False
    async with mine.send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    assert mine.exchanges[0].text.startswith(''.join(WORDS[:14]))


@pytest.mark.parametrize('content', ['{damaged', '[]', '{}', '{"messages": null}', b'\xff'])
async def test_a_damaged_journal_does_not_close_the_conversation(content: str | bytes) -> None:
    store = JournalStore()
    await two_exchanges(store)
    await die(store, at=1)
    store.turns['c'] = replace(store.turns['c'], content=content)
    async with Chat(talker(['Next.']), store, 'c') as chat:
        assert (said(chat.messages), chat.recovered) == (TWO_EXCHANGES, [])
        async with chat.send('And?') as stream:
            assert await stream.get_output() == 'Next.'
    assert store.turns == {}


async def test_a_journal_of_a_newer_version_is_left_out_and_only_when_nobody_keeps_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = JournalStore()
    await two_exchanges(store)
    record = await store.read_record('c')
    used = record.usage
    await die(store, at=1)
    row = store.turns['c']
    newer = str(row.content).replace('"part_kind":"text"', '"part_kind":"hologram"')
    store.turns['c'] = replace(row, content=newer)
    mine = Chat(talker(['Next.']), store, 'c')

    async def keeps() -> None:
        while True:
            await asyncio.sleep(0.25)
            store.turns['c'] = replace(store.turns['c'], written_at=asyncio.get_running_loop().time())

    keeper = asyncio.create_task(keeps())
    await asyncio.sleep(0.3)
    with pytest.raises(TurnInProgress):
        async with mine.send('And?'):
            pass
    keeper.cancel()
    await asyncio.sleep(5)
    with caplog.at_level(logging.WARNING, 'pydantic_ai_streaming'):
        await mine.load()
    assert 'cannot be read' in caplog.text
    assert (said(mine.messages), mine.recovered, mine.usage) == (TWO_EXCHANGES, [], used)
    async with mine.send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    assert said(mine.messages) == [*TWO_EXCHANGES, 'And?', 'Next.']
    assert store.turns == {}
