"""Two real workers on one log: a stop by way of the other one, a process that comes to when it was taken for dead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from tests.logs.places import LogPlace
from tests.serve.chaos.checker import Told, defects
from tests.serve.chaos.viewers import Viewer, ask, start_run
from tests.serve.chaos.workers import Worker, working
from tests.servers import RedisServer, start_redis

LEASE = 1.0


@pytest.fixture(params=['sqlite', 'redis'])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LogPlace:
    if request.param == 'sqlite':
        return LogPlace('sqlite', str(tmp_path / 'streams.db'))
    return LogPlace('redis', request.getfixturevalue('redis_server').url, f'test-{tmp_path.name}')


@pytest.fixture
async def workers(place: LogPlace, tmp_path: Path) -> AsyncIterator[list[Worker]]:
    async with working(place, tmp_path, lease=LEASE) as workers:
        yield workers


def viewer(*workers: Worker, patience: float = 10.0) -> Viewer:
    """Somebody who stays."""
    return Viewer(Random(1), lambda: [one.port for one in workers], None, patience)


def finish(one: Viewer) -> str:
    return json.loads(one.seen[-1].data)['finish']


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Wait for something; the seconds that it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not await condition():
        assert clock() - began < within, 'it never came to be'
        await asyncio.sleep(0.01)
    return clock() - began


async def test_a_stop_by_way_of_the_other_worker_ends_the_run_within_a_second(workers: list[Worker]) -> None:
    here, other = workers
    clock = asyncio.get_running_loop().time
    took: list[float] = []
    for number in range(5):
        stream = await start_run(lambda: [here.port], f'{number}', words=2000, gap=0.02)
        viewers = [viewer(here), viewer(other)]
        watching = [asyncio.create_task(one.watch(stream)) for one in viewers]
        await asyncio.sleep(0.3)
        assert (await here.state())[0] == [stream]
        asked = clock()
        assert await ask(other.port, 'POST', f'/runs/{stream}/stop') == (200, {'stopped': True})
        await asyncio.gather(*watching)
        took += [one.ended_at - asked for one in viewers if one.ended_at is not None]
        assert [finish(one) for one in viewers] == ['stopped', 'stopped']
        assert viewers[0].seen == viewers[1].seen
        assert (await here.state())[0] == []
    assert len(took) == 10
    assert max(took) <= 1.0, took


async def test_a_process_that_comes_to_after_its_lease_adds_nothing_and_ends_its_runs(
    workers: list[Worker], place: LogPlace
) -> None:
    zombie, other = workers
    streams = [await start_run(lambda: [zombie.port], f'{n}', words=2000, gap=0.02) for n in range(5)]
    viewers = [viewer(one) for one in (zombie, other) for _ in streams]
    watching = [asyncio.create_task(one.watch(stream)) for one, stream in zip(viewers, streams * 2, strict=True)]
    await asyncio.sleep(0.5)
    zombie.pause()
    paused = asyncio.get_running_loop().time()
    await asyncio.gather(*watching[5:])
    zombie.go_on()
    assert max(one.ended_at or 0 for one in viewers[5:]) - paused < LEASE + 2
    await eventually(lambda: _is_idle(zombie), within=8.0)
    await asyncio.gather(*watching[:5])
    assert {finish(one) for one in viewers} == {'lost'}
    async with place.open() as log:
        for number, stream in enumerate(streams):
            entries = [one.decode() for one in (await log.read(stream, limit=10_000)).entries]
            told = Told(stream, entries, 2000, [viewers[number].seen, viewers[number + 5].seen])
            assert len(entries) > 5
            assert defects([told], within=0) == []
    # It is as good as new.
    again = viewer(other)
    await again.watch(await start_run(lambda: [zombie.port], 'again', words=5, gap=0.01))
    assert finish(again) == 'complete'


async def _is_idle(worker: Worker) -> bool:
    return (await worker.state())[0] == []


@pytest.mark.parametrize('outage', [0.3, 3 * LEASE])
async def test_redis_that_is_killed_and_comes_back_ends_no_run_and_loses_nothing(tmp_path: Path, outage: float) -> None:
    with start_redis() as server:
        place = LogPlace('redis', server.url)
        # Who asks meanwhile is told so, and that is noted.
        async with working(place, tmp_path, lease=LEASE, errors='A request failed') as workers:
            streams: list[Told] = []
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    here = workers[number % 2]
                    name = await start_run(lambda here=here: [here.port], f'{number}', words=150, gap=0.04)
                    viewers = [
                        Viewer(Random(number), lambda: [one.port for one in workers], stay, 15.0)
                        for stay in (None, 1.0)
                    ]
                    for one in viewers:
                        group.create_task(one.watch(name))
                    streams.append(Told(name, (), 150, [one.seen for one in viewers]))
                await asyncio.sleep(0.5)
                await _killed(server, outage)
        async with place.open() as log:
            for told in streams:
                told.entries = [one.decode() for one in (await log.read(told.name, limit=1000)).entries]
        assert defects(streams, within=0) == []
        assert [json.loads(told.entries[-1])['finish'] for told in streams] == ['complete'] * 20


async def _killed(server: RedisServer, outage: float) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait(10)
    await asyncio.sleep(outage)
    await asyncio.to_thread(server.start)
