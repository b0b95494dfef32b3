"""Two workers on one log: what one has done is so for the other, and what both do at once is done once."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections import Counter

import pytest

from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import ask, begin
from tests.serve.durable.conftest import Pair
from tests.serve.serving import until


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


async def test_of_those_who_write_where_they_have_seen_the_end_one_succeeds(pair: Pair) -> None:
    await ask(pair[0], 'PUT', '/s', '[0]')
    seen = {'stream-expected-offset': (await ask(pair[1], 'HEAD', '/s')).headers['stream-next-offset']}
    calls = [begin(app, 'POST', '/s', f'{number}', seen) for number, app in enumerate(pair * 5, 1)]
    assert Counter([(await call.done()).status for call in calls]) == {204: 1, 409: 9}
    [written] = [number for number, call in enumerate(calls, 1) if call.status == 204]
    assert (await ask(pair[1], 'GET', '/s')).json == [0, written]
    refused = next(call for call in calls if call.status == 409)
    # Who has lost knows where to go on.
    assert (
        await ask(pair[0], 'POST', '/s', '7', {'stream-expected-offset': refused.headers['stream-next-offset']})
    ).status == 204


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


async def test_clients_who_have_caught_up_hold_nothing_of_what_they_were_sent(pair: Pair) -> None:
    message = json.dumps('x' * 100_000)
    await ask(pair[0], 'PUT', '/s')
    for _ in range(90):
        await ask(pair[0], 'POST', '/s', message)
    tracemalloc.start()
    try:
        calls = [begin(pair[1], 'GET', '/s?offset=-1&live=sse') for _ in range(20)]
        for call in calls:
            call.forgets = True
        await until(lambda: all(call.size > 90 * len(message) for call in calls), within=30)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for call in calls:
        call.leave()
        await call.done()
    assert held < 25 * 2**20, 'it is 9 MB for each'


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


@pytest.mark.parametrize('turns', range(2, 62, 4))
async def test_a_fork_of_a_stream_that_is_replaced_meanwhile_is_of_one_of_the_two(pair: Pair, turns: int) -> None:
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
