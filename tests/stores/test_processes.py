"""Several writers, and writers that die: nothing that was saved is lost, and nothing is half there."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from pydantic_ai.conversation import Conversation

from pydantic_ai_streaming.testing.conversation_store_messages import answer, texts
from tests.stores.places import Place, Store
from tests.stores.writers import other_processes, save_as_writer, save_in_process, save_until_killed

WRITERS, SAVES = 8, 50
KILLS = {'sqlite': 30, 'postgres': 10, 'redis': 10}


async def test_eight_writers_in_one_process_lose_nothing(store: Store) -> None:
    await store.save(Conversation(conversation_id='shared'))
    conflicts = await asyncio.gather(*(save_as_writer(store, writer, SAVES) for writer in range(WRITERS)))
    assert sum(conflicts) > 0
    await all_is_there(store, SAVES)


async def test_eight_processes_lose_nothing(place: Place, store: Store) -> None:
    await store.save(Conversation(conversation_id='shared'))
    context = other_processes()
    processes = [context.Process(target=save_in_process, args=(place, writer, SAVES)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 120)
        assert process.exitcode == 0
        process.close()
    await all_is_there(store, SAVES)


async def all_is_there(store: Store, saves: int) -> None:
    found = texts(await store.load('shared'))
    assert len(found) == WRITERS * saves
    for writer in range(WRITERS):
        assert [text for text in found if text.startswith(f'{writer}.')] == [f'{writer}.{n}' for n in range(saves)]


async def test_eight_processes_may_make_the_same_store(place: Place) -> None:
    context = other_processes()
    processes = [context.Process(target=save_in_process, args=(place, writer, 0)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == 0
        process.close()
    async with place.open() as store:
        assert await store.list_conversations() == []


async def test_kill_9_in_the_middle_of_saves_tears_nothing(place: Place) -> None:
    random, context = Random(9), other_processes()
    saved = 0
    for _ in range(KILLS[place.kind]):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=save_until_killed, args=(place, theirs))
        process.start()
        theirs.close()
        assert await asyncio.to_thread(ours.poll, 30), 'it never saved'
        await asyncio.sleep(random.random() * 0.03)
        process.kill()
        await asyncio.to_thread(process.join, 30)
        process.close()
        told = last_told(ours)
        ours.close()
        async with place.open() as store:
            found = [text.split()[0] for text in texts(await store.load('killed'))]
            # One save may have arrived without being told.
            assert found == [str(number) for number in range(len(found))]
            assert told <= len(found) <= told + 2
            assert told > saved
            conversation = await store.load('killed', limit=2)
            assert conversation is not None
            conversation.messages.append(answer(f'{len(found)} the next turn'))
            await store.save(conversation)
            saved = len(found) + 1


def last_told(pipe: Any) -> int:
    told = 0
    try:
        while True:
            told = pipe.recv()
    except EOFError:
        return told
