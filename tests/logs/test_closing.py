"""What those who follow a stream are told when their log is closed, and what they can take all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from pydantic_ai_streaming.errors import LogClosed
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog, tail
from pydantic_ai_streaming.testing.stream_log_reading import everything, some
from tests.logs.test_crowds import follow
from tests.logs.test_tails import Held

pytestmark = pytest.mark.no_task_left


class Counted(MemoryBackend):
    opened = 0

    async def open(self) -> None:
        self.opened += 1


async def is_told(work: Awaitable[object]) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(LogClosed, match='is still open'):
            await work


async def test_the_end_of_a_stream_reaches_a_crowd_that_was_not_told_of_it_before_the_log_was_closed() -> None:
    async with StreamLog(MemoryBackend()) as log:
        producer = await log.create('a')
        following = [asyncio.create_task(follow(await log.follow('a'), 0.0005)) for _ in range(tail.CROWD + 8)]
        await asyncio.sleep(0.01)
        await producer.append(some(1))
        await asyncio.sleep(0)
        await producer.close(some(1, 1))  # while the crowd has a rest from the first one
    for parts in await asyncio.gather(*following):
        assert [entry for part in parts for entry in part] == some(2)


async def test_who_has_not_taken_all_that_is_here_is_told_after_that_and_does_not_open_the_log_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail, 'WINDOW', 500)
    backend = Counted()
    async with StreamLog(backend) as log:
        producer = await log.create('a')
        for number in range(20):
            await producer.append(some(1, number))
        start = producer.tail.start
        assert start > 0
        behind, late, ahead = [await log.follow('a', offset) for offset in (0, start, 25)]
    assert list((await anext(late)).entries) == some(20)[start:]
    for one in (behind, late, ahead):
        await is_told(anext(one))
        await is_told(one.wait())
    assert backend.opened == 1


async def test_a_stream_that_is_over_is_over_when_the_log_is_closed_too() -> None:
    async with StreamLog(MemoryBackend()) as log:
        producer = await log.create('a')
        await producer.close(some(3))
        followers = [await log.follow('a', offset) for offset in (0, 3, 7)]
    assert [await everything(one) for one in followers] == [some(3), [], []]


async def test_who_waits_for_the_first_read_of_another_is_told() -> None:
    backend = Held()
    async with StreamLog(backend) as another:
        await (await another.create('a')).append(some(1))
        log = StreamLog(backend)
        await log.open()
        backend.fetched.clear()
        following = [asyncio.create_task(log.follow('a')) for _ in range(2)]
        await asyncio.sleep(0.01)
        await log.close()
        await is_told(following[1])
        backend.fetched.set()
        assert list((await anext(await following[0])).entries) == some(1)


async def test_a_producer_is_told_that_it_hears_of_no_stop_any_more() -> None:
    async with StreamLog(MemoryBackend()) as log:
        listening = asyncio.create_task((await log.create('a')).until_stopped())
        await asyncio.sleep(0.01)
    await is_told(listening)


async def test_who_is_cancelled_while_the_log_is_closed_leaves_no_error_that_nobody_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with StreamLog(MemoryBackend()) as log:
        producer = await log.create('a')
        waiting = [asyncio.create_task((await log.follow('a')).wait()) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
    waiting[1].cancel()  # its error is there, and it has not had its turn yet
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in ends] == [asyncio.CancelledError, asyncio.CancelledError, LogClosed]
    del ends, waiting, producer
    assert not caplog.records
