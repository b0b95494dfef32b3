"""What can go wrong with a Redis server and the way to it: nothing is lost, nothing is there twice, and it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pydantic_ai_streaming.errors import StoreError, StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import RedisLog, Write
from pydantic_ai_streaming.testing.stream_log_reading import eventually, everything, some
from tests.logs.proxies import silent_proxy
from tests.servers import RedisServer, start_redis
from tests.stores.places import Place
from tests.stores.proxies import LosingProxy, losing_proxy


@pytest.fixture
def prefix() -> str:
    return f'{{test-{uuid4().hex}}}'


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Any]:
    async with redis.asyncio.from_url(redis_server.url) as client:
        yield client


async def keys_of(client: Any, prefix: str) -> dict[str, int]:
    """What there is of a log, with the milliseconds that it has left; -1 stands for no end."""
    keys = await client.keys(f'{prefix}*')
    return {key.decode().removeprefix(f'{prefix}:log:'): await client.pttl(key) for key in keys}


async def calls(client: Any, command: str) -> int:
    found = (await client.info('commandstats')).get(f'cmdstat_{command}', {})
    return int(found.get('calls', 0))


async def test_a_server_that_is_killed_in_mid_append_and_comes_back_loses_and_doubles_nothing(prefix: str) -> None:
    with start_redis() as server:
        async with (
            RedisLog(server.url, prefix=prefix, timeout=2) as log,
            RedisLog(server.url, prefix=prefix, timeout=2) as another,
        ):
            producers = [await log.create(f's{number}') for number in range(5)]
            following = [
                asyncio.create_task(everything(await one.follow(producer.stream_id)))
                for producer in producers
                for one in (log, another)
            ]
            is_over = asyncio.Event()

            async def produce(number: int) -> int:
                count = 0
                while not is_over.is_set():
                    count = await producers[number].append(some(2, count))
                await producers[number].close()
                return count

            producing = [asyncio.create_task(produce(number)) for number in range(5)]
            for pause in (0.2, 0.05, 0.3):
                await asyncio.sleep(pause)
                assert server.process is not None
                server.process.kill()
                server.process.wait(10)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.start)
            await asyncio.sleep(0.2)
            is_over.set()
            counts = await asyncio.gather(*producing)
            assert min(counts) > 20
            found = await asyncio.gather(*following)
            assert found == [some(count) for count in counts for _ in range(2)]


@pytest.mark.parametrize('again', ['the driver', 'the producer'])
async def test_an_answer_that_is_lost_neither_doubles_nor_denies_a_write(
    redis_server: RedisServer, prefix: str, tmp_path: Path, again: str
) -> None:
    place = Place('redis', redis_server.url, prefix.strip('{}'))
    async with losing_proxy(place, tmp_path) as (behind, proxy), RedisLog(redis_server.url, prefix=prefix) as direct:
        retries = 1 if again == 'the driver' else 0
        client = redis.asyncio.from_url(behind.where, retry=Retry(NoBackoff(), retries))
        async with client, RedisLog(client, prefix=prefix) as log:
            producer = await log.create('a')
            followers = [await one.follow('a') for one in (log, direct)]
            for number in range(6):
                proxy.lose_answer_to = b'entry %d' % number
                append = asyncio.create_task(producer.append(some(1, number)))
                if number % 2:  # and somebody else writes before it is tried again
                    await eventually(lambda number=number: _is_lost(proxy, number + 1))
                    await direct.stop('a')
                assert await append == number + 1
            assert proxy.lost == 6
            await producer.close()
            for follower in followers:
                assert await everything(follower) == some(6)


async def _is_lost(proxy: LosingProxy, answers: int) -> bool:
    return proxy.lost >= answers


async def test_writes_without_a_token_are_done_once_too_when_the_driver_asks_again(
    redis_server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    place = Place('redis', redis_server.url, prefix.strip('{}'))
    async with losing_proxy(place, tmp_path) as (behind, proxy), RedisLog(behind.where, prefix=prefix) as log:
        await log.create('a')
        await log.create('b')
        lost: list[tuple[bytes, list[Write]]] = [
            (b'entry 7', [Write(stream_id='a', entries=some(1, number)) for number in range(10)]),
            (b'entry 0', [Write(stream_id='b', entries=some(1)), Write(stream_id='a', entries=some(1, 10))]),
            (b'gone', [Write(stream_id='b', delete=True), Write(stream_id='a', details={'is': 'gone'})]),
        ]
        for answer, writes in lost:
            proxy.lose_answer_to = answer
            await asyncio.gather(*map(log.write, writes))
        assert proxy.lost == 3
        assert list((await log.read('a')).entries) == some(11)
        with pytest.raises(StreamMissing):
            await log.read('b')


async def test_a_server_that_is_not_there_is_named_and_patience_has_an_end(prefix: str) -> None:
    with start_redis() as server:
        async with RedisLog(server.url, prefix=prefix) as log:
            producer = await log.create('a')
            server.stop()
            for work in (producer.append(some(1), patience=0.2), log.read('a'), log.lapsed(), log.create('b')):
                with pytest.raises(StoreUnavailable, match=r'Redis log redis://127.* cannot be reached'):
                    await work
            server.start()
            assert await producer.append(some(1)) == 1
            await log.create('b')
        server.stop()
        newcomer = RedisLog(server.url, prefix=prefix)
        with pytest.raises(StoreUnavailable):
            await newcomer.read('a')
        server.start()
        assert list((await newcomer.read('a')).entries) == some(1)
        await newcomer.close()


async def test_a_log_that_is_closed_while_it_connects_is_closed(redis_server: RedisServer, prefix: str) -> None:
    for pause in (0.0, 0.0, 0.001, 0.002, 0.005):
        async with asyncio.timeout(5):
            async with RedisLog(redis_server.url, prefix=prefix):
                await asyncio.sleep(pause)


async def test_scripts_that_the_server_has_forgotten_are_sent_again(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async with RedisLog(redis_server.url, prefix=prefix) as log:
        producer = await log.create('a')
        await client.script_flush()
        assert await producer.append(some(2)) == 2


async def test_what_is_written_while_nobody_listens_is_read_when_the_connection_is_back(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async with RedisLog(redis_server.url, prefix=prefix) as log, RedisLog(redis_server.url, prefix=prefix) as another:
        producer = await log.create('a')
        follower = await another.follow('a')
        for number in range(5):
            await client.client_kill_filter(_type='pubsub')
            await producer.append(some(1, number))
            async with asyncio.timeout(5):
                assert list((await anext(follower)).entries) == some(1, number)


async def test_a_connection_that_is_silently_dead_is_given_up(redis_server: RedisServer, prefix: str) -> None:
    async with (
        silent_proxy(redis_server.port) as (url, proxy),
        RedisLog(url, prefix=prefix, timeout=0.3) as behind,
        RedisLog(redis_server.url, prefix=prefix) as log,
    ):
        producer = await log.create('a')
        follower = await behind.follow('a')
        await producer.append(some(1))
        async with asyncio.timeout(5):
            await anext(follower)
        proxy.fall_silent()
        await producer.append(some(1, 1))
        async with asyncio.timeout(5):
            assert list((await anext(follower)).entries) == some(1, 1)
        assert (await behind.read('a')).head.length == 2


async def test_a_log_has_so_many_connections_at_most_and_one_that_listens(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async def connections() -> int:
        return len(await client.client_list()) - 1

    before = await connections()
    async with RedisLog(redis_server.url, prefix=prefix, max_connections=4) as log:
        producers = [await log.create(f's{number}') for number in range(50)]
        following = [
            asyncio.create_task(everything(await log.follow(f's{number % 50}', number % 3))) for number in range(300)
        ]
        reading = [asyncio.create_task(log.read(f's{number % 50}')) for number in range(300)]
        await asyncio.sleep(0.05)
        assert await connections() - before <= 4
        assert await client.pubsub_numsub(f'{prefix}:log:changes') == [(f'{prefix}:log:changes'.encode(), 1)]
        await asyncio.gather(*reading)
        await asyncio.gather(*(producer.close(some(3)) for producer in producers))
        found = await asyncio.gather(*following)
        assert found == [some(3)[number % 3 :] for number in range(300)]
        assert await connections() - before <= 4


async def test_an_append_is_one_round_trip_and_many_at_once_are_too(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async with RedisLog(redis_server.url, prefix=prefix, lease=1000) as log:
        producers = [await log.create(f's{number}') for number in range(20)]
        before = await calls(client, 'evalsha')
        for number in range(10):
            await producers[0].append(some(1, number))
        assert await calls(client, 'evalsha') - before == 10
        await asyncio.gather(*(producer.append(some(5)) for producer in producers))
        assert await calls(client, 'evalsha') - before == 11


async def test_a_client_of_the_program_is_used_and_left_open(redis_server: RedisServer, prefix: str) -> None:
    async with redis.asyncio.from_url(redis_server.url) as client:
        async with RedisLog(client, prefix=prefix) as log:
            producer = await log.create('a')
            await producer.close(some(1))
            assert await everything(await log.follow('a')) == some(1)
        assert await client.exists('nothing') == 0
    async with redis.asyncio.from_url(redis_server.url, decode_responses=True) as client:
        with pytest.raises(ValueError, match='decode_responses'):
            RedisLog(client)
    with pytest.raises(ValueError, match='max_connections'):
        RedisLog(redis_server.url, max_connections=1)


async def test_a_server_without_memory_keeps_nothing_of_a_write_and_can_still_delete(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async with RedisLog(redis_server.url, prefix=prefix, lease=1000) as log:
        producer, deleted = await log.create('a'), await log.create('deleted')
        await producer.append(some(2))
        await deleted.append(some(2))
        await client.config_set('maxmemory', '1mb')
        try:
            writes = [Write(stream_id='a', delete=True), Write(stream_id='deleted', delete=True)]
            more = [producer.append(some(1, 2)), log.write(writes[1])]
            done = await asyncio.gather(*more, return_exceptions=True)
            assert isinstance(done[0], StoreError)
            assert (done[0].reason, done[1]) == ('full', None)
            # What would come in the place of something else leaves that as it is.
            done = await asyncio.gather(log.write(writes[0]), log.create('a'), return_exceptions=True)
            assert [type(one) for one in done] == [StoreError, StoreError]
            assert list((await log.read('a')).entries) == some(2)
        finally:
            await client.config_set('maxmemory', '0')
        assert await producer.append(some(1, 2)) == 3
        assert list((await log.read('a')).entries) == some(3)


async def test_what_is_over_leaves_nothing_behind(redis_server: RedisServer, prefix: str, client: Any) -> None:
    async with RedisLog(redis_server.url, prefix=prefix, lease=0.2) as log:
        closed = await log.create('closed', owner='ada', ttl=0.3)
        await closed.close(some(3))
        await log.create('deleted', owner='bob', ttl=None)
        await log.delete('deleted')
        left = await log.create('left', owner='eve', ttl=0.3)
        left.over = True  # nobody renews it
        await asyncio.sleep(0.6)
        assert await log.lapsed() == []
        found = await keys_of(client, prefix)
        assert found.pop('version') == -1
        # Markers of what was deleted, and entries, which stay a minute longer than their stream.
        assert found.keys() <= {'head:deleted', 'entries:closed'}
        assert all(0 < left <= 61_000 for left in found.values())


async def test_an_index_does_not_grow_by_what_nobody_asks_for(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    async with RedisLog(redis_server.url, prefix=prefix, lease=0.2) as log:
        await log.create('for ever', owner='ada', ttl=None)
        producers = [await log.create(f's{number}', owner='ada', ttl=0.3) for number in range(20)]
        for producer in producers:
            producer.over = True  # nobody renews or ends it
        await asyncio.sleep(0.6)
        await log.create('new', owner='ada')
        await log._backend.sweep()  # pyright: ignore[reportPrivateUsage] - not to wait for a minute
        for index in ('owner=ada', 'leases'):
            assert await client.zrange(f'{prefix}:log:{index}', 0, -1) in ([b'for ever', b'new'], [b'new', b'for ever'])


async def test_leases_and_ends_are_told_by_the_servers_clock(
    redis_server: RedisServer, prefix: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('time.time', lambda: 0.0)
    async with RedisLog(redis_server.url, prefix=prefix, lease=100) as log:
        await log.create('a', ttl=1000)
        seconds, _ = await client.time()
        head = await log.head('a')
        assert head.leased_until is not None
        assert head.expires_at is not None
        assert 95 < head.leased_until - seconds < 105
        assert 995 < head.expires_at - seconds < 1005
        assert 990_000 < (await keys_of(client, prefix))['head:a'] <= 1_000_000


async def test_streams_of_a_newer_version_are_refused_and_left_alone(
    redis_server: RedisServer, prefix: str, client: Any
) -> None:
    await client.set(f'{prefix}:log:version', 99)
    newcomer = RedisLog(redis_server.url, prefix=prefix)
    for _ in range(2):
        with pytest.raises(StoreError, match=r'version 99, .* knows only 1') as caught:
            await newcomer.create('a')
        assert caught.value.reason == 'newer'
    assert await keys_of(client, prefix) == {'version': -1}
    await client.set(f'{prefix}:log:version', 1)
    await newcomer.create('a')
    await newcomer.close()


async def test_a_damaged_stream_harms_no_other(redis_server: RedisServer, prefix: str, client: Any) -> None:
    ask: list[Callable[[RedisLog], Awaitable[object]]] = [
        lambda log: log.read('torn'),
        lambda log: log.write(Write(stream_id='torn', entries=some(1))),
    ]
    async with RedisLog(redis_server.url, prefix=prefix) as log, RedisLog(redis_server.url, prefix=prefix) as another:
        await log.create('torn')
        producer = await another.create('fine')
        await client.hset(f'{prefix}:log:head:torn', mapping={'head': '{"torn', 'revisions': 'another'})
        for one in (log, another):
            for work in ask:
                with pytest.raises(StoreError, match='damaged') as caught:
                    await work(one)
                assert caught.value.reason == 'damaged'
        done = await asyncio.gather(
            log.write(Write(stream_id='torn', entries=some(1))), log.create('new'), return_exceptions=True
        )
        assert isinstance(done[0], StoreError)
        assert not isinstance(done[1], BaseException)
        assert await producer.append(some(1)) == 1
