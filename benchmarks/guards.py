"""What deadlines cost: microseconds of processor time per event, by themselves and in a run.

By themselves: the same events, which are there already, read through the guard and without it. `guard` stands between
a generator and whoever reads it, `StreamGuard` between a response of the model and the run that reads it. This is what
the limit is for.

In a run: what mounting it adds to a run of pydantic-ai, which does so much for each event that little of this code is
in the processor's caches when its turn comes. One of the runs has nothing mounted but has a timer pending, as any run
has whose HTTP client watches a timeout: the event loop looks at it in each of its turns, several for an event.

A microsecond is less than what a machine wavers by. So the lanes go on side by side, each in an event loop of its own,
and take turns after some hundred events, in which the timers of a lane are due as often as they are without the others;
each figure is the median of the differences within one turn.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel

from pydantic_ai_streaming import Deadlines, Recovery, guard
from pydantic_ai_streaming.capabilities import StreamGuard

__all__ = ['IN_A_RUN', 'LIMIT', 'alone', 'in_a_run', 'main', 'table_alone', 'table_in_a_run']

DEADLINES = Deadlines(first=30, idle=30, total=600)

LIMIT = 1.0
"""Microseconds per event that a guard may take by itself."""

BARE, TIMER = 'nothing', 'nothing, a timer pending'

MOUNTED: dict[str, Callable[[], Sequence[AbstractCapability[Any]]]] = {
    'StreamGuard': lambda: [StreamGuard(DEADLINES)],
    'StreamGuard, recovery': lambda: [StreamGuard(DEADLINES, recovery=Recovery())],
}

IN_A_RUN: dict[str, Callable[[], Sequence[AbstractCapability[Any]]]] = {BARE: list, TIMER: list, **MOUNTED}


class Lane:
    """What is read, in an event loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.events: AsyncIterator[Any]

    def read(self, events: int) -> float:
        """Seconds of processor time for so many events."""
        return self.loop.run_until_complete(self._read(events))

    async def _read(self, events: int) -> float:
        source = self.events
        began = time.thread_time()
        for _ in range(events):
            await anext(source)
        return time.thread_time() - began

    def close(self) -> None:
        """Stop reading."""
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


class Pieces(Lane):
    """Text of a generator that never waits."""

    def __init__(self, *, guarded: bool) -> None:
        super().__init__()

        async def source() -> AsyncGenerator[str]:
            while True:
                yield 'word '

        self.events = guard(source(), DEADLINES) if guarded else source()
        self.read(16)


@dataclass
class _Ready(StreamedResponse):
    """A response whose events are there already."""

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        start = PartStartEvent(index=0, part=TextPart('word '))
        more = PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='word '))
        yield start
        while True:
            yield more

    async def close_stream(self) -> None:
        """There is no connection."""

    @property
    def model_name(self) -> str:
        return 'ready'

    @property
    def provider_name(self) -> str:
        return 'ready'

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return datetime.now(UTC)


class _ReadyModel(WrapperModel):
    """Answers with it."""

    @asynccontextmanager
    async def request_stream(self, *_: Any, **__: Any) -> AsyncGenerator[StreamedResponse]:
        yield _Ready(ModelRequestParameters())


@dataclass
class _HandedOver(AbstractCapability[Any]):
    """Gives a response of the model, as the run would get it, to somebody else."""

    responses: asyncio.Queue[StreamedResponse]

    def get_wrapper_model(self, model: Model) -> Model:
        responses = self.responses

        class Handing(WrapperModel):
            @asynccontextmanager
            async def request_stream(self, *arguments: Any, **named: Any) -> AsyncGenerator[StreamedResponse]:
                async with self.wrapped.request_stream(*arguments, **named) as response:
                    responses.put_nowait(response)
                    await asyncio.Event().wait()
                    yield response

        return Handing(model)


class Response(Lane):
    """The events of one response, as a run gets them."""

    def __init__(self, capabilities: Sequence[AbstractCapability[Any]]) -> None:
        super().__init__()
        responses = asyncio.Queue[StreamedResponse]()
        agent = Agent(_ReadyModel(TestModel()), capabilities=[_HandedOver(responses), *capabilities])

        async def drain(_: object, events: AsyncIterable[Any]) -> None:
            async for _ in events:
                pass

        self._run = self.loop.create_task(agent.run('Go', event_stream_handler=drain))
        self.events = aiter(self.loop.run_until_complete(responses.get()))
        self.read(16)

    def close(self) -> None:
        self._run.cancel()
        self.loop.run_until_complete(asyncio.wait({self._run}))
        super().close()


class Run(Lane):
    """The events of a run whose model writes as fast as it can."""

    def __init__(self, capabilities: Sequence[AbstractCapability[Any]], *, timer: bool) -> None:
        super().__init__()

        async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
            while True:
                yield 'word '

        if timer:
            self.loop.call_later(3600, print)
        self._run = Agent(FunctionModel(stream_function=write), capabilities=capabilities).run_stream_events('Go')
        self.events = aiter(self.loop.run_until_complete(self._run.__aenter__()))
        self.read(16)

    def close(self) -> None:
        self.loop.run_until_complete(self._run.__aexit__(None, None, None))
        super().close()


def alone(*, runs: int, turns: int, events: int) -> dict[str, float]:
    """Microseconds per event of each guard over what it guards."""
    lanes: dict[str, Callable[[], Lane]] = {
        'source': lambda: Pieces(guarded=False),
        'guard(source)': lambda: Pieces(guarded=True),
        'response': lambda: Response([]),
        **{name: lambda mounted=mounted: Response(mounted()) for name, mounted in MOUNTED.items()},
    }
    taken = _side_by_side(lanes, runs=runs, turns=turns, events=events)
    return {
        'guard(source)': _over(taken, 'guard(source)', 'source'),
        **{name: _over(taken, name, 'response') for name in MOUNTED},
    }


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Microseconds of processor time per event: of a run, and of it over each of the two with nothing mounted."""

    run: float
    over_nothing: float
    over_a_timer: float


def in_a_run(*, runs: int, turns: int, events: int) -> dict[str, Cost]:
    """What each run takes, and what it does over the bare ones."""
    lanes: dict[str, Callable[[], Lane]] = {
        name: lambda name=name, mounted=mounted: Run(mounted(), timer=name == TIMER)
        for name, mounted in IN_A_RUN.items()
    }
    taken = _side_by_side(lanes, runs=runs, turns=turns, events=events)
    return {
        name: Cost(
            run=median(taken[name]), over_nothing=_over(taken, name, BARE), over_a_timer=_over(taken, name, TIMER)
        )
        for name in IN_A_RUN
    }


def _side_by_side(
    kinds: dict[str, Callable[[], Lane]], *, runs: int, turns: int, events: int
) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    names = list(kinds)
    for _ in range(runs):
        lanes = {name: kinds[name]() for name in names}
        gc.collect()
        gc.disable()
        for _ in range(turns):
            random.shuffle(names)
            for name in names:
                taken[name].append(lanes[name].read(events) / events * 1e6)
        gc.enable()
        for lane in lanes.values():
            lane.close()
    return taken


def _over(taken: dict[str, list[float]], name: str, other: str) -> float:
    return median(a - b for a, b in zip(taken[name], taken[other], strict=True))


def table_alone(costs: dict[str, float]) -> list[str]:
    """Lines that show what guards cost by themselves beside the limit."""
    lines = ['by itself                       µs per event   limit']
    for name, cost in costs.items():
        lines.append(f'{name:28s}{cost:16.2f}{LIMIT:8.1f}   {"met" if cost <= LIMIT else "NOT MET"}')
    return lines


def table_in_a_run(costs: dict[str, Cost]) -> list[str]:
    """Lines that show what a run takes with a guard mounted and without."""
    lines = ['in a run                        µs per event   over nothing   over a timer']
    for name, cost in costs.items():
        lines.append(f'{name:28s}{cost.run:16.1f}{cost.over_nothing:15.2f}{cost.over_a_timer:15.2f}')
    return lines


def main() -> None:
    """Measure and print."""
    print('\n'.join(table_alone(alone(runs=16, turns=64, events=512))), end='\n\n')
    print('\n'.join(table_in_a_run(in_a_run(runs=24, turns=16, events=512))))


if __name__ == '__main__':
    main()
