"""Clients that wait: how long, what they hold, and what is left when they go."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from inline_snapshot import snapshot

from pydantic_ai_streaming.errors import StoreError, StoreFailure, StoreUnavailable, StreamMissing
from pydantic_ai_streaming.logs import Head, Refusal, Slice, StreamLog, Wanted, Write
from pydantic_ai_streaming.logs.memory import MemoryBackend
from pydantic_ai_streaming.serve import DurableStreams, durable_streams
from pydantic_ai_streaming.serve.durable.offsets import token_of
from tests.serve.durable.calls import ask, begin

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def ours() -> set[str]:
    """The tasks of this package beside those of the log itself."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    return {name for name in names if name.startswith('pydantic-ai-streaming') and ' log ' not in name}


async def test_a_long_poll_waits_for_half_a_minute_and_not_longer(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', '[1]')
    began = now()
    call = await ask(app, 'GET', '/s?offset=now&live=long-poll')
    assert (call.status, now() - began, call.body) == (204, 30.0, b'')
    assert call.headers['stream-next-offset'] == '0000000000000000_0000000000000001'
    assert (await ask(app, 'GET', '/s?offset=-1&live=long-poll')).json == [1]
    await ask(app, 'POST', '/s', headers={'stream-closed': 'true'})
    call = await ask(app, 'GET', '/s?offset=now&live=long-poll')
    assert (call.status, call.headers['stream-closed'], now() - began) == (204, 'true', 30.0)


@pytest.mark.parametrize('live', ['long-poll', 'sse'])
async def test_a_client_that_goes_while_it_waits_leaves_no_task(app: DurableStreams, live: str) -> None:
    await ask(app, 'PUT', '/s')
    calls = [begin(app, 'GET', f'/s?offset=now&live={live}') for _ in range(50)]
    await asyncio.sleep(1)
    assert len(ours()) == 2, 'what sends, and what listens'
    for call in calls:
        call.leave()
    await asyncio.sleep(0.001)
    assert all(call.task.done() for call in calls)
    assert ours() == set()


async def test_a_connection_is_told_that_it_lives_and_ends_after_a_minute(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s')
    began = now()
    call = begin(app, 'GET', '/s?offset=-1&live=sse')
    await asyncio.sleep(20)
    await ask(app, 'POST', '/s', '"one"')
    await call.done()
    times = [(round(at - began, 3), piece.partition(b'\n')[0].decode()) for at, piece in call.pieces]
    assert times == snapshot(
        [
            (0.0, 'event: control'),
            (15.0, ': keep-alive'),
            (20.0, 'event: data'),
            (35.0, ': keep-alive'),
            (50.0, ': keep-alive'),
        ]
    )
    assert now() - began == 60


async def test_a_slow_client_holds_nothing_but_what_it_is_sent(app: DurableStreams, log: StreamLog) -> None:
    await ask(app, 'PUT', '/s')
    call = begin(app, 'GET', '/s?offset=-1&live=sse')
    await asyncio.sleep(1)
    call.reading.clear()
    for number in range(200):
        await ask(app, 'POST', '/s', json.dumps(f'{number:03}' + 'x' * 50_000))
    before = len(call.pieces)
    assert before == 1
    [tail] = log._tails.values()  # pyright: ignore[reportPrivateUsage] - what the process holds of the stream
    assert sum(map(len, tail.entries)) <= 4 * 2**20
    call.reading.set()
    await ask(app, 'POST', '/s', headers={'stream-closed': 'true'})
    await call.done()
    texts = [text for event, data in call.events if event == 'data' for text in json.loads(data)]
    assert [text[:3] for text in texts] == [f'{number:03}' for number in range(200)]
    assert max(len(piece) for _, piece in call.pieces) < 110_000


async def test_a_stream_lives_while_somebody_waits_for_it_and_no_longer(app: DurableStreams) -> None:
    await ask(app, 'PUT', '/s', headers={'stream-ttl': '5'})
    call = begin(app, 'GET', '/s?offset=now&live=sse')
    await asyncio.sleep(40)
    assert (await ask(app, 'HEAD', '/s')).status == 200
    call.leave()
    await call.done()
    await asyncio.sleep(5)
    assert (await ask(app, 'HEAD', '/s')).status == 404


@pytest.mark.parametrize(('method', 'status'), [('GET', 200), ('HEAD', 404)])
async def test_reads_keep_a_stream_alive_and_looks_do_not(app: DurableStreams, method: str, status: int) -> None:
    await ask(app, 'PUT', '/s', headers={'stream-ttl': '5'})
    await asyncio.sleep(3)
    assert (await ask(app, method, '/s')).status == 200
    await asyncio.sleep(3)
    assert (await ask(app, method, '/s')).status == status


async def test_lines_of_text_arrive_as_they_are(app: DurableStreams) -> None:
    text = ' one\n  two\n\nevent: control\ndata: {}\n'
    await ask(app, 'PUT', '/s', text, {'content-type': 'text/plain', 'stream-closed': 'true'})
    call = await ask(app, 'GET', '/s?offset=-1&live=sse')
    assert call.said == text
    assert [event for event, _ in call.events] == ['data', 'control']


LONG = json.dumps(list(range(2500)))
FORK = {'stream-forked-from': '/s'}


async def left_half_copied(app: DurableStreams, log: StreamLog) -> None:
    """A long fork whose maker has died over it."""
    await ask(app, 'PUT', '/s', LONG)
    making = begin(app, 'PUT', '/f', headers=FORK)
    while not await length_of(log, 'f'):  # noqa: ASYNC110 - the maker takes a turn of the loop for each piece
        await asyncio.sleep(0)
    making.task.cancel()
    await asyncio.wait([making.task])
    assert 0 < await length_of(log, 'f') < 2500


async def length_of(log: StreamLog, name: str) -> int:
    try:
        return (await log.head(name)).length
    except StreamMissing:
        return 0


async def test_a_fork_whose_maker_has_died_is_finished_by_the_next_and_then_stays(
    app: DurableStreams, log: StreamLog
) -> None:
    await left_half_copied(app, log)
    await asyncio.sleep(50)
    assert (await ask(app, 'PUT', '/f', headers=FORK)).status == 201
    await asyncio.sleep(100_000)
    assert (await ask(app, 'HEAD', '/f')).headers['stream-next-offset'].endswith('2500')


async def test_a_fork_that_nobody_finishes_leaves_neither_entries_nor_a_name_that_is_taken(
    app: DurableStreams, log: StreamLog
) -> None:
    await left_half_copied(app, log)
    assert (await ask(app, 'PUT', '/f', '[1]')).status == 409
    await asyncio.sleep(61)
    assert await length_of(log, 'f') == 0
    assert (await ask(app, 'PUT', '/f', '[1]')).status == 201
    assert (await ask(app, 'DELETE', '/s')).status == 204
    assert (await ask(app, 'GET', '/s')).status == 404, 'it has no fork'


@pytest.mark.parametrize('headers', [{}, {'stream-ttl': '100'}, {'stream-expires-at': '2999-01-01T00:00:00Z'}])
async def test_a_long_fork_lives_as_long_as_was_asked_for(
    app: DurableStreams, log: StreamLog, headers: dict[str, str]
) -> None:
    await ask(app, 'PUT', '/s', LONG)
    assert (await ask(app, 'PUT', '/f', headers={**FORK, **headers})).status == 201
    long, now_ = await log.head('f'), now()
    assert (await ask(app, 'PUT', '/g', headers={**FORK, **headers, 'stream-fork-offset': token_of(1)})).status == 201
    short = await log.head('g')
    assert (long.length, long.ttl) == (2500, short.ttl)
    assert [None if one.expires_at is None else round(one.expires_at - now_, -1) for one in (long, short)] == [
        None if short.expires_at is None else round(short.expires_at - now_, -1)
    ] * 2


class Replacing(MemoryBackend):
    """A backend in which a stream is deleted and made anew as soon as somebody has read it."""

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        parts = await super().fetch(wanted)
        if (part := parts[0]) is not None:
            new = dataclasses.replace(part.head, incarnation=part.head.incarnation + '+', version=0, length=0)
            stream_id = new.stream_id
            await self.commit([Write(stream_id=stream_id, delete=True), Write(stream_id=stream_id, create=new)])
        return parts


async def test_a_read_does_not_fail_because_the_stream_is_another_one_by_now() -> None:
    async with StreamLog(Replacing()) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s', '[1]', {'stream-ttl': '60'})
        assert (await ask(app, 'GET', '/s')).json == [1]


class Broken(MemoryBackend):
    """A backend that cannot be reached at times."""

    down = False
    seconds = 0.0

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        if self.down:
            await asyncio.sleep(self.seconds)
            raise StoreUnavailable('it is out of reach')
        return await super().fetch(wanted)


async def test_a_log_out_of_reach_is_not_taken_for_a_stream_that_is_not_there() -> None:
    backend = Broken()
    async with StreamLog(backend) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s', '[1]')
        following = begin(app, 'GET', '/s?offset=-1&live=sse')
        await asyncio.sleep(1)
        backend.down = True
        requests: list[tuple[str, str, Any]] = [('GET', '/s', b''), ('HEAD', '/s', b''), ('DELETE', '/s', b'')]
        for method, url, body in [*requests, ('POST', '/s', '2'), ('PUT', '/s', b''), ('GET', '/s?offset=now', b'')]:
            call = await ask(app, method, url, body)
            assert (call.status, call.headers['retry-after']) == (503, '1'), method
            assert b'out of reach' not in call.body
        backend.down = False
        await ask(app, 'POST', '/s', '2', {'stream-closed': 'true'})
        await following.done()
        assert following.said == '[1][2]', 'who follows did not notice'


class Refusing(MemoryBackend):
    """A backend that takes nothing, and perhaps gives nothing either."""

    reason: StoreFailure | None = None
    reads = True

    def refuse(self) -> None:
        if self.reason is not None:
            raise StoreError('the disk behind it says no', reason=self.reason)

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        self.refuse()
        return await super().commit(writes)

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        if not self.reads:
            self.refuse()
        return await super().fetch(wanted)


@pytest.mark.parametrize(('reason', 'status'), [('full', 507), ('read_only', 500), ('refused', 500)])
async def test_a_log_that_takes_nothing_is_read_all_the_same_and_its_reason_is_for_the_program_alone(
    reason: StoreFailure, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Refusing()
    async with StreamLog(backend) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s', '[1]', {'stream-ttl': '60'})
        backend.reason = reason
        assert (await ask(app, 'GET', '/s')).json == [1]
        for method, url in (('POST', '/s'), ('PUT', '/new'), ('DELETE', '/s')):
            call = await ask(app, method, url, '2')
            assert call.status == status
            assert b'disk' not in call.body
        assert [record.getMessage() for record in caplog.records].count(
            'A request could not be done: The disk behind it says no'
        ) == 3
        following = begin(app, 'GET', '/s?offset=-1&live=sse')
        await asyncio.sleep(1)
        backend.reads = False
        assert (await ask(app, 'GET', '/s?offset=-1&live=sse')).status == status
        following.leave()
        await following.done()
        assert following.said == '[1]'


async def test_those_who_write_to_a_stream_in_turn_do_not_wait_in_turn_for_a_log_that_hangs() -> None:
    backend = Broken()
    async with StreamLog(backend) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s')
        backend.down, backend.seconds = True, 10.0
        began = now()
        turn = {'producer-epoch': '0', 'producer-seq': '0'}
        calls = [begin(app, 'POST', '/s', '1', {'producer-id': f'p{number}', **turn}) for number in range(20)]
        assert {(await call.done()).status for call in calls} == {503}
        assert now() - began <= 11
        backend.down = False
        assert (await ask(app, 'POST', '/s', '1', {'producer-id': 'p', **turn})).status == 200


class Counting(MemoryBackend):
    """A backend that counts how often it is asked."""

    asked = 0

    async def fetch(self, wanted: Sequence[Wanted]) -> Sequence[Slice | None]:
        self.asked += 1
        await asyncio.sleep(0.001)
        return await super().fetch(wanted)


async def test_producers_of_a_process_do_not_have_each_other_asked_again() -> None:
    backend = Counting()
    async with StreamLog(backend) as log:
        app = durable_streams(log, writable=True)
        await ask(app, 'PUT', '/s')
        before = backend.asked
        turn = {'producer-epoch': '0', 'producer-seq': '0'}
        calls = [begin(app, 'POST', '/s', '1', {'producer-id': f'p{number}', **turn}) for number in range(50)]
        assert {(await call.done()).status for call in calls} == {200}
        assert backend.asked - before == 50
