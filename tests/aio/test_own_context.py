"""What a source sets stays with the source while it is read, by whom it may be, and is told when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar

import pytest

from pydantic_ai_streaming.aio.own_context import OwnContext
from pydantic_ai_streaming.aio.timed import Timed
from tests.aio.test_timed import Later

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

setting = ContextVar('setting', default='outside')


async def scoped(count: int, error: Exception | None = None) -> AsyncGenerator[str]:
    """Events inside of a setting, as of a span that is the current one."""
    token = setting.set('inside')
    try:
        for _ in range(count):
            await asyncio.sleep(0.25)
            yield setting.get()
        if error is not None:
            raise error
    finally:
        setting.reset(token)


@pytest.mark.parametrize('by', [0, 0.1, 100])
async def test_what_a_source_sets_shows_to_it_and_not_to_its_reader(by: float) -> None:
    events = Timed(scoped(3), Later(by=by))
    async for event in events:
        assert (event, setting.get()) == ('inside', 'outside')
    assert setting.get() == 'outside'


@pytest.mark.parametrize('by', [0, 0.1, 100])
async def test_a_source_that_fails_or_is_left_sets_its_variable_back(by: float) -> None:
    with pytest.raises(ValueError, match='gone'):
        _ = [event async for event in Timed(scoped(2, ValueError('gone')), Later(by=by))]
    left = Timed(scoped(9), Later(by=by))
    await anext(left)
    await left.aclose()
    assert setting.get() == 'outside'


@pytest.mark.parametrize('by', [0, 0.1])
async def test_pulls_from_different_tasks_are_one_context_to_the_source(by: float) -> None:
    events = Timed(scoped(3), Later(by=by))
    seen = [await asyncio.create_task(anext(events)) for _ in range(3)]
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert seen == ['inside'] * 3


@pytest.mark.parametrize('by', [0, 0.1])
async def test_what_a_source_leaves_set_is_there_when_it_is_over(by: float) -> None:
    token = setting.set('before')

    async def source() -> AsyncGenerator[str]:
        for number in range(3):
            await asyncio.sleep(0.25)
            setting.set(f'after {number}')
            yield ''

    async for _ in Timed(source(), Later(by=by)):
        pass
    assert setting.get() == 'after 2'
    setting.reset(token)


async def test_a_cancellation_reaches_what_is_waited_for() -> None:
    own, ends = OwnContext(), list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append('cancelled')
            raise

    async def wait() -> None:
        await own.within(work())

    task = asyncio.create_task(wait())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ['cancelled']


def test_what_is_dropped_while_it_waits_is_closed() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ends.append(setting.get())

    async def wait() -> None:
        setting.set('of its own')
        await OwnContext().within(work())

    loop = asyncio.new_event_loop()
    waiting = wait()
    asyncio.set_event_loop(loop)
    try:

        async def begin() -> None:
            waiting.send(None)
            waiting.close()

        loop.run_until_complete(begin())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert ends == ['of its own']
