"""A paced view that has much before it, since it was opened late or is slow."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest

from pydantic_ai_streaming import Smoothing
from pydantic_ai_streaming.aio.cursor import Cursor
from pydantic_ai_streaming.aio.paced import AT_ONCE, Paced
from pydantic_ai_streaming.core.record import Record

pytestmark = pytest.mark.virtual_time


class Mark(str):
    """What stands between two attempts."""


def record_of(items: list[str], *, gap: float) -> Record[str]:
    record = Record[str]()
    for number, item in enumerate(items):
        record.append(item, number * gap)
    record.close(now=len(items) * gap)
    return record


async def test_a_view_that_is_opened_late_lets_others_go_on_before_it_shows_anything() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    going_on = asyncio.create_task(others())
    record = record_of(['word '] * 20 * AT_ONCE, gap=0.01)
    await anext(Paced(Cursor(record), str, Smoothing()))
    assert turns >= 19
    going_on.cancel()


@pytest.mark.parametrize('gap', [0.0001, 0.02], ids=['bursts', 'single'])
@pytest.mark.parametrize('more', [-1, 0, 1])
async def test_what_it_has_before_it_is_shown_whole_and_marks_stand_in_their_places(gap: float, more: int) -> None:
    items = ['word '] * (2 * AT_ONCE + more)
    for place in (7, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE - 2):
        items[place] = Mark()
    shown = [piece async for piece in Paced(Cursor(record_of(items, gap=gap)), str_or_mark, Smoothing())]

    def attempts(pieces: list[str]) -> list[str]:
        return [''.join(run) for _, run in groupby(pieces, key=lambda piece: type(piece) is Mark)]

    assert attempts(shown) == attempts(items)


def test_all_that_has_come_is_there_at_once_where_that_is_asked_for() -> None:
    items = ['word '] * 3 * AT_ONCE
    assert ''.join(Paced(Cursor(record_of(items, gap=0.01)), str, Smoothing()).flush()) == ''.join(items)


def str_or_mark(item: str) -> str:
    return item
