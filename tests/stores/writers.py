"""What other processes do with a store: save until they are done, or until they are killed."""

from __future__ import annotations

import asyncio
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict

from pydantic_ai_streaming.testing.conversation_store_messages import answer, question, texts
from tests.stores.places import Place, Store

__all__ = ['other_processes', 'save_as_writer', 'save_in_process', 'save_until_killed']


def other_processes() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = get_context('forkserver')
    context.set_forkserver_preload(['tests.stores.writers', 'tests.stores.test_kills'])
    return context


async def save_as_writer(store: Store, writer: int, saves: int) -> int:
    """Append to conversation 'shared' so many times, trying again after a conflict; how many conflicts there were."""
    conflicts = 0
    for number in range(saves):
        while True:
            conversation = await store.load('shared', limit=1)
            assert conversation is not None
            conversation.messages.append(answer(f'{writer}.{number}'))
            try:
                await store.save(conversation)
                break
            except ConversationConflict:
                conflicts += 1
    return conflicts


def save_in_process(place: Place, writer: int, saves: int) -> None:
    async def save() -> None:
        async with place.open(timeout=60) as store:
            await save_as_writer(store, writer, saves)

    asyncio.run(save())


def save_until_killed(place: Place, told: Connection) -> None:
    """Save one turn after the other, and tell after each how many messages are saved."""

    async def save() -> None:
        async with place.open() as store:
            conversation = await store.load('killed', limit=1) or Conversation(conversation_id='killed')
            count = int(texts(conversation)[-1].split()[0]) + 1 if conversation.messages else 0
            while True:
                conversation.messages += [question(f'{count} {"x" * 3000}'), answer(f'{count + 1} {"y" * 3000}')]
                await store.save(conversation)
                count += 2
                told.send(count)

    asyncio.run(save())
