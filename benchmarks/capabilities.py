"""What capabilities mounted on an agent cost over the bare events: microseconds of processor time per event.

The ways take turns in one run; the difference of each to the bare events is that of one round, and the median of the
rounds is printed. `WAYS` is a table: a row is a name, the capabilities to mount, and the workload to measure them on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, ToolTimeline

__all__ = ['LIMIT', 'WAYS', 'Way', 'main', 'measure', 'table']

LIMIT = 10.0
"""Microseconds per event and capability to stay under."""


class Report(BaseModel):
    """A structured output of some length."""

    title: str
    lines: list[str]


Capabilities = Callable[[], Sequence[AbstractCapability[Any]]]
Workload = Callable[[int, Sequence[AbstractCapability[Any]]], Awaitable[None]]


async def _drain(agent: Agent[None, Any]) -> None:
    async with agent.run_stream_events('Go') as events:
        async for _ in events:
            pass


async def text(pieces: int, mounted: Sequence[AbstractCapability[Any]]) -> None:
    """So many pieces of text, as fast as they can come."""

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        for _ in range(pieces):
            yield 'word '

    await _drain(Agent(FunctionModel(stream_function=write), capabilities=mounted))


async def output(pieces: int, mounted: Sequence[AbstractCapability[Any]]) -> None:
    """A structured output in so many pieces of 8 characters."""
    document = json.dumps({'title': 'Report', 'lines': ['a line of it'] * (pieces // 2)})
    step = max(1, len(document) // pieces)

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[dict[int, DeltaToolCall]]:
        yield {0: DeltaToolCall('final_result', '')}
        for start in range(0, len(document), step):
            yield {0: DeltaToolCall(json_args=document[start : start + step])}

    await _drain(Agent(FunctionModel(stream_function=write), output_type=Report, capabilities=mounted))


@dataclass(frozen=True, kw_only=True)
class Way:
    """A row of the table.

    Attributes:
        mounted: Makes the capabilities, new for each run.
        workload: What is run with them, and without.
        limit: Microseconds per event over the bare events.
    """

    mounted: Capabilities
    workload: Workload
    limit: float = LIMIT


WAYS: dict[str, Way] = {
    'SmoothText': Way(mounted=lambda: [SmoothText()], workload=text),
    'ToolTimeline, text': Way(mounted=lambda: [ToolTimeline()], workload=text),
    'ToolTimeline, output': Way(mounted=lambda: [ToolTimeline()], workload=output),
    'PartialOutputs, text': Way(mounted=lambda: [PartialOutputs()], workload=text),
    'PartialOutputs, output': Way(mounted=lambda: [PartialOutputs()], workload=output),
    'all three, text': Way(
        mounted=lambda: [SmoothText(), PartialOutputs(), ToolTimeline()], workload=text, limit=3 * LIMIT
    ),
    'all three, output': Way(
        mounted=lambda: [SmoothText(), PartialOutputs(), ToolTimeline()], workload=output, limit=3 * LIMIT
    ),
}


async def _taken(pieces: int, workload: Workload, mounted: Sequence[AbstractCapability[Any]]) -> float:
    gc.collect()
    began = time.process_time()
    await workload(pieces, mounted)
    return (time.process_time() - began) / pieces * 1e6


async def measure(pieces: int, rounds: int) -> dict[str, tuple[float, float]]:
    """For each way, microseconds per event of the bare events, and what it costs over them."""
    floors: dict[str, list[float]] = {name: [] for name in WAYS}
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        workloads: list[Workload] = [text, output]
        bare = {workload: await _taken(pieces, workload, []) for workload in workloads}
        for name, way in WAYS.items():
            floor = bare[way.workload]
            floors[name].append(floor)
            costs[name].append(await _taken(pieces, way.workload, way.mounted()) - floor)
    return {name: (median(floors[name]), median(costs[name])) for name in WAYS}


def table(pieces: int, costs: dict[str, tuple[float, float]]) -> Sequence[str]:
    """Lines that show the costs beside their limits."""
    lines = [f'{pieces:,} events             bare   over it   limit   (µs per event)']
    for name, (floor, cost) in costs.items():
        limit = WAYS[name].limit
        lines.append(f'{name:24s}{floor:7.1f}{cost:10.1f}{limit:8.0f}   {"met" if cost <= limit else "NOT MET"}')
    return lines


def main() -> None:
    """Measure and print."""
    print('\n'.join(table(2_000, asyncio.run(measure(2_000, 9)))))


if __name__ == '__main__':
    main()
