"""Requests that are not as they should be, and streams that are not the client's to write."""

from __future__ import annotations

import dataclasses
import json

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from pydantic_ai_streaming.logs import StreamLog, Write
from pydantic_ai_streaming.serve import DurableStreams, DurableStreamsLimits, durable_streams
from pydantic_ai_streaming.serve.durable.bodies import DISCARDED
from pydantic_ai_streaming.serve.durable.forking import MOST_FORKS
from pydantic_ai_streaming.serve.durable.kept import MOST_PRODUCERS
from pydantic_ai_streaming.serve.durable.messages import MOST_MESSAGES
from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import ask, begin

WRITES = ('PUT', 'POST', 'DELETE')
FORK = {'stream-forked-from': '/s'}


# Reads

OFFSETS = [
    '',
    '0',
    '1_2',
    '-2',
    'Now',
    '0000000000000000_00000000000000001',
    '0000000000000001_0000000000000000',
    '0000000000000000_000000000000000٣',
    '0000000000000000_0000000000000000,',
    '%00',
    '../etc',
    '9' * 5000,
]


@pytest.mark.parametrize('offset', OFFSETS)
@pytest.mark.parametrize('live', ['', '&live=long-poll', '&live=sse'])
async def test_what_is_no_offset_is_refused_and_not_taken_for_the_beginning(
    app: DurableStreams, offset: str, live: str
) -> None:
    await ask(app, 'PUT', '/s', '[1]')
    assert (await ask(app, 'GET', f'/s?offset={offset}{live}')).status == 400


@pytest.mark.parametrize('live', ['', '&live=long-poll', '&live=sse'])
async def test_an_offset_of_another_stream_is_refused_and_not_waited_for(app: DurableStreams, live: str) -> None:
    await ask(app, 'PUT', '/long', '[1, 2, 3]')
    offset = (await ask(app, 'HEAD', '/long')).headers['stream-next-offset']
    await ask(app, 'PUT', '/s', '[1, 2]')
    assert (await ask(app, 'GET', f'/s?offset={offset}{live}')).status == 400


@pytest.mark.parametrize('url', ['/unknown', '/', '', '/__ds/subscriptions/x', '/' + 'x' * 2000])
@pytest.mark.parametrize('query', ['', '?offset=now&live=long-poll', '?offset=-1&live=sse'])
async def test_there_is_nothing_where_no_stream_is(app: DurableStreams, url: str, query: str) -> None:
    assert (await ask(app, 'GET', url + query)).status == 404
    assert (await ask(app, 'HEAD', url)).status == 404
    assert (await ask(app, 'POST', url, '1')).status == 404
    assert (await ask(app, 'DELETE', url)).status == 404


@pytest.mark.parametrize('url', ['/', '/__ds', '/__ds/subscriptions/x', '/' + 'x' * 2000])
async def test_no_stream_is_made_where_none_may_be(app: DurableStreams, url: str) -> None:
    assert (await ask(app, 'PUT', url)).status == 404


async def test_what_a_client_has_is_not_sent_again_also_if_a_proxy_has_weakened_the_tag(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', '[1]')
    etag = (await ask(app, 'GET', '/s')).headers['etag']
    for has in (etag, f'W/{etag}', f'"other", {etag}'):
        call = await ask(app, 'GET', '/s', headers={'if-none-match': has})
        assert (call.status, call.body, call.headers['etag']) == (304, b'', etag)
    await ask(app, 'POST', '/s', headers={'stream-closed': 'true'})
    assert (await ask(app, 'GET', '/s', headers={'if-none-match': etag})).status == 200


# Bodies

LIMITS = DurableStreamsLimits(body=1000)


@pytest.mark.parametrize('method', ['PUT', 'POST'])
@pytest.mark.parametrize('pieces', [1, 40])
async def test_a_body_too_large_is_refused_and_not_kept(log: StreamLog, method: str, pieces: int) -> None:
    app = durable_streams(log, writable=True, limits=LIMITS)
    await ask(app, 'PUT', '/s')
    body = [b'[' + b'1,' * 500 + b'1]'] if pieces == 1 else [b'1' * 50] * pieces
    call = await ask(app, method, '/s', body)
    assert call.status == 413
    assert call.taken == sum(map(len, body)), 'a client that is still writing sees no answer'
    assert (await ask(app, 'GET', '/s')).json == []
    assert (await ask(app, 'POST', '/s', b'[' + b'1,' * 499 + b'1]')).status == 413, 'one byte more'
    assert (await ask(app, 'POST', '/s', b'"' + b'x' * 998 + b'"')).status == 204


async def test_a_body_without_an_end_is_not_read_for_ever(log: StreamLog) -> None:
    app = durable_streams(log, writable=True, limits=LIMITS)
    await ask(app, 'PUT', '/s')
    endless = begin(app, 'POST', '/s', [b'x' * 2**20] * (DISCARDED // 2**20 + 20))
    assert (await endless.done()).status == 413
    assert endless.taken < DISCARDED + 2 * 2**20


async def test_a_client_that_goes_before_its_body_is_whole_has_written_nothing(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s')
    call = begin(app, 'POST', '/s', [b'"half', b' of it"'])
    call.gone_after = 1
    assert (await call.done()).status == 0
    assert (await ask(app, 'GET', '/s')).json == []


BODIES = [
    b'{',
    b'[1',
    b'[1,]',
    b'[1 2]',
    b'1 2',
    b'NaN',
    b'[Infinity]',
    b'\xff',
    b'"\xed\xa0\x80"',
    b'\xef\xbb\xbf1',
    b'[' * 100_000,
]


@pytest.mark.parametrize('body', BODIES, ids=lambda body: repr(body[:9]))
async def test_what_is_not_json_is_refused_as_a_whole(app: DurableStreams, body: bytes) -> None:
    await ask(app, 'PUT', '/s')
    for method, url in (('POST', '/s'), ('PUT', '/new')):
        assert (await ask(app, method, url, body)).status == 400
    assert (await ask(app, 'GET', '/s')).json == []
    assert (await ask(app, 'HEAD', '/new')).status == 404
    assert (await ask(app, 'PUT', '/f', body, FORK)).status == 400
    assert (await ask(app, 'DELETE', '/s')).status == 204
    assert (await ask(app, 'HEAD', '/s')).status == 404, 'the fork that was refused does not count'


async def test_a_small_body_does_not_become_a_flood_of_messages(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s')
    assert (await ask(app, 'POST', '/s', '[' + '1,' * (MOST_MESSAGES - 1) + '1]')).status == 204
    for method, url in (('POST', '/s'), ('PUT', '/new')):
        assert (await ask(app, method, url, '[' + '1,' * MOST_MESSAGES + '1]')).status == 413
    assert (await ask(app, 'HEAD', '/s')).headers['stream-next-offset'].endswith(str(MOST_MESSAGES))


async def test_json_comes_back_digit_by_digit(app: DurableStreams) -> None:
    body = '[1.10, 1E400, 12345678901234567890123, {"a": 1, "a": 2}, "\\ud800", " ]\\"[ ", [ ]\n]'
    await ask(app, 'PUT', '/s', body)
    expected = '[1.10,1E400,12345678901234567890123,{"a": 1, "a": 2},"\\ud800"," ]\\"[ ",[ ]]'
    assert (await ask(app, 'GET', '/s')).text == expected


# Headers

BAD: list[tuple[str, dict[str, str]]] = [
    ('PUT', {'stream-ttl': '9999999999'}),
    ('PUT', {'stream-ttl': '1' * 400}),
    ('PUT', {'stream-expires-at': '2026-01-01T00:00:00'}),
    ('PUT', {'stream-expires-at': '2026-01-01'}),
    ('PUT', {'content-type': 'a/' + 'b' * 300}),
    ('PUT', {**FORK, 'stream-fork-offset': '-1'}),
    ('POST', {'stream-seq': 'x' * 300}),
    ('POST', {'stream-expected-offset': '-1'}),
    ('POST', {'stream-expected-offset': ''}),
    ('POST', {'producer-id': 'p' * 300, 'producer-epoch': '0', 'producer-seq': '0'}),
    ('POST', {'producer-id': 'p', 'producer-epoch': '٣', 'producer-seq': '0'}),
    ('POST', {'producer-id': 'p', 'producer-epoch': '9' * 5000, 'producer-seq': '0'}),
    ('POST', {'producer-id': 'p', 'producer-epoch': '0'}),
]


@pytest.mark.parametrize(('method', 'headers'), BAD, ids=lambda value: str(value)[:40])
async def test_headers_that_cannot_be_kept_are_refused(
    app: DurableStreams, method: str, headers: dict[str, str]
) -> None:
    await ask(app, 'PUT', '/s', '[1]')
    url = '/new' if method == 'PUT' else '/s'
    assert (await ask(app, method, url, '2', headers)).status == 400
    assert (await ask(app, 'GET', '/s')).json == [1]
    assert (await ask(app, 'HEAD', '/new')).status == 404


async def test_the_end_that_is_expected_is_compared_after_what_was_done_already(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s')
    at = [{'stream-expected-offset': token_of(number)} for number in range(3)]
    turn = {'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0'}
    assert (await ask(app, 'POST', '/s', '1', {**at[0], **turn})).status == 200
    assert (await ask(app, 'POST', '/s', '1', {**at[0], **turn})).status == 204, 'its answer was lost'
    assert (await ask(app, 'POST', '/s', '2', {**at[1], 'stream-seq': 'b'})).status == 204
    for headers in ({**at[2], 'stream-seq': 'a'}, {**at[1], 'stream-seq': 'c'}, {**at[0], 'stream-closed': 'true'}):
        call = await ask(app, 'POST', '/s', '' if 'stream-closed' in headers else '3', headers)
        assert (call.status, call.headers['stream-next-offset']) == (409, token_of(2))
    assert (await ask(app, 'GET', '/s')).json == [1, 2]
    assert (await ask(app, 'POST', '/s', headers={**at[2], 'stream-closed': 'true'})).status == 204


async def test_what_is_kept_of_producers_has_a_bound(app: DurableStreams, log: StreamLog) -> None:
    await ask(app, 'PUT', '/s')
    turn = {'producer-epoch': '0', 'producer-seq': '0'}
    for number in range(MOST_PRODUCERS + 10):
        assert (await ask(app, 'POST', '/s', '1', {'producer-id': f'p{number}', **turn})).status == 200
    [details] = (await log.head('s')).details.values()
    assert len(details['producers']) == MOST_PRODUCERS
    assert (await ask(app, 'POST', '/s', '1', {'producer-id': 'p10', **turn})).status == 204, 'known still'


async def test_forks_have_a_bound_and_those_that_are_gone_do_not_count(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', '[1]')
    for number in range(MOST_FORKS):
        assert (await ask(app, 'PUT', f'/f{number}', headers=FORK)).status == 201
    assert (await ask(app, 'PUT', '/one-more', headers=FORK)).status == 409
    await ask(app, 'DELETE', '/f7')
    assert (await ask(app, 'PUT', '/one-more', headers=FORK)).status == 201
    assert (await ask(app, 'DELETE', '/s')).status == 204
    assert (await ask(app, 'GET', '/s')).status == 410


@pytest.mark.parametrize('name', ['body', 'unfinished', 'long_poll', 'connection', 'keep_alive'])
@pytest.mark.parametrize('value', [0, -1, float('nan'), float('inf')])
def test_limits_that_are_none_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(DurableStreamsLimits(), **{name: value})


# Whose streams they are


async def test_streams_are_only_read_unless_one_says_otherwise(log: StreamLog) -> None:
    writable, app = durable_streams(log, writable=True), durable_streams(log)
    await ask(writable, 'PUT', '/s', '[1]')
    for method in (*WRITES, 'PATCH'):
        call = await ask(app, method, '/s', '2')
        assert (call.status, call.headers['allow']) == (405, 'GET, HEAD, OPTIONS')
        assert call.headers['access-control-allow-methods'] == 'GET, HEAD, OPTIONS'
    assert (await ask(app, 'GET', '/s')).json == [1]
    assert (await ask(writable, 'PATCH', '/s')).status == 405


async def test_the_stream_of_a_run_can_be_read_and_forked_and_not_written(app: DurableStreams, log: StreamLog) -> None:
    producer = await log.create('s', ttl=60, details={'question': 'When?'})
    await producer.append([b'{"n":1}', b'{"n":2}'])
    before = await log.head('s')
    assert (await ask(app, 'GET', '/s')).json == [{'n': 1}, {'n': 2}]
    assert [(await ask(app, method, '/s', '1')).status for method in WRITES] == [409, 405, 405]
    assert (await ask(app, 'POST', '/s', headers={'stream-closed': 'true'})).status == 405
    assert (await ask(app, 'PUT', '/f', '{"n":3}', FORK)).status == 201
    assert (await ask(app, 'GET', '/f')).json == [{'n': 1}, {'n': 2}, {'n': 3}]
    after = await log.head('s')
    assert after == dataclasses.replace(before, leased_until=after.leased_until, expires_at=after.expires_at)
    head = await ask(app, 'HEAD', '/s')
    assert 'stream-ttl' not in head.headers, 'reads do not lengthen its life'
    await producer.close()
    assert (await ask(app, 'GET', '/s?offset=now')).headers['stream-closed'] == 'true'


@pytest.mark.parametrize('query', ['', '?offset=-1&live=sse'])
async def test_a_fork_of_a_run_has_nothing_in_it_that_is_for_clients_of_other_formats(
    app: DurableStreams, log: StreamLog, query: str
) -> None:
    producer = await log.create('s', details={'formats': ['frames', 'ai-sdk']})
    await producer.close([b'v{"for":"others"}', b'{"n":1}', b'v[DONE]'])
    assert (await ask(app, 'PUT', '/f', '[[2], 3]', {**FORK, 'stream-closed': 'true'})).status == 201
    call = await ask(app, 'GET', f'/f{query}')
    assert json.loads(call.said if query else call.text) == [{'n': 1}, [2], 3]
    assert (await ask(app, 'GET', '/f?offset=0000000000000000_0000000000000003')).json == [[2], 3], 'its offsets'


async def test_the_stream_of_a_run_has_the_content_type_that_its_details_name(log: StreamLog) -> None:
    app = durable_streams(log, content_type='text/event-stream')
    for name, details in (('a', {}), ('b', {'content_type': 'text/plain'}), ('c', {'content_type': 7})):
        producer = await log.create(name, details=details)
        await producer.close([b'one\n', b'two\n'])
    calls = [await ask(app, 'GET', f'/{name}') for name in 'abc']
    assert [call.headers['content-type'] for call in calls] == ['text/event-stream', 'text/plain', 'text/event-stream']
    assert calls[0].body == b'one\ntwo\n'


async def test_only_streams_with_the_prefix_can_be_reached(log: StreamLog) -> None:
    app = durable_streams(log, writable=True, prefix='shared/')
    await log.create('s')
    await ask(app, 'PUT', '/mine', '[1]')
    assert (await log.head('shared/mine')).length == 1
    assert [(await ask(app, 'GET', url)).status for url in ('/s', '/shared/mine', '/../s')] == [404, 404, 404]
    assert (await ask(app, 'PUT', '/f', headers=FORK)).status == 404
    assert (await ask(app, 'PUT', '/f', headers={'stream-forked-from': '/mine'})).status == 201


async def test_paths_are_those_below_the_mount(log: StreamLog) -> None:
    app = Starlette(routes=[Mount('/v1/stream', durable_streams(log, writable=True))])
    made = await ask(app, 'PUT', '/v1/stream/a b/ü', '[1]')
    assert made.headers['location'] == 'http://test/v1/stream/a%20b/%C3%BC'
    assert (await log.head('a b/ü')).length == 1
    source = {'stream-forked-from': '/v1/stream/a%20b/%C3%BC'}
    assert (await ask(app, 'PUT', '/v1/stream/f', headers=source)).status == 201
    assert (await ask(app, 'PUT', '/v1/stream/g', headers={'stream-forked-from': '/a%20b/%C3%BC'})).status == 404


async def test_somebody_else_may_say_whose_pages_may_use_the_streams(log: StreamLog) -> None:
    for origin in ('https://example.com', None):
        call = await ask(durable_streams(log, allow_origin=origin), 'OPTIONS', '/s')
        assert (call.status, call.headers.get('access-control-allow-origin')) == (204, origin)
        assert call.headers['x-content-type-options'] == 'nosniff'


async def test_details_that_others_keep_stay_when_the_protocol_writes_its_own(
    app: DurableStreams, log: StreamLog
) -> None:
    await ask(app, 'PUT', '/s')
    head = await log.head('s')
    await log.write(Write(stream_id='s', details={**head.details, 'mine': 1}))
    await ask(app, 'POST', '/s', '1', {'stream-seq': '1'})
    assert (await log.head('s')).details['mine'] == 1
