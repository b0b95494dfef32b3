"""Streams whose process is gone are ended by another one, all at once; those of processes that live are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Literal

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


Trouble = Literal['waits', 'unavailable', 'full', 'each']


class Unwritable(Remote):
    """It may be that it can be read, and not be written."""

    trouble: Trouble | None = None

    async def commit(self, writes: Sequence[Write]) -> Any:
        while self.trouble == 'waits':  # noqa: ASYNC110 - as for a lock: nobody tells of its end
            await asyncio.sleep(0.1)
        if self.trouble == 'unavailable':
            raise StoreUnavailable('locked')
        if self.trouble == 'full':
            raise StoreError('the disk is full', reason='full')
        if self.trouble == 'each':  # as Redis says it
            return [StoreError('out of memory', reason='full') for _ in writes]
        return await super().commit(writes)


def silent(seconds: float) -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel(['Well, ', 'yes.'], gap=seconds)).run_stream_events('Go'))


@pytest.mark.parametrize('trouble', ['waits', 'unavailable', 'full', 'each'])
async def test_a_log_that_can_be_read_and_not_be_written_for_longer_than_a_lease_costs_nobody_alive_his_stream(
    trouble: Trouble,
) -> None:
    ours, theirs, third = backends = [Unwritable(), Unwritable(), Unwritable()]
    for one in (theirs, third):
        one._streams, one._listeners = ours._streams, ours._listeners  # pyright: ignore[reportPrivateUsage] - of one place
    # The third has no run, and so no lease to renew: what it knows of the log is what it tries.
    async with runner_on(ours) as one, runner_on(theirs) as other, runner_on(third):
        for pause, dead in ((0.0, 0), (0.4, 1), (3.0, 0), (3.1, 1)):  # wherever the renewals of each are
            streams = [await runner.start(silent(100)) for runner in (one, other) for _ in range(3)]
            lost = await left_behind(ours, dead)
            ends = [asyncio.create_task(finish(one, stream_id)) for stream_id in (*streams, *lost)]
            await asyncio.sleep(5.0 + pause)
            for backend in backends:
                backend.trouble = trouble
            await asyncio.sleep(2 * LEASE)
            third.trouble = ours.trouble = None  # which have the chance to be before the other
            await asyncio.sleep(1.0)
            theirs.trouble = None
            found = await asyncio.gather(*ends)
            assert [how for how, _ in found] == ['complete'] * 6 + ['lost'] * dead
            # Who is dead in spite of that is told from those who live soon after.
            assert all(at < 5.0 + pause + 2 * LEASE + LEASE + 3 for _, at in found[6:])


async def test_a_process_that_begins_while_those_who_live_have_yet_to_renew_their_leases_ends_none_of_theirs() -> None:
    ours = Unwritable()
    theirs = Unwritable(ours)
    async with runner_on(ours) as one:
        stream_id = await one.start(silent(60))
        ending = asyncio.create_task(finish(one, stream_id))
        await asyncio.sleep(5.0)
        ours.trouble = 'full'
        await asyncio.sleep(2 * LEASE)
        async with runner_on(theirs):
            await asyncio.sleep(1.0)
            ours.trouble = None
            assert (await ending)[0] == 'complete'


class Frozen(Remote):
    """It stops for everybody when it has been written, and what was asked meanwhile is answered then."""

    rtt, freezes, until = RTT, False, 0.0

    async def _way(self) -> None:
        await asyncio.sleep(self.rtt + max(0.0, Frozen.until - asyncio.get_running_loop().time()))

    async def commit(self, writes: Sequence[Write]) -> Any:
        found = await super().commit(writes)
        if self.freezes:
            self.freezes, Frozen.until = False, asyncio.get_running_loop().time() + LEASE
        return found


async def test_leases_that_lapse_while_a_log_is_asked_for_them_are_not_taken_for_those_of_the_dead() -> None:
    ours = Frozen()
    theirs = Frozen(ours)
    theirs.rtt = 0.0  # so that they are the first to be answered
    async with runner_on(ours) as one, runner_on(theirs):
        ending = asyncio.create_task(finish(one, await one.start(silent(60))))
        await asyncio.sleep(2 * LEASE)
        theirs.freezes = True
        assert (await ending)[0] == 'complete'
    assert Frozen.until > 0


async def test_streams_of_the_dead_end_in_time_while_a_log_is_written_by_nobody_else() -> None:
    for lease in (0.5, 1.0, 2.0, 4.0, 5.0, 10.0, 60.0):
        backend = Remote()
        async with StreamRunner(StreamLog(backend, lease=lease), formats=[Frames(['text'])]) as one:
            await asyncio.sleep(3 * lease)
            async with StreamLog(backend, lease=lease) as log:
                producer = await log.create(details={'formats': ['frames']})
            how, at = await finish(one, producer.stream_id)
            assert how == 'lost'
            assert at < lease + 1.0 + 10 * RTT
        # A process that has nothing to write says four times in a lease that it could, or once a second.
        began = len(backend.commits)
        async with StreamRunner(StreamLog(backend, lease=lease)):
            await asyncio.sleep(10 * lease)
        assert len(backend.commits) - began <= 10 * 4 + 2 + 20


async def test_the_shortest_time_to_live_is_enough_for_a_silent_run_and_for_the_end_of_one_that_is_lost() -> None:
    backend = Remote()
    async with StreamRunner(StreamLog(backend, lease=LEASE), formats=[Frames(['text'])], ttl=2 * LEASE) as one:
        alive = await one.start(silent(10 * LEASE))
        async with StreamLog(backend, lease=LEASE) as log:
            lost = await log.create(ttl=one.ttl, details={'formats': ['frames']})
        ends = await asyncio.gather(*(finish(one, stream_id) for stream_id in (alive, lost.stream_id)))
    assert [how for how, _ in ends] == ['complete', 'lost']


async def test_streams_that_are_no_runs_are_looked_at_once_however_long_nobody_has_closed_them() -> None:
    class Counting(MemoryBackend):
        reads = 0

        async def fetch(self, wanted: Any) -> Any:
            self.reads += len(wanted)
            return await super().fetch(wanted)

    backend = Counting()
    async with StreamLog(backend, lease=0.2) as other:
        for number in range(2000):
            await other.create(f'own-{number}', ttl=None)
    await asyncio.sleep(0.5)
    async with runner_on(backend) as runner:
        await asyncio.sleep(10 * LEASE)
        assert backend.reads == 2000
        # One of another kind that takes such a name is ended all the same.
        await runner.log.delete('own-7')
        async with StreamLog(backend, lease=LEASE) as other:
            await other.create('own-7', details={'formats': ['frames']})
        assert (await finish(runner, 'own-7'))[0] == 'lost'


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
    assert told == ['Streams without a producer cannot be ended, and that is tried again: The head of a stream is torn']


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
