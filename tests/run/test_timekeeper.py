"""Events that are only noted, and read later, make the same deadlines as those that are told at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
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
    ThinkingPartDelta,
    ToolCallPartDelta,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import FunctionStreamedResponse

from pydantic_ai_streaming import Deadlines
from pydantic_ai_streaming.core.deadlines import Watchdog
from pydantic_ai_streaming.reduce.turns import Turns
from pydantic_ai_streaming.run.timekeeper import Timekeeper
from pydantic_ai_streaming.run.watch import ModelWatch, RequestObserver

EVENTS = {
    'text': PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='word ')),
    'thinking': PartDeltaEvent(index=0, delta=ThinkingPartDelta(content_delta='Hm ')),
    'arguments': PartDeltaEvent(index=0, delta=ToolCallPartDelta(args_delta='{"a')),
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


class Observer(RequestObserver):
    """Tells a timekeeper what it is told, as those of the package do."""

    def __init__(self, time: Timekeeper) -> None:
        self.time = time

    def response_awaited(self) -> None:
        self.time.awaited()

    def response_event(self, event: Any) -> None:
        self.time.took(event)

    def response_left(self) -> None:
        self.time.left()


moments = st.lists(
    st.tuples(st.sampled_from([*EVENTS, *['text'] * 8]), st.integers(0, 40), st.integers(0, 40)), max_size=60
)


@given(moments, st.booleans(), st.integers(1, 61), st.booleans())
def test_noted_or_told_at_once_the_deadline_is_the_same(
    events: list[tuple[str, int, int]], rate: bool, ask_every: int, at_the_consumer: bool
) -> None:
    limits = Deadlines(first=9, idle=5, total=5000, min_rate=2 if rate else None, rate_window=4)
    loop = Loop()
    dog = Watchdog(limits, loop.now)
    turns = Turns(dog)
    turns.request_opened(loop.now)

    async def main() -> None:
        clock: Any = loop
        watch = ModelWatch()
        noting = Timekeeper(
            clock, limits, late=lambda _: None, finished=lambda: False, end=lambda: False, beat=watch.beat
        )
        watch.observer = Observer(noting)

        def same() -> None:
            noted = noting._noted  # pyright: ignore[reportPrivateUsage]
            assert noted.is_running == dog.is_running
            expected, found = dog.due, noted.due
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                assert (found.phase, found.at) == (expected.phase, pytest.approx(expected.at, abs=1e-6))

        async def come() -> AsyncGenerator[Any]:
            for number, (name, before, _) in enumerate(events, 1):
                dog.returned(loop.now)
                loop.now += before / 8
                if number % ask_every == 0 and not at_the_consumer:
                    same()
                turns.add(EVENTS[name], loop.now)
                yield EVENTS[name]
            dog.returned(loop.now)
            same()

        def clock_of(_: object) -> Any:
            return loop.time

        noting.opened()
        response: Any = FunctionStreamedResponse(ModelRequestParameters(), 'x', come())
        with pytest.MonkeyPatch.context() as patch:
            # What passes the events on asks for the clock of the loop that runs.
            patch.setattr('pydantic_ai_streaming.run.watch.clock_of', clock_of)
            number = 0
            async for _ in watch._watched(response, come()):  # pyright: ignore[reportPrivateUsage]
                number += 1
                dog.left(loop.now)
                if number % ask_every == 0 and at_the_consumer:
                    same()
                loop.now += events[number - 1][2] / 8

    asyncio.run(main())
