"""What `RunStream` costs over pydantic-ai's bare events: time per piece, memory per piece, delay of the provider.

Ratios within one interleaved run, in processor time: the runs take turns, each ratio is that of one round, and the
median of the rounds is printed. The floor is `agent.run_stream_events` drained with nothing done.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, FunctionModel

from pydantic_ai_streaming import Deadlines, RunStream, Smoothing

__all__ = ['LIMITS', 'Overhead', 'main', 'measure', 'provider_gaps']

LIMITS = {'events()': 1.10, 'text()': 1.25, 'text(smoothing)': 1.25, 'events(), deadlines': 1.10}
"""The ratios to stay under."""

DEADLINES = Deadlines(first=30, idle=30, total=600)


def agent(pieces: int) -> Agent[None, str]:
    """An agent whose model writes so many pieces as fast as it can."""

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        for _ in range(pieces):
            yield 'word '

    return Agent(FunctionModel(stream_function=write))


async def bare(pieces: int) -> None:
    async with agent(pieces).run_stream_events('Go') as events:
        async for _ in events:
            pass


async def view_events(pieces: int) -> None:
    async with RunStream(agent(pieces).run_stream_events('Go')) as stream:
        async for _ in stream.events():
            pass


async def view_events_with_deadlines(pieces: int) -> None:
    async with RunStream(agent(pieces).run_stream_events('Go'), deadlines=DEADLINES) as stream:
        async for _ in stream.events():
            pass


async def view_text(pieces: int) -> None:
    async with RunStream(agent(pieces).run_stream_events('Go')) as stream:
        async for _ in stream.text():
            pass


async def view_smooth_text(pieces: int) -> None:
    async with RunStream(agent(pieces).run_stream_events('Go')) as stream:
        async for _ in stream.text(smoothing=Smoothing()):
            pass


WAYS: dict[str, Callable[[int], Awaitable[None]]] = {
    'bare events': bare,
    'events()': view_events,
    'events(), deadlines': view_events_with_deadlines,
    'text()': view_text,
    'text(smoothing)': view_smooth_text,
}


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Cost of one way to read a stream: microseconds of processor time per piece, and its ratio to the bare events."""

    microseconds: float
    ratio: float


async def measure(pieces: int, rounds: int) -> dict[str, Overhead]:
    """Drain a stream in every way, in turns."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            gc.collect()
            began = time.process_time()
            await way(pieces)
            times[name].append((time.process_time() - began) / pieces * 1e6)
    floor = times['bare events']
    return {
        name: Overhead(microseconds=median(taken), ratio=median(a / b for a, b in zip(taken, floor, strict=True)))
        for name, taken in times.items()
    }


async def memory_per_piece(pieces: int) -> float:
    """Bytes that a recorded piece takes, events of pydantic-ai included."""
    tracemalloc.start()
    try:
        async with RunStream(agent(pieces).run_stream_events('Go')) as stream:
            await stream.get_output()
            gc.collect()
            held = tracemalloc.get_traced_memory()[0]
        offset = len([event async for event in stream.events()])
        del stream
        # The loop lets go of a task that has ended one turn later.
        await asyncio.sleep(0.01)
        gc.collect()
        return (held - tracemalloc.get_traced_memory()[0]) / offset
    finally:
        tracemalloc.stop()


async def provider_gaps(*, pieces: int, gap: float, reading: float) -> list[float]:
    """Seconds between the pieces at the source, while the only view takes `reading` seconds for each."""
    written: list[float] = []

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        for _ in range(pieces):
            await asyncio.sleep(gap)
            written.append(asyncio.get_running_loop().time())
            yield 'word '

    async with RunStream(Agent(FunctionModel(stream_function=write)).run_stream_events('Go')) as stream:
        async for _ in stream.text():
            await asyncio.sleep(reading)
    return [b - a for a, b in pairwise(written)]


def table(pieces: int, costs: dict[str, Overhead]) -> Sequence[str]:
    """Lines that show the costs beside their limits."""
    lines = [f'{pieces:,} pieces        µs per piece   ratio   limit']
    for name, cost in costs.items():
        limit = LIMITS.get(name)
        verdict = '' if limit is None else f'{limit:.2f}  {"met" if cost.ratio <= limit else "NOT MET"}'
        lines.append(f'{name:22s}{cost.microseconds:9.1f}{cost.ratio:11.3f}   {verdict}')
    return lines


def main() -> None:
    """Measure and print."""
    for pieces, rounds in ((2_000, 25), (20_000, 5)):
        print('\n'.join(table(pieces, asyncio.run(measure(pieces, rounds)))), '\n')
    print(f'memory per recorded piece: {asyncio.run(memory_per_piece(5_000)):.0f} bytes\n')
    for reading in (0.0, 0.05):
        gaps = asyncio.run(provider_gaps(pieces=40, gap=0.01, reading=reading))
        print(f'gap at the source with a view that takes {reading * 1e3:3.0f} ms: median {median(gaps) * 1e3:.1f} ms')


if __name__ == '__main__':
    main()
