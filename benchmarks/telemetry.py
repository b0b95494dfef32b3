"""What telemetry costs over the same runs without it, and how many figures it records.

    python -m benchmarks telemetry

Runs take turns, in processor time; each ratio is that of one round, and the median is printed. The pieces come as fast
as the model can write, which no provider does, so that the ratio is the worst there is. `with providers` has the SDK's
spans and figures in memory; `with providers, agents too` stands against runs that pydantic-ai tells of.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai.models.instrumented import InstrumentationSettings

from benchmarks.overhead import agent
from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.integrations.telemetry import Telemetry

__all__ = ['LIMIT', 'Cost', 'lines', 'main', 'measure']

LIMIT = 1.03
"""How much longer a run may take with telemetry."""


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time for each piece, and the ratio to a run without."""

    microseconds: float
    ratio: float


async def run(pieces: int, instrument: InstrumentationSettings | None) -> None:
    writer = agent(pieces)
    if instrument is not None:
        writer.instrument = instrument
    async with RunStream(writer.run_stream_events('Go')) as stream:
        async for _ in stream.events():
            pass


async def measure(pieces: int, rounds: int) -> dict[str, Cost]:
    """The cost of runs of so many pieces."""
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    spans = InMemorySpanExporter()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    whole = Telemetry(tracer_provider=tracers, meter_provider=meters)
    settings = InstrumentationSettings(tracer_provider=tracers, meter_provider=meters)
    # Each way: what it is compared with, where telemetry goes, and whether pydantic-ai tells too.
    ways: dict[str, tuple[str | None, Callable[[], AbstractContextManager[None]], InstrumentationSettings | None]] = {
        'without': (None, nullcontext, None),
        'no provider': ('without', Telemetry().active, None),
        'with providers': ('without', whole.active, None),
        'agents only': (None, nullcontext, settings),
        'with providers, agents too': ('agents only', whole.active, settings),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (_base, active, instrument) in ways.items():
            gc.collect()
            spans.clear()
            began = time.process_time()
            with active():
                await run(pieces, instrument)
            taken[name].append((time.process_time() - began) / pieces * 1e6)
    return {
        name: Cost(median(taken[name]), median(a / b for a, b in zip(taken[name], taken[base or name], strict=True)))
        for name, (base, _, _) in ways.items()
    }


def lines(pieces: int, costs: dict[str, Cost]) -> Sequence[str]:
    """The costs beside the limit."""
    rows = [f'{pieces:,} pieces              µs per piece   ratio   limit']
    for name, cost in costs.items():
        verdict = '' if cost.ratio == 1 else f'{LIMIT:.2f}  {"met" if cost.ratio <= LIMIT else "NOT MET"}'
        rows.append(f'{name:28s}{cost.microseconds:9.1f}{cost.ratio:11.3f}   {verdict}')
    return rows


def main() -> None:
    """Measure and print."""
    print('\n'.join(lines(2_000, asyncio.run(measure(2_000, 25)))))


if __name__ == '__main__':
    main()
