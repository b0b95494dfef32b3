"""Chats on real stores: two processes at one conversation, servers that go away, and what cannot be stored."""

from __future__ import annotations

import asyncio
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, ToolReturn
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Chat, StoreError, StoreUnavailable, TurnInProgress
from pydantic_ai_streaming.stores import JournalledTurn, SQLiteConversationStore, sqlite
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.servers import Server
from tests.stores.places import Place, Store, alter
from tests.stores.writers import other_processes

WORDS = [f'word {n} ' for n in range(60)]
REPLY = ''.join(WORDS)

servers_only = pytest.mark.parametrize('place', ['postgres', 'redis'], indirect=True)


@pytest.fixture
def server(place: Place, request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(f'{place.kind}_server')


def said(messages: list[ModelMessage]) -> list[str]:
    return [str(getattr(part, 'content', '')) for message in messages for part in message.parts]


def talker(*replies: Any, gap: float = 0.0) -> Agent[None, str]:
    return Agent(ScriptedModel(*replies, gap=gap))


def have_a_turn(place: Place, told: Connection) -> None:
    """A turn in another process, which tells when its text begins and when it is saved."""

    async def talk() -> None:
        async with place.open() as store:
            async with Chat(talker(WORDS, gap=0.02), store, 'c', journal_every=0.2).send('Count') as stream:
                async for _ in stream.text():
                    told.send('begun')
                    break
                await stream.get_output()
            told.send('saved')

    asyncio.run(talk())


async def test_two_processes_cannot_be_at_one_conversation(place: Place, store: Store) -> None:
    ours, theirs = other_processes().Pipe(duplex=False)
    process = other_processes().Process(target=have_a_turn, args=(place, theirs))
    process.start()
    theirs.close()
    assert await asyncio.to_thread(ours.recv) == 'begun'
    model = ScriptedModel(['Mine.'])
    chat = Chat(Agent(model), store, 'c')
    with pytest.raises(TurnInProgress, match='in another process'):
        async with chat.send('Me too'):
            pass
    assert model.requests == []
    assert await asyncio.to_thread(ours.recv) == 'saved'
    await asyncio.to_thread(process.join, 30)
    process.close()
    ours.close()
    async with chat.send('Me too') as stream:
        assert await stream.get_output() == 'Mine.'
    assert said(chat.messages) == ['Count', REPLY, 'Me too', 'Mine.']


@servers_only
async def test_a_server_that_goes_away_and_comes_back_during_a_turn_is_not_noticed(
    store: Store, server: Server
) -> None:
    chat = Chat(talker(WORDS, gap=0.02), store, 'c', journal_every=0.1)
    try:
        async with chat.send('Count') as stream:
            async for piece in stream.text():
                if piece == WORDS[10]:
                    server.stop()
                elif piece == WORDS[40]:
                    server.start()
    finally:
        if server.process is None:
            server.start()
    loaded = await store.load('c')
    assert loaded is not None
    assert said(loaded.messages) == ['Count', REPLY]


@servers_only
async def test_a_turn_whose_server_is_away_at_its_end_is_saved_with_the_next(store: Store, server: Server) -> None:
    chat = Chat(talker(WORDS, ['Next.'], gap=0.005), store, 'c', journal_every=0.1)

    async def turn() -> None:
        async with chat.send('Count') as stream:
            server.stop()
            await stream.get_output()

    try:
        with pytest.raises(StoreUnavailable) as caught:
            await turn()
    finally:
        server.start()
    assert caught.value.text == REPLY
    async with chat.send('And?') as stream:
        assert await stream.get_output() == 'Next.'
    loaded = await store.load('c')
    assert loaded is not None
    assert said(loaded.messages) == ['Count', REPLY, 'And?', 'Next.']
    assert await store.read_turn('c') is None


async def test_what_a_tool_returned_that_cannot_be_stored_is_named_and_the_rest_is_as_it_was(store: Store) -> None:
    agent = Agent(ScriptedModel(['Hello.'], [ToolCall('look')], ['Seen.'], ['Again.']))

    @agent.tool_plain
    async def look() -> Any:
        return ToolReturn('seen', metadata={'lock': print})

    chat = Chat(agent, store, 'c')

    async def turn(prompt: str) -> str:
        async with chat.send(prompt) as stream:
            return await stream.get_output()

    assert await turn('Hi') == 'Hello.'
    with pytest.raises(StoreError, match=r"tool-return of 'look'.* has no JSON form") as caught:
        await turn('Look')
    assert (caught.value.reason, caught.value.text) == ('unstorable', 'Seen.')
    await chat.load()
    assert said(chat.messages) == ['Hi', 'Hello.', 'Look'], 'as far as it could be journalled'
    began = asyncio.get_running_loop().time()
    assert await turn('And?') == 'Again.'
    assert asyncio.get_running_loop().time() - began < 1, 'its own turn is not waited for'
    loaded = await store.load('c')
    assert loaded is not None
    assert said(loaded.messages) == ['Hi', 'Hello.', 'Look', 'And?', 'Again.']


async def test_a_store_of_a_newer_version_asks_nobody(place: Place, store: Store) -> None:
    model = ScriptedModel(['Hello.'], ['Again.'])
    async with Chat(Agent(model), store, 'c').send('Hi') as stream:
        await stream.get_output()
    await alter(place, 'newer version')
    async with place.open() as newcomer:
        with pytest.raises(StoreError, match='Upgrade pydantic-ai-streaming') as caught:
            async with Chat(Agent(model), newcomer, 'c').send('And?'):
                pass
    assert caught.value.reason == 'newer'
    assert len(model.requests) == 1


async def test_a_file_that_is_no_database_asks_nobody(tmp_path: Path) -> None:
    file = tmp_path / 'diary.txt'
    file.write_text('Dear diary, ' * 100)
    model = ScriptedModel(['Hello.'])
    async with SQLiteConversationStore(file) as store:
        with pytest.raises(StoreError) as caught:
            async with Chat(Agent(model), store, 'c').send('Hi'):
                pass
    assert caught.value.reason == 'damaged'
    assert model.requests == []
    assert file.read_text() == 'Dear diary, ' * 100


async def test_a_damaged_row_of_the_journal_closes_no_conversation(
    place: Place, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with Chat(talker(['Hello.']), store, 'c').send('Hi') as stream:
        await stream.get_output()
    record = await store.read_record('c')
    assert record is not None
    await store.write_turn(JournalledTurn(conversation_id='c', turn_id='dead', revision=record.revision, every=0.1))
    await alter(place, 'damaged turn', 'c')
    found = await store.read_turn('c')
    assert found is not None
    assert (found.turn_id, found.messages, found.unreadable is None) == ('dead', [], False)
    async with Chat(talker(['Again.']), store, 'c').send('And?') as stream:
        assert await stream.get_output() == 'Again.'
    loaded = await store.load('c')
    assert loaded is not None
    assert said(loaded.messages) == ['Hi', 'Hello.', 'And?', 'Again.']
    assert await store.read_turn('c') is None


async def test_a_disk_that_fills_up_during_a_turn_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = sqlite.connect

    def connect_to_a_full_disk(*args: Any, **settings: Any) -> sqlite3.Connection:
        connection = connect(*args, **settings)
        connection.execute('PRAGMA max_page_count = 1')  # SQLite takes it as: not a page more than there are
        return connection

    async with SQLiteConversationStore(tmp_path / 'chats.db') as store:
        chat = Chat(talker(['Hello.'], ['x' * 50_000, *WORDS], ['Next.'], gap=0.005), store, 'c', journal_every=0.1)

        async def turn(prompt: str) -> str:
            async with chat.send(prompt) as stream:
                if prompt == 'Count':
                    await store.close()
                    monkeypatch.setattr(sqlite, 'connect', connect_to_a_full_disk)
                return await stream.get_output()

        await turn('Hi')
        with pytest.raises(StoreError, match='is full') as caught:
            await turn('Count')
        assert (caught.value.reason, caught.value.text) == ('full', 'x' * 50_000 + REPLY)
        assert 'cannot be journalled' in caplog.text
        monkeypatch.undo()
        await store.close()  # there is space again
        assert await turn('And?') == 'Next.'
        loaded = await store.load('c')
        assert loaded is not None
        assert said(loaded.messages) == ['Hi', 'Hello.', 'Count', 'x' * 50_000 + REPLY, 'And?', 'Next.']
        assert await store.read_turn('c') is None
