"""Servers that go away, come back, refuse, or lose an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest
import redis.asyncio
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import StoreError, StoreUnavailable
from pydantic_ai_streaming.stores import PostgresConversationStore, RedisConversationStore
from pydantic_ai_streaming.testing import compare_stores
from pydantic_ai_streaming.testing.conversation_store_messages import answer, question, texts
from tests.servers import Server
from tests.stores.places import Place, Store
from tests.stores.proxies import losing_proxy

servers_only = pytest.mark.parametrize('place', ['postgres', 'redis'], indirect=True)


def chat(*messages: ModelMessage) -> Conversation:
    return Conversation(conversation_id='c', messages=list(messages))


@pytest.fixture
def server(place: Place, request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(f'{place.kind}_server')


@servers_only
async def test_a_server_that_goes_away_is_named_and_one_that_comes_back_is_used(store: Store, server: Server) -> None:
    conversation = chat(question('1'))
    await store.save(conversation)
    server.stop()
    try:
        conversation.messages.append(answer('2'))
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match='cannot be reached, or the connection was lost') as caught:
                await store.save(conversation)
            assert isinstance(caught.value, ConnectionError)
            assert caught.value.messages == conversation.messages
        assert time.monotonic() - began < 5
    finally:
        server.start()
    await store.save(conversation)
    assert texts(await store.load('c')) == ['1', '2']


@servers_only
async def test_a_restart_between_two_operations_is_not_noticed(store: Store, server: Server) -> None:
    await store.save(chat(question('1')))
    await asyncio.gather(*(store.load('c') for _ in range(4)))  # several connections are open
    server.stop()
    server.start()
    assert texts(await store.load('c')) == ['1']


@servers_only
async def test_an_answer_that_is_lost_neither_doubles_nor_denies_a_save(place: Place, tmp_path: Path) -> None:
    async with losing_proxy(place, tmp_path) as (behind, proxy), behind.open() as store:
        conversation = chat(question('1'))
        for turn in range(3):
            conversation.messages.append(answer(f'turn {turn}'))
            proxy.lose_answer_to = b'COMMIT' if place.kind == 'postgres' else f'turn {turn}'.encode()
            assert len(await store.save(conversation)) == (2 if turn == 0 else 1)
        assert proxy.lost == 3
        assert texts(await store.load('c')) == ['1', 'turn 0', 'turn 1', 'turn 2']
        proxy.lose_answer_to = b'COMMIT' if place.kind == 'postgres' else conversation.conversation_id.encode()
        await store.delete('c')
        assert await store.load('c') is None


@servers_only
async def test_a_server_that_does_not_answer_is_given_up(place: Place, server: Server) -> None:
    async with place.open(timeout=0.3) as store:
        await store.save(chat(question('1')))

        is_over = asyncio.Event()

        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await is_over.wait()
            writer.close()

        mute = await asyncio.start_server(silence, '127.0.0.1', 0)
        port = mute.sockets[0].getsockname()[1]
        scheme = 'postgresql' if place.kind == 'postgres' else 'redis'
        began = time.monotonic()
        async with Place(place.kind, f'{scheme}://user:secret@127.0.0.1:{port}/0').open(timeout=0.3) as waiting:
            with pytest.raises(StoreUnavailable) as caught:
                await waiting.load('c')
        assert time.monotonic() - began < 3
        assert 'secret' not in f'{caught.value}{waiting}{waiting!r}'
        assert '127.0.0.1' in str(caught.value)
        is_over.set()
        mute.close()


@servers_only
def test_one_store_serves_several_loops_one_after_the_other(place: Place) -> None:
    store = place.open()

    async def turn(number: int) -> list[str]:
        conversation = await store.load('c') or chat()
        conversation.messages.append(question(str(number)))
        await store.save(conversation)
        await store.close()
        return texts(await store.load('c', limit=9)) if number < 0 else texts(conversation)

    assert [len(asyncio.run(turn(number))) for number in range(3)] == [1, 2, 3]


@servers_only
async def test_a_cancelled_save_is_whole_or_not_there(store: Store) -> None:
    await store.save(chat())
    for turn in range(20):
        conversation = await store.load('c')
        assert conversation is not None
        before = len(conversation.messages)
        conversation.messages += [question(f'{turn}'), answer(f'{turn}')]
        save = asyncio.create_task(store.save(conversation))
        await asyncio.sleep(turn / 5_000)
        save.cancel()
        await asyncio.wait([save])
        loaded = texts(await store.load('c'))
        assert len(loaded) in (before, before + 2)


# PostgreSQL


@asynccontextmanager
async def administrator(place: Place) -> AsyncGenerator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(place.where, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize('place', ['postgres'], indirect=True)
async def test_a_pool_of_the_program_is_used_and_left_open(place: Place) -> None:
    async with psycopg_pool.AsyncConnectionPool(place.where, min_size=1, max_size=3, open=False) as pool:
        async with PostgresConversationStore(pool, schema=place.name) as store:
            await compare_stores(store, InMemoryConversationStore(), seed=2, operations=100)
            async with administrator(place) as connection:
                others = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()'
                await connection.execute(others + " AND backend_type = 'client backend'")
            await store.list_conversations()
        async with pool.connection() as connection:
            assert (await (await connection.execute('SELECT 1')).fetchone()) == (1,)


@pytest.mark.parametrize('place', ['postgres'], indirect=True)
async def test_a_user_without_rights_is_told_so(place: Place, store: Store) -> None:
    async with administrator(place) as connection:
        await connection.execute('DROP ROLE IF EXISTS reader')
        await connection.execute('CREATE ROLE reader LOGIN')
    async with Place('postgres', place.where.replace('postgres@', 'reader@'), place.name).open() as theirs:
        with pytest.raises(StoreError, match=r'permission denied .* the user must own the schema') as caught:
            await theirs.load('c')
    assert caught.value.reason == 'refused'


@pytest.mark.parametrize('place', ['postgres'], indirect=True)
async def test_a_read_only_server_can_be_read(place: Place, store: Store) -> None:
    conversation = chat(question('1'))
    await store.save(conversation)
    where = f'{place.where}&options=-c%20default_transaction_read_only%3Don'
    async with Place('postgres', where, place.name).open() as replica:
        assert texts(await replica.load('c')) == ['1']
        with pytest.raises(StoreError, match='Connect to the primary server') as caught:
            await replica.save(conversation)
    assert caught.value.reason == 'read_only'


@pytest.mark.parametrize('place', ['postgres'], indirect=True)
async def test_an_operation_does_not_wait_for_connections_for_ever(place: Place) -> None:
    async with place.open(max_connections=2) as store:
        await store.save(chat(question('1')))
        found = await asyncio.gather(*(store.load('c') for _ in range(30)))
        assert [texts(conversation) for conversation in found] == [['1']] * 30


# Redis


async def told(client: Any, *command: str) -> Any:
    return await client.execute_command(*command)


@pytest.mark.parametrize('place', ['redis'], indirect=True)
async def test_a_client_of_the_program_is_used_and_left_open(place: Place) -> None:
    for decodes in (False, True):
        async with redis.asyncio.from_url(place.where, decode_responses=decodes) as client:
            async with RedisConversationStore(client, prefix=f'{place.name}-{decodes}') as store:
                await compare_stores(store, InMemoryConversationStore(), seed=2, operations=100)
            assert await client.exists('nothing') == 0


@pytest.mark.parametrize('place', ['redis'], indirect=True)
async def test_a_server_without_memory_keeps_nothing_of_the_save(place: Place, store: Store) -> None:
    conversation = chat(question('1'))
    await store.save(conversation)
    conversation.messages += [answer('2'), answer('3')]
    async with redis.asyncio.from_url(place.where) as client:
        await told(client, 'CONFIG SET', 'maxmemory', '1mb')
        try:
            with pytest.raises(StoreError, match=r'is full: .*\(maxmemory\)') as caught:
                await store.save(conversation)
        finally:
            await told(client, 'CONFIG SET', 'maxmemory', '0')
    assert caught.value.reason == 'full'
    assert texts(await store.load('c')) == ['1']
    await store.save(conversation)
    assert texts(await store.load('c')) == ['1', '2', '3']


@pytest.mark.parametrize('place', ['redis'], indirect=True)
async def test_a_deleted_conversation_leaves_no_key_behind(place: Place, store: Store) -> None:
    await compare_stores(store, InMemoryConversationStore(), seed=3, operations=150)
    for record in await store.list_conversations():
        await store.delete(record.conversation_id)
    async with redis.asyncio.from_url(place.where, decode_responses=True) as client:
        keys = await told(client, 'KEYS', f'{{{place.name}}}*')
    assert keys == [f'{{{place.name}}}:version']
