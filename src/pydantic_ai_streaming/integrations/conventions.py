"""The names of the attributes and instruments of telemetry: OpenTelemetry's where it has one, else this package's.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

from typing import Any, TypeAlias

from opentelemetry.metrics import Meter
from opentelemetry.util.types import AttributeValue

from ..run.observers import ModelNames

__all__ = ['OWN', 'Attributes', 'Instruments', 'chat_attributes']

Attributes: TypeAlias = dict[str, AttributeValue]

OWN = 'pydantic_ai_streaming.'
"""What the names begin with that no convention has."""

MOMENTS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
"""Bounds of buckets in seconds, as the convention has them for chunks and tools."""

RUNS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6]
"""Bounds of buckets in seconds, as the convention has them for agents."""


class Instruments:
    """What the figures of all runs go into."""

    def __init__(self, meter: Meter) -> None:
        def histogram(name: str, description: str, bounds: list[float]) -> Any:
            return meter.create_histogram(
                name, unit='s', description=description, explicit_bucket_boundaries_advisory=bounds
            )

        self.chunk = histogram(
            'gen_ai.client.operation.time_per_output_chunk',
            'Time per output chunk, recorded for each chunk received after the first one, measured as the time '
            'elapsed from the end of the previous chunk to the end of the current chunk.',
            MOMENTS,
        )
        self.run = histogram('gen_ai.invoke_agent.duration', 'The end-to-end duration of a single agent run.', RUNS)
        self.tool = histogram('gen_ai.execute_tool.duration', 'The duration of a single tool execution.', MOMENTS)
        self.first_text = histogram(
            f'{OWN}time_to_first_text', 'Time from the start of a run to its first visible text.', MOMENTS
        )
        self.longest_gap = histogram(
            f'{OWN}longest_gap', 'Longest silence between two contents of one response in a run.', MOMENTS
        )
        self.stalls = meter.create_counter(
            f'{OWN}stalls', unit='{stall}', description='Silences of a provider that were too long.'
        )


def chat_attributes(names: ModelNames) -> Attributes:
    """What a figure of a model's response is told apart by, as pydantic-ai does it for its own figures."""
    attributes: Attributes = {'gen_ai.operation.name': 'chat'}
    if names.provider:
        attributes['gen_ai.provider.name'] = names.provider
    if names.requested:
        attributes['gen_ai.request.model'] = names.requested
    if names.responding:
        attributes['gen_ai.response.model'] = names.responding
    return attributes
