"""Two workers who hear late of each other, in virtual time: what was acknowledged is shown, and old streams are not."""

from __future__ import annotations

import asyncio

import pytest

from tests.serve.durable.calls import ask, begin
from tests.serve.durable.conftest import Pair

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize('live', ['', '&live=long-poll', '&live=sse'])
async def test_what_one_worker_has_acknowledged_the_other_one_shows(late_pair: Pair, live: str) -> None:
    await ask(late_pair[0], 'PUT', '/s')
    # Somebody follows at the other worker: its tail is there, and lags.
    follower = begin(late_pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(1)
    await ask(late_pair[0], 'POST', '/s', '"new"')
    began = asyncio.get_running_loop().time()
    reader = begin(late_pair[1], 'GET', f'/s?offset=-1{live}')
    await reader.came.wait()
    assert 'new' in reader.text
    assert reader.pieces[0][0] - began < 0.01, 'it did not wait until the tail had it'
    await asyncio.sleep(1)
    assert 'new' in follower.said
    for call in (follower, reader):
        call.leave()
        await call.done()


@pytest.mark.parametrize('live', ['long-poll', 'sse'])
async def test_who_waits_at_one_worker_hears_of_the_other(late_pair: Pair, live: str) -> None:
    await ask(late_pair[0], 'PUT', '/s')
    waiting = begin(late_pair[1], 'GET', f'/s?offset=now&live={live}')
    await asyncio.sleep(5)
    await ask(late_pair[0], 'POST', '/s', '"new"', {'stream-closed': 'true'})
    await waiting.done()
    assert 'new' in waiting.text
    assert asyncio.get_running_loop().time() < 6
    if live == 'sse':
        assert waiting.last == {
            'streamNextOffset': '0000000000000000_0000000000000001',
            'streamClosed': True,
            'upToDate': True,
        }


async def test_a_reader_of_a_stream_gets_nothing_of_the_next_one_of_its_name(late_pair: Pair) -> None:
    await ask(late_pair[0], 'PUT', '/s', '["old"]')
    reader = begin(late_pair[1], 'GET', '/s?offset=-1&live=sse')
    waiting = begin(late_pair[1], 'GET', '/s?offset=now&live=long-poll')
    await asyncio.sleep(1)
    await ask(late_pair[0], 'DELETE', '/s')
    await ask(late_pair[0], 'PUT', '/s', '["new", "newer"]')
    await reader.done()
    assert 'streamClosed' not in reader.last
    assert (reader.said, (await waiting.done()).status) == ('["old"]', 404)
    await ask(late_pair[0], 'DELETE', '/s')
    await ask(late_pair[0], 'PUT', '/s')
    again = await ask(late_pair[1], 'GET', f'/s?offset={reader.last["streamNextOffset"]}&live=sse')
    assert again.status == 400, 'the offset is beyond the end of this one'


async def test_a_reader_that_comes_before_the_news_of_a_new_stream_gets_the_new_one(
    late_pair: Pair,
) -> None:
    await ask(late_pair[0], 'PUT', '/s', '["old"]')
    follower = begin(late_pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(1)
    await ask(late_pair[0], 'DELETE', '/s')
    await ask(late_pair[0], 'PUT', '/s', '["new"]')
    reader = begin(late_pair[1], 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(0.001)
    await ask(late_pair[0], 'POST', '/s', '["newer"]', {'stream-closed': 'true'})
    assert (await reader.done()).said == '["newer"]'
    assert (await follower.done()).said == ''


async def test_the_name_of_a_deleted_stream_is_taken_until_its_forks_are_gone(late_pair: Pair) -> None:
    one, other = late_pair
    await ask(one, 'PUT', '/s', '["x"]', {'stream-ttl': '5'})
    await ask(one, 'PUT', '/f', headers={'stream-forked-from': '/s', 'stream-ttl': '60'})
    assert (await ask(other, 'DELETE', '/s')).status == 204
    assert [(await ask(app, 'GET', '/s')).status for app in late_pair] == [410, 410]
    assert (await ask(one, 'PUT', '/s')).status == 409
    assert (await ask(other, 'GET', '/f')).json == ['x']
    await asyncio.sleep(61)  # the fork expires, and nobody says so
    assert [(await ask(app, 'GET', '/s')).status for app in late_pair] == [404, 404]
    assert (await ask(other, 'PUT', '/s')).status == 201
