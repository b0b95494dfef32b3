"""Traces and context variables of a run are the same with and without what is mounted."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability, Instrumentation
from pydantic_ai.messages import AgentStreamEvent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.tools import RunContext

from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, ToolTimeline
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.capabilities.drivers import DRIVERS

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

every_driver = pytest.mark.parametrize('driver', DRIVERS)

setting = ContextVar('setting', default='outside')


class Scoped(AbstractCapability[Any]):
    """Sets a variable around the events of a node, and sets it back by its token."""

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterator[AgentStreamEvent]:
        token = setting.set('inside')
        try:
            async for event in stream:
                yield event
        finally:
            setting.reset(token)


def agent(*capabilities: AbstractCapability[Any]) -> Agent[None, str]:
    model = ScriptedModel(['Let me ', 'look at it ', ToolCall('look')], ['It is ', 'a boat.'], gap=0.1)
    made = Agent(model, capabilities=capabilities)
    made.tool_plain(name='look')(lambda: 'a boat')
    return made


def mounted() -> list[AbstractCapability[Any]]:
    return [SmoothText(), PartialOutputs(), ToolTimeline()]


async def traced(driver: str, *capabilities: AbstractCapability[Any]) -> list[tuple[str, str | None]]:
    """The spans of a run, each with the one that it is in."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    settings = InstrumentationSettings(tracer_provider=provider)
    await DRIVERS[driver](agent(Instrumentation(settings), *capabilities), 'Go', None)
    finished = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished if span.context is not None}
    return [(span.name, None if span.parent is None else names[span.parent.span_id]) for span in finished]


@every_driver
async def test_a_trace_has_tools_and_requests_in_the_run_and_not_in_the_request_before(driver: str) -> None:
    assert await traced(driver, *mounted()) == await traced(driver)


@every_driver
async def test_a_capability_that_sets_a_variable_back_works_inside(driver: str) -> None:
    plain = await DRIVERS[driver](agent(), 'Go', None)
    seen = await DRIVERS[driver](agent(*mounted(), Scoped()), 'Go', None)
    assert (seen.output, seen.shown) == (plain.output, plain.shown)
    assert setting.get() == 'outside'
