"""A timekeeper that notes events and reads them later knows the same deadlines as one that reads each at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)

from pydantic_ai_streaming import Deadlines
from pydantic_ai_streaming.core.deadlines import Watchdog
from pydantic_ai_streaming.reduce.turns import Turns
from pydantic_ai_streaming.run.timekeeper import Timekeeper

EVENTS = {
    'text': PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='word ')),
    'empty': PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='')),
    'start': PartStartEvent(index=0, part=TextPart('One')),
    'native call': PartStartEvent(index=1, part=NativeToolCallPart('search')),
    'native return': PartStartEvent(index=2, part=NativeToolReturnPart('search', 'found')),
}


class Loop:
    """A clock, and timers of which none rings."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def call_at(self, *_: Any) -> asyncio.Handle:
        return asyncio.Handle(lambda: None, (), self)  # pyright: ignore[reportArgumentType] - only ever cancelled

    def get_debug(self) -> bool:
        return False


def keeper(loop: Loop, deadlines: Deadlines) -> Timekeeper:
    clock: Any = loop
    return Timekeeper(clock, deadlines, late=lambda _: None, finished=lambda: False, end=lambda: False)


moments = st.lists(
    st.tuples(st.sampled_from([*EVENTS, *['text'] * 8]), st.integers(0, 40), st.integers(0, 40)), max_size=60
)


@given(moments, st.booleans(), st.integers(1, 61), st.booleans())
def test_noted_or_read_at_once_the_deadline_is_the_same(
    events: list[tuple[str, int, int]], rate: bool, ask_every: int, at_the_consumer: bool
) -> None:
    limits = Deadlines(first=9, idle=5, total=5000, min_rate=2 if rate else None, rate_window=4)
    loop = Loop()
    noting = keeper(loop, limits)
    dog = Watchdog(limits, loop.now)
    turns = Turns(dog)
    noting.opened()
    turns.request_opened(loop.now)
    for number, (name, before, after) in enumerate(events, 1):
        noting.awaited()
        dog.returned(loop.now)
        loop.now += before / 8
        noting.took(EVENTS[name])
        turns.add(EVENTS[name], loop.now)
        dog.left(loop.now)
        if number % ask_every == 0 and at_the_consumer:
            assert noting.due == dog.due
            assert noting.is_running == dog.is_running
        loop.now += after / 8
    noting.awaited()
    dog.returned(loop.now)
    assert noting.is_running == dog.is_running
    expected, found = dog.due, noting.due
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.phase, found.at) == (expected.phase, pytest.approx(expected.at, abs=1e-6))
