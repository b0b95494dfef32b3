"""What a capability costs that is mounted on an agent: microseconds of processor time per event, over the bare run.

The runs take turns; each figure is the median over the rounds of the difference to the bare run of the same round.
"""

from __future__ import annotations

import asyncio
import gc
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


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what is mounted, and the microseconds per event to stay under."""

    mounted: Callable[[], Sequence[AbstractCapability[Any]]]
    limit: float


ROWS = {
    'StreamGuard': Row(mounted=lambda: [StreamGuard(DEADLINES)], limit=1.0),
    'StreamGuard, recovery': Row(mounted=lambda: [StreamGuard(DEADLINES, recovery=Recovery())], limit=1.0),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Microseconds of processor time per event: of the run, and of what is mounted."""

    run: float
    mounted: float


async def drain(pieces: int, capabilities: Sequence[AbstractCapability[Any]]) -> None:
    """Read the events of a run whose model writes so many pieces as fast as it can."""

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        for _ in range(pieces):
            yield 'word '

    agent = Agent(FunctionModel(stream_function=write), capabilities=capabilities)
    async with agent.run_stream_events('Go') as events:
        async for _ in events:
            pass


async def measure(pieces: int, rounds: int) -> dict[str, Cost]:
    """Read a stream with each row mounted, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ('bare', *ROWS)}
    for _ in range(rounds):
        for name, times in taken.items():
            mounted: Sequence[AbstractCapability[Any]] = ROWS[name].mounted() if name in ROWS else ()
            gc.collect()
            began = time.process_time()
            await drain(pieces, mounted)
            times.append((time.process_time() - began) / pieces * 1e6)
    bare = taken.pop('bare')
    return {
        name: Cost(run=median(times), mounted=median(a - b for a, b in zip(times, bare, strict=True)))
        for name, times in taken.items()
    }


def table(costs: dict[str, Cost]) -> list[str]:
    """Lines that show the costs beside their limits."""
    lines = ['mounted                   µs per event   of it the capability   limit']
    for name, cost in costs.items():
        limit = ROWS[name].limit
        verdict = 'met' if cost.mounted <= limit else 'NOT MET'
        lines.append(f'{name:26s}{cost.run:12.1f}{cost.mounted:23.2f}   {limit:5.1f}  {verdict}')
    return lines


def main() -> None:
    """Measure and print."""
    print('\n'.join(table(asyncio.run(measure(4_000, 25)))))


if __name__ == '__main__':
    main()
