"""What telemetry tells of a run that goes well and of one that stalls: the trace, then each stream's own figures.

    python examples/telemetry.py                     # a scripted model, called scripted
    python examples/telemetry.py openai:gpt-5-mini   # any model of pydantic-ai

Nothing is sent anywhere: `send_to_logfire=False`. Leave that out to see the same in Logfire. The texts stay here too,
unless `include_content=True` asks for them.
"""

from __future__ import annotations

import asyncio
import os
import sys

import logfire
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import Agent, InstrumentationSettings

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout
from pydantic_ai_streaming.integrations.telemetry import instrument_streams
from pydantic_ai_streaming.testing import ScriptedModel, Stall, ToolCall, reply

SCRIPT = ScriptedModel(
    ['Let me ask the tide table. ', ToolCall('tide', {'port': 'Farland'}, pieces=4)],
    reply('High water is at 12:04, so sail before noon.', cut='tokens', seed=1),
    ['With a deeper keel, ', 'wait for ', Stall()],
    gap=0.05,
)
OWN = 'pydantic_ai_streaming.'


def make_agent(model: str | None) -> Agent[None, str]:
    agent = Agent(model or SCRIPT, name='pilot', instructions='You answer sailors, briefly. Ask the tide table.')

    @agent.tool_plain
    async def tide(port: str) -> str:
        """When it is high water at a port."""
        await asyncio.sleep(0.5)
        return f'high water at {port}: 12:04'

    return agent


async def ask(agent: Agent[None, str], question: str) -> None:
    deadlines = Deadlines(first=60, idle=2, total=300)
    async with RunStream(agent.run_stream_events(question), deadlines=deadlines) as stream:
        try:
            await stream.get_output()
        except StreamTimeout as error:
            print(error)


def show(spans: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
    """Print what only this package tells."""
    for span in spans.get_finished_spans():
        attributes = span.attributes or {}
        if OWN + 'outcome' not in attributes:
            continue
        print(f'\n{span.name}: {span.status.status_code.name}')
        for name, value in attributes.items():
            if name.startswith(OWN) or name == 'error.type':
                print(f'  {name:44} {value:.2f}' if isinstance(value, float) else f'  {name:44} {value}')
        for event in span.events:
            print(f'  · {event.name}')
    print()
    collected = reader.get_metrics_data()
    for resource in collected.resource_metrics if collected is not None else ():
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            for point in metric.data.data_points:
                if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint) and metric.unit == 's':
                    print(f'{metric.name}: {point.count} times, {point.sum / point.count:.2f} s each')


async def main(model: str | None) -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    logfire.configure(
        send_to_logfire=False,
        additional_span_processors=[SimpleSpanProcessor(spans)],
        metrics=logfire.MetricsOptions(additional_readers=[reader]),
    )
    # What pydantic-ai tells, and what this package adds.
    agent = make_agent(model)
    agent.instrument = InstrumentationSettings(include_content=False)
    turn_off = instrument_streams()
    print(f'model: {model or "scripted"}')
    try:
        with logfire.span('two questions'):
            await ask(agent, 'When can I sail from Farland?')
            await ask(agent, 'And with a deeper keel?')
    finally:
        turn_off()
    show(spans, reader)


if __name__ == '__main__':
    # pydantic-ai greets whoever runs an agent from a source tree, which would fall into the answer.
    os.environ.setdefault('PYDANTIC_AI_NO_BANNER', '1')
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
