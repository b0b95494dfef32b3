"""A fork of a run that is written in several formats has what its maker has seen, wherever it begins to differ."""

from __future__ import annotations

import json
from itertools import product

import pytest

from pydantic_ai_streaming.logs import StreamLog
from pydantic_ai_streaming.serve import DurableStreams, durable_streams
from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import ask

# What a runner writes: frames, and between them what is for clients of other formats.
RUN = [b'v{"a":1}', b'{"n":1}', b'v{"a":2}', b'v{"a":3}', b'{"n":2}', b'{"n":3}', b'v[DONE]']
SEEN = [{'n': 1}, {'n': 2}, {'n': 3}]
BEFORE = [0, 0, 1, 1, 1, 2, 3, 3]
"""Messages that a client has seen, by the offset that it was told."""


async def run(log: StreamLog, entries: list[bytes]) -> None:
    producer = await log.create('s', details={'formats': ['frames', 'ai-sdk']})
    await producer.close(entries)


def of(source: str, offset: int, sub: int) -> dict[str, str]:
    at = {'stream-fork-offset': token_of(offset)}
    return {'stream-forked-from': source, **at, 'stream-fork-sub-offset': str(sub)}


async def whole(app: DurableStreams, name: str) -> list[object]:
    messages: list[object] = []
    offset = '-1'
    while True:
        part = await ask(app, 'GET', f'{name}?offset={offset}')
        messages += part.json
        offset = part.headers['stream-next-offset']
        if 'stream-up-to-date' in part.headers:
            return messages


@pytest.mark.parametrize('source', ['/s', '/copy'], ids=['of the run', 'of a fork of it'])
async def test_a_sub_offset_counts_the_messages_that_a_client_has_seen_and_no_others(
    app: DurableStreams, log: StreamLog, source: str
) -> None:
    await run(log, RUN)
    await ask(app, 'PUT', '/copy', headers={'stream-forked-from': '/s'})
    for offset, sub in product(range(len(RUN) + 1), range(5)):
        assert (await ask(app, 'GET', f'{source}?offset={token_of(offset)}')).json == SEEN[BEFORE[offset] :]
        name, headers = f'/{offset}-{sub}', of(source, offset, sub)
        made = await ask(app, 'PUT', name, '["own"]', headers)
        if BEFORE[offset] + sub > len(SEEN):
            assert (made.status, (await ask(app, 'HEAD', name)).status) == (400, 404)
            continue
        assert made.status == 201
        assert (await ask(app, 'GET', name)).json == [*SEEN[: BEFORE[offset] + sub], 'own']
        assert (await ask(app, 'PUT', name, '["own"]', headers)).status == 200, 'it is that one'
        assert (await ask(app, 'PUT', name, '["own"]', of(source, offset, sub + 1))).status == 409


async def test_a_long_fork_ends_where_it_was_to_end_though_it_is_copied_in_pieces(
    app: DurableStreams, log: StreamLog
) -> None:
    count = 4000
    entries = [b'%s{"n":%d}' % (b'' if n % 3 == 0 else b'v', n) for n in range(count)]
    await run(log, entries)
    seen = [{'n': n} for n in range(0, count, 3)]
    for offset, sub in ((0, 1200), (100, 900), (2500, 500), (3999, 1)):
        shown = len(range(0, offset, 3))
        assert (await ask(app, 'PUT', f'/f{offset}', '["own"]', of('/s', offset, sub))).status == 201
        assert await whole(app, f'/f{offset}') == [*seen[: shown + sub], 'own']


async def test_a_sub_offset_in_bytes_is_one_of_the_next_message_that_is_shown(log: StreamLog) -> None:
    app = durable_streams(log, writable=True, content_type='text/plain')
    await run(log, RUN)
    for offset in range(len(RUN)):
        before = b''.join(json.dumps(one, separators=(',', ':')).encode() for one in SEEN[: BEFORE[offset]])
        made = await ask(app, 'PUT', f'/{offset}', '!', {**of('/s', offset, 4), 'content-type': 'text/plain'})
        if BEFORE[offset] == len(SEEN):
            assert made.status == 400
            continue
        assert made.status == 201
        assert (await ask(app, 'GET', f'/{offset}')).body == before + b'{"n"!'


async def test_a_sub_offset_within_what_was_deleted_is_refused(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', '[1, 2]')
    await ask(app, 'PUT', '/f', headers={'stream-forked-from': '/s'})
    await ask(app, 'DELETE', '/s')
    assert (await ask(app, 'PUT', '/g', headers=of('/s', 0, 1))).status == 409
