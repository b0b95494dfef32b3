"""Many who follow one stream, each of whom takes its time: whoever writes it gets on."""

from __future__ import annotations

import asyncio
import time

import pytest

from pydantic_ai_streaming.logs import Follower, MemoryLog
from pydantic_ai_streaming.logs.tail import CROWD

pytestmark = pytest.mark.no_task_left

ENTRIES = [b'%d' % number for number in range(60)]


async def follow(follower: Follower, takes: float) -> list[list[bytes]]:
    parts: list[list[bytes]] = []
    async for part in follower:
        time.sleep(takes)  # noqa: ASYNC251 - what a server does to send a piece keeps the loop
        parts.append(list(part.entries))
    return parts


async def seen(viewers: int, takes: float) -> list[list[list[bytes]]]:
    async with MemoryLog(lease=1000) as log:
        producer = await log.create('a')
        following = [asyncio.create_task(follow(await log.follow('a'), takes)) for _ in range(viewers)]
        await asyncio.sleep(0.01)
        for entry in ENTRIES:
            await producer.append([entry])
        await producer.close()
        return await asyncio.gather(*following)


async def test_what_comes_while_a_crowd_is_told_is_told_together() -> None:
    for parts in await seen(CROWD + 8, takes=0.0005):
        assert [entry for part in parts for entry in part] == ENTRIES
        assert len(parts) < len(ENTRIES) / 3


async def test_a_few_are_told_of_each_entry_at_once() -> None:
    for parts in await seen(3, takes=0.0005):
        assert parts == [[entry] for entry in ENTRIES]


@pytest.mark.virtual_time
async def test_a_crowd_that_takes_no_time_waits_for_nothing() -> None:
    async with MemoryLog(lease=1000) as log:
        producer = await log.create('a')
        following = [asyncio.create_task(follow(await log.follow('a'), 0)) for _ in range(CROWD * 2)]
        began = asyncio.get_running_loop().time()
        for entry in ENTRIES:
            await producer.append([entry])
            await asyncio.sleep(0.02)
        await producer.close()
        for parts in await asyncio.gather(*following):
            assert parts == [[entry] for entry in ENTRIES]
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.02 * len(ENTRIES))
