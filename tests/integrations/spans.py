"""What telemetry has recorded, as the tests look at it."""

from __future__ import annotations

from typing import Any, cast

from logfire.testing import CaptureLogfire
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan

__all__ = ['OWN', 'figures', 'own', 'points', 'spans', 'streams']

OWN = 'pydantic_ai_streaming.'


def spans(capture: CaptureLogfire) -> list[ReadableSpan]:
    """The spans that have ended, in the order in which they did."""
    return [s for s in capture.exporter.exported_spans if (s.attributes or {}).get('logfire.span_type') == 'span']


def streams(capture: CaptureLogfire) -> list[ReadableSpan]:
    """Those of streams."""
    return [span for span in spans(capture) if span.name.startswith('stream ')]


def own(span: ReadableSpan) -> dict[str, Any]:
    """The attributes that only this package has, and `error.type`."""
    attributes = cast('dict[str, Any]', dict(span.attributes or {}))
    return {
        name.removeprefix(OWN): round(value, 6) if isinstance(value, float) else value
        for name, value in attributes.items()
        if name.startswith(OWN) or name == 'error.type'
    }


def points(reader: InMemoryMetricReader, name: str) -> list[Any]:
    """The data points of an instrument, since the last time any was asked for."""
    collected = reader.get_metrics_data()
    return [
        point
        for resource in (collected.resource_metrics if collected is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def figures(capture: CaptureLogfire) -> dict[str, list[dict[str, Any]]]:
    """What the instruments of this package hold: attributes, and how often and how much, or the count."""
    return {
        metric['name']: [
            {**point['attributes'], '': (point['count'], round(point['sum'], 6)) if 'sum' in point else point['value']}
            for point in metric['data']['data_points']
        ]
        for metric in capture.get_collected_metrics()
        if not metric['name'].startswith('gen_ai.client.token') and 'first_chunk' not in metric['name']
    }
