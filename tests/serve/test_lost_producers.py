"""Streams whose process is gone are ended by another one, all at once; those of processes that live are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.errors import StoreError, StoreUnavailable
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog, Write
from pydantic_ai_streaming.serve import Frames, StreamRunner
from pydantic_ai_streaming.testing import ScriptedModel

pytestmark = pytest.mark.virtual_time

LEASE = 10.0
RTT = 0.05


class Remote(MemoryBackend):
    """Takes its time, and may be away."""

    def __init__(self, same: Remote | None = None) -> None:
        super().__init__()
        if same is not None:
            self._streams, self._listeners = same._streams, same._listeners
        self.is_away = False
        self.commits: list[Sequence[Write]] = []

    async def _way(self) -> None:
        await asyncio.sleep(RTT)
        if self.is_away:
            raise StoreUnavailable('away')

    async def commit(self, writes: Sequence[Write]) -> Any:
        await self._way()
        self.commits.append(writes)
        return await super().commit(writes)

    async def fetch(self, wanted: Any) -> Any:
        await self._way()
        return await super().fetch(wanted)

    async def lapsed(self) -> Sequence[str]:
        await self._way()
        return await super().lapsed()


def runner_on(backend: MemoryBackend) -> StreamRunner:
    return StreamRunner(StreamLog(backend, lease=LEASE), formats=[Frames(['text'])], grace=0)


def run(seconds: int) -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel([f'{n} ' for n in range(seconds)], gap=1.0)).run_stream_events('Go'))


async def left_behind(backend: MemoryBackend, count: int) -> list[str]:
    """Streams of a process that is gone."""
    async with StreamLog(backend, lease=LEASE) as log:
        producers = [await log.create(details={'formats': ['frames']}) for _ in range(count)]
    return [one.stream_id for one in producers]


async def finish(runner: StreamRunner, stream_id: str) -> tuple[str, float]:
    """How a stream ended, and when, counted from now."""
    clock = asyncio.get_running_loop().time
    began, last = clock(), b''
    async for part in await runner.log.follow(stream_id):
        last = part.entries[-1]
    return json.loads(last)['finish'], clock() - began


async def test_all_streams_of_a_process_that_is_gone_end_soon_after_its_lease_however_many_they_are() -> None:
    backend = Remote()
    async with runner_on(backend) as one, runner_on(backend):
        lost = await left_behind(backend, 80)
        before = len(backend.commits)
        ends = await asyncio.gather(*(finish(one, stream_id) for stream_id in lost))
        assert {how for how, _ in ends} == {'lost'}
        assert max(at for _, at in ends) < LEASE + 1.0 + 10 * RTT
        writing = [writes for writes in backend.commits[before:] if any(one.entries for one in writes)]
        assert len(writing) <= 4  # of both, and their leases lapse in two steps


async def test_a_process_that_dies_over_ending_a_stream_does_not_put_it_off_by_a_lease() -> None:
    backend = Remote()
    async with runner_on(backend) as one:
        (lost,) = await left_behind(backend, 1)
        await finish(one, lost)
        assert [one.close for writes in backend.commits for one in writes if one.take_over] == [True]


async def test_a_log_that_was_away_for_longer_than_the_lease_costs_nobody_alive_his_stream() -> None:
    ours = Remote()
    theirs = Remote(ours)
    async with runner_on(ours) as one, runner_on(theirs) as other:
        streams = [await runner.start(run(60)) for runner in (one, other) for _ in range(5)]
        (lost,) = await left_behind(ours, 1)
        ends = [asyncio.create_task(finish(one, stream_id)) for stream_id in (lost, *streams)]
        await asyncio.sleep(4.8)
        ours.is_away = theirs.is_away = True
        await asyncio.sleep(3 * LEASE)
        ours.is_away = False
        await asyncio.sleep(2.0)  # it takes the other one longer to connect again
        theirs.is_away = False
        (how, at), *alive = await asyncio.gather(*ends)
    assert [how for how, _ in alive] == ['complete'] * 10
    # Who is dead in spite of that is told from those who live soon after.
    assert how == 'lost'
    assert at < 4.8 + 3 * LEASE + LEASE + 3


class Torn(MemoryBackend):
    """Has a stream that cannot be read."""

    torn = ''

    async def fetch(self, wanted: Any) -> Any:
        if any(one.stream_id == self.torn for one in wanted):
            raise StoreError('the head of a stream is torn', reason='damaged')
        return await super().fetch(wanted)


async def test_a_stream_that_cannot_be_read_keeps_no_other_from_its_end_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Torn()
    backend.torn, *lost = await left_behind(backend, 250)
    async with runner_on(backend) as one:
        ends = await asyncio.gather(*(finish(one, stream_id) for stream_id in lost))
        await asyncio.sleep(3 * LEASE)
    assert {how for how, _ in ends} == {'lost'}
    told = [record.getMessage() for record in caplog.records if record.levelname == 'ERROR']
    assert told == [
        'A stream without a producer cannot be ended, and that is tried again: The head of a stream is torn'
    ]


class Leaping(MemoryBackend):
    """Its clock may be put forward."""

    leap = 0.0

    def _write(self, write: Write, now: float) -> Any:
        return super()._write(write, now + self.leap)

    async def lapsed(self) -> Sequence[str]:
        now = asyncio.get_running_loop().time() + self.leap
        return [one.head.stream_id for one in self._streams.values() if one.head.lapsed(now)]


async def test_a_process_does_not_take_the_streams_that_it_writes_itself_for_those_of_one_that_is_gone() -> None:
    backend = Leaping()
    async with runner_on(backend) as runner:
        stream_id = await runner.start(run(20))
        ending = asyncio.create_task(finish(runner, stream_id))
        await asyncio.sleep(0.5)
        backend.leap = 60.0
        assert (await ending)[0] == 'complete'


async def test_a_clock_that_is_put_forward_costs_nobody_alive_his_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Leaping()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr('time.time', lambda: loop.time() + backend.leap)
    async with runner_on(backend) as one, runner_on(backend) as other:
        streams = [await runner.start(run(20)) for runner in (one, other)]
        (lost,) = await left_behind(backend, 1)
        ends = [asyncio.create_task(finish(one, stream_id)) for stream_id in (*streams, lost)]
        await asyncio.sleep(0.5)
        backend.leap = 60.0
        *alive, dead = await asyncio.gather(*ends)
    assert [how for how, _ in alive] == ['complete'] * 2
    assert dead[0] == 'lost'
    assert dead[1] < LEASE + 2
