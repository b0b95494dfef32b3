"""What other processes do with a log: write until they are done, or until they are killed."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from pydantic_ai_streaming.logs import Producer, Write
from tests.logs.places import LogPlace

__all__ = ['LEASE', 'produce_until_killed', 'stop_when_asked', 'write_in_process']

LEASE = 1.0
"""Seconds after which a process that was killed counts as dead."""


def produce_until_killed(place: LogPlace, names: list[str], told: Connection) -> None:
    """Append to streams all the time, one or a few numbers at once, and tell what is in after each append."""

    async def produce() -> None:
        async with place.open(lease=LEASE) as log:
            producers = [await log.create(name) for name in names]
            await asyncio.gather(*map(one, producers, names))

    async def one(producer: Producer, name: str) -> None:
        count = 0
        while True:
            some = [b'%d' % number for number in range(count, count + 1 + count % 3)]
            count = await producer.append(some)
            told.send((name, count))

    asyncio.run(produce())


def write_in_process(place: LogPlace, writer: int, writes: int, barrier: Barrier) -> None:
    """Append to the stream 'shared', to which others do too."""

    async def write() -> None:
        async with place.open() as log:
            await asyncio.to_thread(barrier.wait, 60)
            for number in range(writes):
                await log.write(Write(stream_id='shared', entries=[b'%d %d' % (writer, number)]))

    asyncio.run(write())


def stop_when_asked(place: LogPlace, told: Connection) -> None:
    """Produce a stream until somebody asks for its end, and tell how it went."""

    async def produce() -> None:
        async with place.open() as log:
            producer = await log.create('a')
            told.send('ready')
            await producer.until_stopped()
            await producer.close([b'stopped'])
            told.send('closed')

    asyncio.run(produce())
