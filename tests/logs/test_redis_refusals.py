"""What a Redis server may refuse, and what it may lose behind a log's back: each is told, with what to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from pydantic_ai_streaming.errors import StoreError, StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import RedisLog, Write
from pydantic_ai_streaming.testing.stream_log_reading import everything, some
from tests.servers import RedisServer, start_redis


@pytest.fixture
async def server() -> AsyncIterator[tuple[RedisServer, Any]]:
    """A server of its own, and a client that may do anything."""
    with start_redis() as server:
        async with redis.asyncio.from_url(server.url) as client:
            await told(client, 'ACL', 'SETUSER', 'admin', 'on', '>admin', 'allkeys', 'allchannels', '+@all')
            yield server, client


async def told(client: Any, *command: str) -> Any:
    return await client.execute_command(*command)


def named(server: RedisServer, user: str, password: str) -> str:
    return server.url.replace('//', f'//{user}:{password}@')


async def test_streams_that_somebody_flushes_are_missing_for_those_who_have_them_and_can_be_made_anew(
    server: tuple[RedisServer, Any],
) -> None:
    where, client = server[0].url, server[1]
    async with RedisLog(where, lease=0.6) as log, RedisLog(where, lease=0.6) as another:
        written, silent = await log.create('written'), await log.create('silent')
        await written.append(some(2))
        followers = [await log.follow(name) for name in ('written', 'silent')]
        waiting = [asyncio.create_task(everything(follower)) for follower in followers]
        await asyncio.sleep(0.1)
        await client.flushall()
        with pytest.raises(StreamMissing):
            await written.append(some(1, 2))
        async with asyncio.timeout(5):
            for one in waiting:
                with pytest.raises(StreamMissing):
                    await one
            await silent.until_stopped()
        assert silent.fenced
        again = await another.create('written')
        await again.close(some(1))
        assert await everything(await log.follow('written')) == some(1)


async def test_a_server_without_memory_can_still_be_opened_and_read(server: tuple[RedisServer, Any]) -> None:
    where, client = server[0].url, server[1]
    async with RedisLog(where) as log:
        await (await log.create('a', owner='ada')).close(some(2))
    await client.config_set('maxmemory', '1mb')
    async with RedisLog(where) as log:
        assert await everything(await log.follow('a')) == some(2)
        assert len(await log.owned('ada')) == 1
        assert await log.lapsed() == []
        with pytest.raises(StoreError, match=r'is full: .* Give the server more memory') as caught:
            await log.create('b')
        assert caught.value.reason == 'full'


async def test_a_replica_can_be_read_and_says_where_to_write(
    server: tuple[RedisServer, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with start_redis() as second:
        async with RedisLog(server[0].url) as primary, redis.asyncio.from_url(second.url) as client:
            producer = await primary.create('a')
            await producer.append(some(2))
            await told(client, 'REPLICAOF', '127.0.0.1', str(server[0].port))
            async with asyncio.timeout(20):
                while not await client.exists('{pydantic-ai}:log:head:a'):  # noqa: ASYNC110 - Redis does not tell
                    await asyncio.sleep(0.05)
            async with RedisLog(second.url, lease=0.3) as replica:
                follower = await replica.follow('a')
                with pytest.raises(StoreError, match=r'is read-only: .* Connect to the primary server') as caught:
                    await replica.create('b')
                assert caught.value.reason == 'read_only'
                await producer.close(some(1, 2))
                async with asyncio.timeout(5):
                    assert await everything(follower) == some(3)
                # One that becomes a replica while somebody writes there.
                await told(client, 'REPLICAOF', 'NO', 'ONE')
                heir = await replica.create('c')
                await told(client, 'REPLICAOF', '127.0.0.1', '1')
                with pytest.raises(StoreError, match='is read-only'):
                    await heir.append(some(1))
                with caplog.at_level(logging.ERROR):
                    await asyncio.sleep(2.5)
                [said] = [one.getMessage() for one in caplog.records if 'cannot do its work' in one.message]
                assert 'Connect to the primary server' in said


async def test_a_replica_that_has_lost_its_primary_is_out_of_reach_for_now(server: tuple[RedisServer, Any]) -> None:
    where, client = server[0].url, server[1]
    async with RedisLog(where, timeout=0.5) as log:
        producer = await log.create('a')
        await client.config_set('replica-serve-stale-data', 'no')
        await told(client, 'REPLICAOF', '127.0.0.1', '1')
        with pytest.raises(StoreUnavailable, match=r'can do nothing just now: .* Try again'):
            await log.read('a')
        append = asyncio.create_task(producer.append(some(1)))
        await asyncio.sleep(0.2)
        assert not append.done()
        await told(client, 'REPLICAOF', 'NO', 'ONE')
        assert await append == 1


async def test_a_server_that_wants_more_replicas_is_waited_for(server: tuple[RedisServer, Any]) -> None:
    where, client = server[0].url, server[1]
    async with RedisLog(where) as log:
        producer = await log.create('a')
        await client.config_set('min-replicas-to-write', 1)
        with pytest.raises(StoreUnavailable, match=r'just now: .*NOREPLICAS'):
            await producer.append(some(1), patience=0.1)
        append = asyncio.create_task(producer.append(some(1)))
        await asyncio.sleep(0.2)
        await client.config_set('min-replicas-to-write', 0)
        assert await append == 1


@pytest.mark.parametrize('who', ['nobody', 'a wrong password'])
async def test_who_does_not_say_who_it_is_is_refused(server: tuple[RedisServer, Any], who: str) -> None:
    await server[1].config_set('requirepass', 'secret')
    where = server[0].url if who == 'nobody' else named(server[0], '', 'wrong')
    log = RedisLog(where)
    with pytest.raises(StoreError, match=r'refuses: .* Check user, password and permissions') as caught:
        await log.read('a')
    assert caught.value.reason == 'refused'
    assert 'wrong' not in str(caught.value).partition('refuses')[0]
    async with RedisLog(named(server[0], 'admin', 'admin')) as log:
        await log.create('a')


RIGHTS = {
    'no scripts': ['~*', '&*', '+@all', '-eval', '-evalsha'],
    'no other keys': ['~other*', '&*', '+@all'],
    'no channels': ['~*', 'resetchannels', '+@all'],
}


@pytest.mark.parametrize('missing', RIGHTS)
async def test_a_permission_that_is_missing_is_named_before_anything_is_written(
    server: tuple[RedisServer, Any], missing: str
) -> None:
    await told(server[1], 'ACL', 'SETUSER', 'poor', 'on', '>poor', *RIGHTS[missing])
    with pytest.raises(StoreError, match=r'refuses: .* \(for scripts, keys and channels\)') as caught:
        await RedisLog(named(server[0], 'poor', 'poor')).create('a')
    assert caught.value.reason == 'refused'
    assert await server[1].keys('*head*') == []


async def test_a_command_that_is_not_permitted_is_named_and_leaves_the_stream_as_it_was(
    server: tuple[RedisServer, Any],
) -> None:
    await told(server[1], 'ACL', 'SETUSER', 'poor', 'on', '>poor', '~*', '&*', '+@all', '-xadd')
    async with RedisLog(named(server[0], 'poor', 'poor')) as log:
        await log.create('a')
        with pytest.raises(StoreError, match='refuses: ') as caught:
            await log.write(Write(stream_id='a', entries=some(1)))
        assert caught.value.reason == 'refused'
