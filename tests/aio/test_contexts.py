"""What a source sets is there for it as long as it is read, also by a task that reads ahead, and is set back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar, copy_context

import pytest

from pydantic_ai_streaming.aio.contexts import current_context
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
async def test_what_a_source_sets_shows_to_it_and_is_set_back(by: float) -> None:
    events = Timed(scoped(3), Later(by=by))
    async for event in events:
        assert event == 'inside'
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


async def test_a_task_that_is_given_the_context_of_another_one_shares_it() -> None:
    async def other() -> None:
        setting.set('by the other')

    token = setting.set('before')
    await asyncio.Task(other(), context=current_context())
    assert setting.get() == 'by the other'
    setting.reset(token)


async def test_a_context_that_was_entered_by_hand_is_copied() -> None:
    entered = copy_context()
    found = entered.run(current_context)
    assert found is not entered
    assert entered.run(setting.get) == found.run(setting.get)
    found.run(setting.set, 'there')
    assert setting.get() == 'outside'
