"""Cursors: several readers of one record, at their own speeds, dropped anywhere."""

from __future__ import annotations

import asyncio

import pytest

from pydantic_ai_streaming.aio.cursor import Cursor
from pydantic_ai_streaming.core.record import Record

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def write(record: Record[str], *items: str, gap: float = 1.0) -> None:
    for item in items:
        await asyncio.sleep(gap)
        record.append(item, now())
    record.close(now=now())


async def read(record: Record[str], *, offset: int = 0, pause: float = 0.0) -> list[tuple[float, str]]:
    seen: list[tuple[float, str]] = []
    async for item in Cursor(record, offset):
        seen.append((now(), item))
        await asyncio.sleep(pause)
    return seen


async def test_readers_of_different_speeds_all_see_everything() -> None:
    record = Record[str]()
    fast, slow, _ = await asyncio.gather(read(record), read(record, pause=5), write(record, 'a', 'b', 'c'))
    assert fast == [(1, 'a'), (2, 'b'), (3, 'c')]
    assert slow == [(1, 'a'), (6, 'b'), (11, 'c')]


async def test_a_reader_that_comes_after_the_end_sees_everything_too() -> None:
    record = Record[str]()
    await write(record, 'a', 'b')
    assert [item for _, item in await read(record)] == ['a', 'b']
    assert [item for _, item in await read(record, offset=1)] == ['b']


async def test_an_error_comes_after_everything_that_came_before_it_to_every_reader() -> None:
    record, error, told = Record[str](), ValueError('broken'), list[str]()
    record.append('a', 0)
    record.close(error, now=0)
    for _ in range(2):
        cursor = Cursor(record, on_error=lambda: told.append('told'))
        assert await anext(cursor) == 'a'
        with pytest.raises(ValueError, match='broken') as raised:
            await anext(cursor)
        assert raised.value is error
    assert told == ['told', 'told']


async def test_a_reader_that_is_cancelled_while_it_waits_leaves_nothing_in_the_record() -> None:
    record = Record[str]()
    for wait in (anext(Cursor(record)), Cursor(record).wait(), Cursor(record).wait(until=100)):
        reader = asyncio.ensure_future(wait)
        await asyncio.sleep(1)
        reader.cancel()
        record.append('while the cancelled reader has not run yet', now())
        await asyncio.gather(reader, return_exceptions=True)
    watchers = record._watchers  # pyright: ignore[reportPrivateUsage] - what must not grow
    assert watchers == []


async def test_a_cursor_that_was_left_goes_on_where_it_was() -> None:
    record = Record[str]()
    await write(record, 'a', 'b', 'c')
    cursor = Cursor(record)
    async for item in cursor:
        assert item == 'a'
        break
    assert cursor.offset == 1
    assert [item async for item in cursor] == ['b', 'c']


async def test_waiting_ends_with_the_next_change_or_the_instant() -> None:
    record = Record[str]()
    cursor = Cursor(record)
    writing = asyncio.ensure_future(write(record, 'a', gap=3))
    await cursor.wait(until=2)
    assert now() == 2
    await cursor.wait(until=10)
    assert now() == 3
    assert cursor.take() == [(3, 'a')]
    assert cursor.take() == ()
    await writing
    assert cursor.exhausted


async def test_a_negative_offset_is_refused() -> None:
    with pytest.raises(ValueError, match='counted from 0'):
        Cursor(Record[str](), -1)
