"""What a `StreamGuard` costs: microseconds of processor time per event, over the bare run.

A microsecond is less than what a machine wavers by. So the runs go on side by side, each in an event loop of its own,
and take turns after some hundred events, in which the timers of a run are due as often as they are without the others;
each figure is the median of the differences within one turn. One of the runs has nothing mounted but has a timer
pending, as any run has whose HTTP client watches a timeout: the event loop looks at it in each of its turns, whoever
set it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

from pydantic_ai_streaming import Deadlines, Recovery
from pydantic_ai_streaming.capabilities import StreamGuard

__all__ = ['ROWS', 'Cost', 'Row', 'main', 'measure', 'table']

DEADLINES = Deadlines(first=30, idle=30, total=600)

BARE, TIMER = 'nothing', 'nothing, a timer pending'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what is mounted, and the microseconds per event to stay under."""

    mounted: Callable[[], Sequence[AbstractCapability[Any]]]
    limit: float | None


ROWS = {
    TIMER: Row(mounted=list, limit=None),
    'StreamGuard': Row(mounted=lambda: [StreamGuard(DEADLINES)], limit=1.0),
    'StreamGuard, recovery': Row(mounted=lambda: [StreamGuard(DEADLINES, recovery=Recovery())], limit=1.0),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Microseconds of processor time per event: of the run, and of it over each of the two bare ones."""

    run: float
    mounted: float
    beside_timer: float


class _Lane:
    """A run in an event loop of its own, whose model writes as fast as it can."""

    def __init__(self, capabilities: Sequence[AbstractCapability[Any]], *, timer: bool) -> None:
        async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
            while True:
                yield 'word '

        self._loop = asyncio.new_event_loop()
        if timer:
            self._loop.call_later(3600, print)
        run = Agent(FunctionModel(stream_function=write), capabilities=capabilities).run_stream_events('Go')
        self._run = run
        self._events = aiter(self._loop.run_until_complete(run.__aenter__()))
        self.read(16)

    def read(self, events: int) -> float:
        """Seconds of processor time for so many events."""
        return self._loop.run_until_complete(self._read(events))

    async def _read(self, events: int) -> float:
        began = time.thread_time()
        for _ in range(events):
            await anext(self._events)
        return time.thread_time() - began

    def close(self) -> None:
        self._loop.run_until_complete(self._run.__aexit__(None, None, None))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def measure(*, runs: int, turns: int, events: int) -> dict[str, Cost]:
    """Read so many runs of each row, each in so many turns of so many events."""
    taken: dict[str, list[float]] = {name: [] for name in (BARE, *ROWS)}
    names = list(taken)
    for _ in range(runs):
        lanes = {name: _Lane(ROWS[name].mounted() if name in ROWS else (), timer=name == TIMER) for name in names}
        gc.collect()
        gc.disable()
        for _ in range(turns):
            random.shuffle(names)
            for name in names:
                taken[name].append(lanes[name].read(events) / events * 1e6)
        gc.enable()
        for lane in lanes.values():
            lane.close()

    def over(name: str, other: str) -> float:
        return median(a - b for a, b in zip(taken[name], taken[other], strict=True))

    return {
        name: Cost(run=median(taken[name]), mounted=over(name, BARE), beside_timer=over(name, TIMER)) for name in ROWS
    }


def table(costs: dict[str, Cost]) -> list[str]:
    """Lines that show the costs beside their limits."""
    lines = ['mounted                     µs per event   over nothing   over a timer   limit']
    for name, cost in costs.items():
        limit = ROWS[name].limit
        line = f'{name:28s}{cost.run:12.1f}{cost.mounted:15.2f}'
        if limit is not None:
            verdict = 'met' if cost.mounted <= limit else 'NOT MET'
            line += f'{cost.beside_timer:15.2f}{limit:8.1f}  {verdict}'
        lines.append(line)
    return lines


def main() -> None:
    """Measure and print."""
    print('\n'.join(table(measure(runs=24, turns=16, events=512))))


if __name__ == '__main__':
    main()
