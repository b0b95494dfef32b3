"""Several processes at the same streams, and processes that die: what was said to be written is there, once."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import pytest

from pydantic_ai_streaming.errors import StreamMissing
from pydantic_ai_streaming.logs import StreamLog
from pydantic_ai_streaming.testing.stream_log_reading import eventually, everything
from tests.logs.places import LogPlace
from tests.logs.writers import LEASE, produce_until_killed, stop_when_asked, write_in_process
from tests.stores.writers import other_processes

WRITERS, WRITES = 4, 100
KILLS = 4
NAMES = ['a', 'b', 'c']

between_processes = pytest.mark.parametrize('place', ['sqlite', 'redis'], indirect=True)


@between_processes
async def test_what_a_killed_process_has_written_is_there_and_another_one_ends_it(place: LogPlace) -> None:
    random, context = Random(5), other_processes()
    async with place.open(lease=LEASE) as log:
        for kill in range(KILLS):
            names = [f'{name}{kill}' for name in NAMES]
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=produce_until_killed, args=(place, names, theirs))
            process.start()
            theirs.close()
            assert await asyncio.to_thread(ours.poll, 60), 'it never wrote'
            await eventually(lambda names=names: are_there(log, names))
            following = [asyncio.create_task(everything(await log.follow(name))) for name in names]
            await asyncio.sleep(random.random() * 0.3)
            process.kill()
            killed = time.monotonic()
            await asyncio.to_thread(process.join, 30)
            process.close()
            told = await asyncio.to_thread(last_told, ours)
            ours.close()
            ended: set[str] = set()
            while ended != set(names):
                for name in await log.lapsed():
                    heir = await log.take_over(name)
                    await heir.close([b'end'])
                    ended.add(name)
                await asyncio.sleep(0.02)
            assert time.monotonic() - killed < LEASE + 2
            for name, found in zip(names, await asyncio.gather(*following), strict=True):
                # One append may have arrived without being told: of three entries at most.
                assert found == [b'%d' % number for number in range(len(found) - 1)] + [b'end']
                assert told.get(name, 0) <= len(found) - 1 <= told.get(name, 0) + 3
                assert list((await log.read(name, limit=10**6)).entries) == found


async def are_there(log: StreamLog, names: list[str]) -> bool:
    try:
        return all([(await log.head(name)).length for name in names])
    except StreamMissing:
        return False


def last_told(pipe: Any) -> dict[str, int]:
    told: dict[str, int] = {}
    try:
        while True:
            name, count = pipe.recv()
            told[name] = count
    except EOFError:
        return told


@between_processes
async def test_processes_that_write_a_stream_at_the_same_time_lose_nothing(place: LogPlace) -> None:
    context = other_processes()
    barrier = context.Barrier(WRITERS)
    async with place.open() as log:
        await log.create('shared')
        follower = await log.follow('shared')
        processes = [
            context.Process(target=write_in_process, args=(place, writer, WRITES, barrier)) for writer in range(WRITERS)
        ]
        for process in processes:
            process.start()
        for process in processes:
            await asyncio.to_thread(process.join, 120)
            assert process.exitcode == 0
            process.close()
        found: list[bytes] = []
        async with asyncio.timeout(10):
            while len(found) < WRITERS * WRITES:
                found += (await anext(follower)).entries
        for writer in range(WRITERS):
            own = [entry for entry in found if entry.startswith(b'%d ' % writer)]
            assert own == [b'%d %d' % (writer, number) for number in range(WRITES)]


@between_processes
async def test_a_stop_reaches_a_producer_in_another_process_within_a_second(place: LogPlace) -> None:
    context = other_processes()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=stop_when_asked, args=(place, theirs))
    process.start()
    theirs.close()
    assert await asyncio.to_thread(ours.recv) == 'ready'
    async with place.open() as log:
        follower = await log.follow('a')
        asked = time.monotonic()
        assert await log.stop('a') is True
        assert await everything(follower) == [b'stopped']
        assert time.monotonic() - asked < 1
    assert await asyncio.to_thread(ours.recv) == 'closed'
    await asyncio.to_thread(process.join, 30)
    process.close()
    ours.close()
