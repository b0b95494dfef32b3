"""Steps of workflows in several processes, under an engine that is played: who writes, what is left, how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from pydantic_ai.messages import PartStartEvent, TextPart

from pydantic_ai_streaming.errors import StoreUnavailable, StreamLogError
from pydantic_ai_streaming.logs import Head, MemoryBackend, Refusal, StreamLog, Write
from pydantic_ai_streaming.serve import Frames, StreamRunner, WorkflowStep, WorkflowStreams

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

NO_CONTEXT: Any = None


class Log(MemoryBackend):
    """Cannot be reached for so many commits that have entries."""

    gone_for = 0

    async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
        if self.gone_for and any(write.entries for write in writes):
            self.gone_for -= 1
            raise StoreUnavailable('it is gone')
        return await super().commit(writes)


class Worker:
    """A process that has the log, and runs the steps that it is told to."""

    def __init__(self, backend: MemoryBackend, **settings: Any) -> None:
        self.step: str | None = None
        self.workflow_id = 'flow'
        self.streams = WorkflowStreams(
            lambda: StreamLog(backend, lease=3.0), where=lambda: WorkflowStep(self.workflow_id, self.step), **settings
        )

    async def run(self, step: str | None, *pieces: str, fails: bool = False) -> None:
        self.step = step
        async with asyncio.timeout(60):
            await self.streams.write(NO_CONTEXT, events(pieces, fails=fails))
        self.step = None


async def events(pieces: Sequence[str], *, fails: bool) -> AsyncGenerator[Any]:
    for piece in pieces:
        yield PartStartEvent(index=0, part=TextPart(piece))
        await asyncio.sleep(0.1)
    if fails:
        raise RuntimeError('the provider has hung up')


async def frames(log: StreamLog) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in (await log.read('flow')).entries]


async def texts(log: StreamLog) -> list[str]:
    return [one['text'] for one in await frames(log) if one['type'] == 'text']


async def test_a_step_that_fails_and_is_tried_again_goes_on_where_it_was() -> None:
    worker = Worker(MemoryBackend())
    async with worker.streams.run():
        with pytest.raises(RuntimeError):
            await worker.run('1', 'one ', 'two ', fails=True)
        await worker.run('1', 'one ', 'two ', 'three')
    assert await texts(worker.streams.log) == ['one ', 'two ', 'three']
    assert (await frames(worker.streams.log))[-1] == {'type': 'end', 'finish': 'complete'}
    await worker.streams.close()


async def test_what_a_log_that_was_gone_has_missed_is_written_when_the_step_is_tried_again() -> None:
    backend = Log()
    worker = Worker(backend, patience=0.01)
    async with worker.streams.run():
        await worker.run('1', 'one ')
        backend.gone_for = 3
        with pytest.raises(StoreUnavailable):
            await worker.run('2', 'two ', 'three ')
        backend.gone_for = 0
        await worker.run('2', 'two ', 'three ')
    assert await texts(worker.streams.log) == ['one ', 'two ', 'three ']
    await worker.streams.close()


async def test_another_process_waits_for_the_lease_of_one_that_is_gone_and_not_for_one_that_has_left() -> None:
    backend = MemoryBackend()
    first, second, third = Worker(backend), Worker(backend), Worker(backend)
    clock = asyncio.get_running_loop().time
    await first.run('1', 'one ', 'two ')
    # As a process that is killed: nothing is renewed, nothing is given back.
    await first.streams.log.close()
    began = clock()
    await second.run('1', 'one ', 'two ', 'three ')
    assert 2.0 < clock() - began < 4.0
    await second.streams.close()
    began = clock()
    async with third.streams.run():
        await third.run('2', 'four')
    assert clock() - began < 0.2
    assert await texts(third.streams.log) == ['one ', 'two ', 'three ', 'four']
    await third.streams.close()


async def test_a_workflow_that_waits_for_another_process_holds_up_no_other() -> None:
    backend = MemoryBackend()
    other = StreamLog(backend, lease=3.0)
    held = await other.create('flow')
    worker = Worker(backend)
    waiting = asyncio.create_task(worker.run('1', 'one '))
    await asyncio.sleep(5)
    worker.workflow_id = 'another'
    async with asyncio.timeout(1):
        await worker.run('1', 'one ')
    assert not waiting.done()
    held.over = True
    await other.close()
    await waiting
    await worker.streams.close()


async def test_a_process_that_comes_to_after_its_lease_writes_nothing_and_its_step_does_not_fail() -> None:
    backend = MemoryBackend()
    slow, other = Worker(backend), Worker(backend)
    await slow.run('1', 'one ')
    for task in slow.streams.log._tasks:  # pyright: ignore[reportPrivateUsage] - it hangs: nothing is renewed
        task.cancel()
    await asyncio.sleep(4)
    async with other.streams.run():
        await other.run('2', 'two ')
    await slow.run('2', 'two ', 'two and a half ')
    assert await texts(other.streams.log) == ['one ', 'two ']
    await slow.streams.close()
    await other.streams.close()


async def test_steps_that_move_between_processes_that_live_do_not_wait_for_a_lease() -> None:
    backend = MemoryBackend()
    workers = [Worker(backend, steps_move=True) for _ in range(2)]
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(4):
        await workers[number % 2].run(str(number), f'{number} ')
    async with workers[0].streams.run():
        pass
    assert clock() - began < 1.0
    assert await texts(workers[0].streams.log) == ['0 ', '1 ', '2 ', '3 ']
    for worker in workers:
        await worker.streams.close()


async def test_a_failed_workflow_ends_with_an_id_and_without_the_text_of_the_exception() -> None:
    worker = Worker(MemoryBackend())
    with pytest.raises(RuntimeError):
        async with worker.streams.run():
            await worker.run('1', 'one ', fails=True)
    last = (await frames(worker.streams.log))[-1]
    assert (last['type'], last['finish']) == ('error', 'failed')
    assert last['error_id']
    assert 'hung up' not in json.dumps(await frames(worker.streams.log))
    await worker.streams.close()


class EngineCancels(BaseException):
    """As DBOS ends a workflow that was cancelled."""


@pytest.mark.parametrize(
    ('how', 'last'),
    [(EngineCancels, {'type': 'end', 'finish': 'stopped'}), (asyncio.CancelledError, None), (SystemExit, None)],
)
async def test_a_workflow_that_is_cancelled_ends_its_stream_and_a_process_that_ends_does_not(
    how: type[BaseException], last: dict[str, Any] | None
) -> None:
    backend = MemoryBackend()
    worker = Worker(backend)

    async def workflow() -> None:
        async with worker.streams.run():
            await worker.run('1', 'one ')
            raise how

    with pytest.raises(how):
        await workflow()
    if last is None:
        assert (await frames(worker.streams.log))[-1]['type'] == 'text'
        assert await worker.streams.log.lapsed() == ['flow']  # another process may have it at once
    else:
        assert (await frames(worker.streams.log))[-1] == last
    await worker.streams.close()


class Engine:
    """Cancels workflows, after it could not be reached so often."""

    def __init__(self, *, ends_by: BaseException | None = None, away: int = 0, seconds: float = 0.0) -> None:
        self.ends_by = ends_by
        self.away = away
        self.seconds = seconds
        self.cancelled: list[str] = []

    async def cancel(self, workflow_id: str) -> BaseException | None:
        await asyncio.sleep(self.seconds)
        if self.away:
            self.away -= 1
            raise ConnectionError('the engine is out of reach')
        self.cancelled.append(workflow_id)
        return self.ends_by


async def workflow(worker: Worker, *steps: str) -> None:
    async with worker.streams.run():
        for step in steps:
            await worker.run(step, *[f'{step}.{number} ' for number in range(50)])


@pytest.mark.parametrize('ends_by', [EngineCancels('enough'), None])
async def test_a_stop_ends_a_step_that_is_under_way_by_what_its_engine_says(ends_by: BaseException | None) -> None:
    backend, engine = MemoryBackend(), Engine(ends_by=ends_by)
    worker = Worker(backend, cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1', '2'))
    await asyncio.sleep(1.05)
    async with StreamLog(backend) as another:
        assert await another.stop('flow')
        await asyncio.wait([running])
        assert (await frames(another))[-1] == {'type': 'end', 'finish': 'stopped'}
        assert len(await texts(another)) < 15
    assert engine.cancelled == ['flow']
    if ends_by is None:
        assert running.cancelled()
    else:
        assert running.exception() is ends_by
    await worker.streams.close()


async def test_a_workflow_that_is_run_again_after_a_stop_is_not_stopped_by_that_one() -> None:
    engine = Engine(ends_by=EngineCancels())
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1'))
    await asyncio.sleep(1.05)
    await worker.streams.log.stop('flow')
    with pytest.raises(EngineCancels):
        await running
    again = asyncio.create_task(workflow(worker, '1'))
    await asyncio.sleep(1.05)
    again.cancel()
    await asyncio.wait([again])
    assert again.cancelled(), 'it was its process that ended'
    await worker.streams.close()


async def test_a_stop_that_comes_before_the_workflow_has_begun_ends_it_when_it_does() -> None:
    engine = Engine(ends_by=EngineCancels())
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    await worker.streams.prepare('flow')
    assert await worker.streams.log.stop('flow')
    with pytest.raises(EngineCancels):
        await workflow(worker, '1', '2')
    assert (await frames(worker.streams.log))[-1] == {'type': 'end', 'finish': 'stopped'}
    await worker.streams.close()


async def test_an_engine_that_is_out_of_reach_is_told_of_a_stop_when_it_is_back() -> None:
    engine = Engine(ends_by=EngineCancels(), away=3)
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1', '2'))
    await asyncio.sleep(1.05)
    await worker.streams.log.stop('flow')
    await asyncio.sleep(2.5)
    assert not running.done(), 'it would be run again'
    with pytest.raises(EngineCancels):
        await running
    assert engine.cancelled == ['flow']
    await worker.streams.close()


async def test_a_process_that_ends_while_its_engine_is_told_of_a_stop_leaves_no_stream_without_an_end() -> None:
    engine = Engine(seconds=5.0)
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1', '2'))
    await asyncio.sleep(1.05)
    await worker.streams.log.stop('flow')
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.wait([running])
    assert (await frames(worker.streams.log))[-1] == {'type': 'end', 'finish': 'stopped'}
    await worker.streams.close()


async def test_the_end_of_a_process_is_not_taken_for_a_stop() -> None:
    engine = Engine(ends_by=EngineCancels())
    worker = Worker(MemoryBackend(), cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1'))
    await asyncio.sleep(1.05)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert (await frames(worker.streams.log))[-1]['type'] == 'text'
    assert engine.cancelled == []
    await worker.streams.close()


@pytest.mark.parametrize('seconds', [0.0, 1.0])
async def test_a_workflow_whose_process_is_gone_is_stopped_by_whoever_asks_as_soon_as_its_lease_has_lapsed(
    seconds: float,
) -> None:
    backend, engine = MemoryBackend(), Engine()
    gone, other = Worker(backend), Worker(backend, cancel=engine.cancel)
    await gone.run('1', 'one ')
    await gone.streams.log.close()
    await asyncio.sleep(seconds)
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await other.streams.stop('flow')
    assert clock() - began < 4.0
    assert engine.cancelled == ['flow']
    assert (await frames(other.streams.log))[-1] == {'type': 'end', 'finish': 'stopped'}
    assert not await other.streams.stop('flow')
    await other.streams.close()


async def test_a_stop_waits_for_the_process_that_runs_the_workflow_to_end_its_stream() -> None:
    backend, engine = MemoryBackend(), Engine(ends_by=EngineCancels())
    worker, other = Worker(backend, cancel=engine.cancel), Worker(backend, cancel=engine.cancel)
    running = asyncio.create_task(workflow(worker, '1', '2'))
    await asyncio.sleep(1.05)
    assert await other.streams.stop('flow')
    with pytest.raises(EngineCancels):
        await running
    told = await frames(other.streams.log)
    assert told[-1] == {'type': 'end', 'finish': 'stopped'}
    assert [one['type'] for one in told].count('end') == 1
    for one in (worker, other):
        await one.streams.close()


async def test_a_stop_of_a_workflow_whose_engine_cannot_cancel_does_nothing_to_it() -> None:
    worker = Worker(MemoryBackend())
    running = asyncio.create_task(workflow(worker, '1'))
    await asyncio.sleep(1.05)
    assert await worker.streams.stop('flow')
    await running
    assert (await frames(worker.streams.log))[-1] == {'type': 'end', 'finish': 'complete'}
    await worker.streams.close()


async def test_a_stream_whose_process_is_gone_is_ended_by_nobody_else() -> None:
    backend = MemoryBackend()
    worker = Worker(backend)
    await worker.run('1', 'one ')
    await worker.streams.log.close()
    async with StreamRunner(StreamLog(backend, lease=3.0), formats=[Frames()]) as runner:
        await asyncio.sleep(20)
        assert await runner.log.lapsed() == ['flow']
        assert not (await runner.log.head('flow')).closed


async def test_a_stream_that_was_prepared_has_an_owner_and_is_not_made_twice() -> None:
    worker = Worker(MemoryBackend())
    await worker.streams.prepare('flow', owner='ann')
    with pytest.raises(StreamLogError, match='already'):
        await worker.streams.prepare('flow')
    async with worker.streams.run():
        await worker.run('1', 'one')
    assert (await worker.streams.log.head('flow')).owner == 'ann'
    await worker.streams.close()
