"""Two workers on one log: what one has done is so for the other, and what both do at once is done once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from pydantic_ai_streaming.serve import DurableStreams, durable_streams
from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import ask, begin
from tests.serve.durable.places import SharedMemory

pytestmark = pytest.mark.virtual_time

Pair = tuple[DurableStreams, DurableStreams]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    memory = SharedMemory()
    async with memory.log() as one, memory.log() as other:
        yield durable_streams(one, writable=True), durable_streams(other, writable=True)


def turn(producer: str, epoch: int, seq: int) -> dict[str, str]:
    return {'producer-id': producer, 'producer-epoch': str(epoch), 'producer-seq': str(seq)}


async def test_a_request_that_was_sent_again_to_another_worker_is_done_once(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')
    calls = [begin(app, 'POST', '/s', '"one"', turn('p', 0, 0)) for app in pair * 5]
    statuses = Counter([(await call.done()).status for call in calls])
    assert statuses == {200: 1, 204: 9}
    assert (await ask(pair[1], 'GET', '/s')).json == ['one']


async def test_producers_at_both_workers_lose_nothing_and_repeat_nothing(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')

    async def produce(name: str) -> None:
        for seq in range(10):
            answers = [begin(app, 'POST', '/s', f'"{name}{seq}"', turn(name, 0, seq)) for app in pair]
            assert sorted([(await answer.done()).status for answer in answers]) == [200, 204]

    await asyncio.gather(*(produce(name) for name in 'abcdef'))
    entries: list[str] = (await ask(pair[0], 'GET', '/s')).json
    assert len(entries) == 60
    for name in 'abcdef':
        assert [entry for entry in entries if entry[0] == name] == [f'{name}{seq}' for seq in range(10)]


async def test_a_zombie_is_fenced_at_the_worker_that_has_not_seen_its_successor(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')
    assert (await ask(pair[0], 'POST', '/s', '"old"', turn('p', 0, 0))).status == 200
    assert (await ask(pair[0], 'POST', '/s', '"new"', turn('p', 1, 0))).status == 200
    zombie = await ask(pair[1], 'POST', '/s', '"late"', turn('p', 0, 1))
    assert (zombie.status, zombie.headers['producer-epoch']) == (403, '1')
    assert (await ask(pair[1], 'GET', '/s')).json == ['old', 'new']


async def test_of_writers_with_the_same_sequence_number_one_gets_in(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')
    calls = [begin(app, 'POST', '/s', f'{number}', {'stream-seq': '7'}) for number, app in enumerate(pair * 5)]
    statuses = Counter([(await call.done()).status for call in calls])
    assert statuses == {204: 1, 409: 9}
    assert len((await ask(pair[0], 'GET', '/s')).json) == 1


async def test_writers_without_conditions_do_not_wait_for_each_other(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')
    calls = [begin(app, 'POST', '/s', f'{number}') for number, app in enumerate(pair * 20)]
    offsets = [(await call.done()).headers['stream-next-offset'] for call in calls]
    assert len(set(offsets)) == 40, 'each is told where its own entry ends'
    assert sorted((await ask(pair[1], 'GET', '/s')).json) == list(range(40))


async def test_a_stream_that_both_make_is_made_once(pair: Pair) -> None:
    calls = [begin(app, 'PUT', '/s', f'[{number}]') for number, app in enumerate(pair * 3)]
    assert Counter([(await call.done()).status for call in calls]) == {201: 1, 200: 5}
    assert len((await ask(pair[0], 'GET', '/s')).json) == 1
    calls = [begin(app, 'PUT', '/other', headers={'stream-ttl': str(ttl)}) for ttl, app in enumerate(pair, 60)]
    assert sorted([(await call.done()).status for call in calls]) == [201, 409]


async def test_nothing_gets_in_after_the_end(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s')
    writing = [begin(app, 'POST', '/s', '"x"') for app in pair * 3]
    closing = begin(pair[0], 'POST', '/s', headers={'stream-closed': 'true'})
    writing += [begin(app, 'POST', '/s', '"x"') for app in pair * 3]
    assert (await closing.done()).status == 204
    statuses = Counter([(await call.done()).status for call in writing])
    end = await ask(pair[1], 'GET', '/s')
    assert set(statuses) <= {204, 409}
    assert (len(end.json), end.headers['stream-closed']) == (statuses[204], 'true')
    assert end.headers['stream-next-offset'] == (await closing.done()).headers['stream-next-offset']


@pytest.mark.parametrize('live', ['', '&live=long-poll', '&live=sse'])
async def test_what_one_worker_has_acknowledged_the_other_one_shows(pair: Pair, live: str) -> None:
    await ask(pair[0], 'PUT', '/s')
    # Somebody follows at the other worker: its tail is there, and lags.
    follower = begin(pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(1)
    await ask(pair[0], 'POST', '/s', '"new"')
    began = asyncio.get_running_loop().time()
    reader = begin(pair[1], 'GET', f'/s?offset=-1{live}')
    await reader.came.wait()
    assert 'new' in reader.text
    assert reader.pieces[0][0] - began < 0.01, 'it did not wait until the tail had it'
    await asyncio.sleep(1)
    assert 'new' in follower.said
    for call in (follower, reader):
        call.leave()
        await call.done()


@pytest.mark.parametrize('live', ['long-poll', 'sse'])
async def test_who_waits_at_one_worker_hears_of_the_other(pair: Pair, live: str) -> None:
    await ask(pair[0], 'PUT', '/s')
    waiting = begin(pair[1], 'GET', f'/s?offset=now&live={live}')
    await asyncio.sleep(5)
    await ask(pair[0], 'POST', '/s', '"new"', {'stream-closed': 'true'})
    await waiting.done()
    assert 'new' in waiting.text
    assert asyncio.get_running_loop().time() < 6
    if live == 'sse':
        assert waiting.last == {
            'streamNextOffset': '0000000000000000_0000000000000001',
            'streamClosed': True,
            'upToDate': True,
        }


async def test_a_reader_of_a_stream_gets_nothing_of_the_next_one_of_its_name(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s', '["old"]')
    reader = begin(pair[1], 'GET', '/s?offset=-1&live=sse')
    waiting = begin(pair[1], 'GET', '/s?offset=now&live=long-poll')
    await asyncio.sleep(1)
    await ask(pair[0], 'DELETE', '/s')
    await ask(pair[0], 'PUT', '/s', '["new", "newer"]')
    await reader.done()
    assert 'streamClosed' not in reader.last
    assert (reader.said, (await waiting.done()).status) == ('["old"]', 404)
    await ask(pair[0], 'DELETE', '/s')
    await ask(pair[0], 'PUT', '/s')
    again = await ask(pair[1], 'GET', f'/s?offset={reader.last["streamNextOffset"]}&live=sse')
    assert again.status == 400, 'the offset is beyond the end of this one'


async def test_a_reader_that_comes_before_this_worker_has_heard_of_the_new_stream_gets_the_new_one(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s', '["old"]')
    follower = begin(pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(1)
    await ask(pair[0], 'DELETE', '/s')
    await ask(pair[0], 'PUT', '/s', '["new"]')
    reader = begin(pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(0.001)
    await ask(pair[0], 'POST', '/s', '["newer"]', {'stream-closed': 'true'})
    assert (await reader.done()).said == '["newer"]'
    assert (await follower.done()).said == ''


# Forks

LONG = 2500


async def test_a_long_fork_is_copied_once_by_whoever_asks_for_it_and_seen_when_it_is_whole(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s', str(list(range(LONG))))
    fork = {'stream-forked-from': '/s'}
    calls = [begin(app, 'PUT', '/f', '["own"]', fork) for app in pair * 2]
    lengths: set[int] = set()
    while not all(call.task.done() for call in calls):
        if (seen := await ask(pair[0], 'HEAD', '/f')).status == 200:
            lengths.add(int(seen.headers['stream-next-offset'][-16:]))
        await asyncio.sleep(0)
    assert Counter(call.status for call in calls) == {201: 1, 200: 3}
    assert lengths <= {LONG + 1}
    entries: list[object] = []
    offset = '-1'
    while True:
        part = await ask(pair[1], 'GET', f'/f?offset={offset}')
        entries += part.json
        offset = part.headers['stream-next-offset']
        if 'stream-up-to-date' in part.headers:
            break
    assert entries == [*range(LONG), 'own']


async def test_a_fork_that_was_left_half_copied_is_finished_by_the_next_who_asks(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s', str(list(range(LONG))))
    fork = {'stream-forked-from': '/s'}
    left = begin(pair[0], 'PUT', '/f', headers=fork)
    for _ in range(12):
        await asyncio.sleep(0)
    left.task.cancel()
    await asyncio.wait([left.task])
    assert (await ask(pair[1], 'GET', '/f')).status == 404
    assert (await ask(pair[1], 'POST', '/f', '1')).status == 404
    assert (await ask(pair[1], 'PUT', '/f', headers=fork)).status == 201
    assert (await ask(pair[1], 'HEAD', '/f')).headers['stream-next-offset'].endswith(str(LONG))


async def test_the_name_of_a_deleted_stream_is_taken_until_its_forks_are_gone(pair: Pair) -> None:
    one, other = pair
    await ask(one, 'PUT', '/s', '["x"]', {'stream-ttl': '5'})
    await ask(one, 'PUT', '/f', headers={'stream-forked-from': '/s', 'stream-ttl': '60'})
    assert (await ask(other, 'DELETE', '/s')).status == 204
    assert [(await ask(app, 'GET', '/s')).status for app in pair] == [410, 410]
    assert (await ask(one, 'PUT', '/s')).status == 409
    assert (await ask(other, 'GET', '/f')).json == ['x']
    await asyncio.sleep(61)  # the fork expires, and nobody says so
    assert [(await ask(app, 'GET', '/s')).status for app in pair] == [404, 404]
    assert (await ask(other, 'PUT', '/s')).status == 201


@pytest.mark.parametrize('turns', range(2, 62, 4))
async def test_a_fork_of_a_stream_that_is_replaced_meanwhile_is_of_the_one_or_of_the_other(
    pair: Pair, turns: int
) -> None:
    await ask(pair[0], 'PUT', '/s', json.dumps(['old'] * LONG))
    making = begin(pair[0], 'PUT', '/f', headers={'stream-forked-from': '/s'})
    for _ in range(turns):
        await asyncio.sleep(0)
    await ask(pair[1], 'DELETE', '/s')
    await ask(pair[1], 'PUT', '/s', json.dumps(['new'] * LONG))
    assert (await making.done()).status in (201, 404, 409)
    fork = await ask(pair[1], 'HEAD', '/f')
    if making.status != 201:
        assert fork.status == 404
        return
    assert fork.headers['stream-next-offset'].endswith(str(LONG))
    ends = [await ask(pair[1], 'GET', f'/f?offset={token_of(offset)}') for offset in (0, LONG - 1)]
    assert ends[0].json[0] == ends[1].json[0]
