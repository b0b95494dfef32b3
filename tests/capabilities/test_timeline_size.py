"""How much a timeline sends: it is sent whole each time, so it is not to be sent for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.usage import UsageLimits
from pydantic_core import to_json

from pydantic_ai_streaming.capabilities import TimelineEvent, ToolCallUpdateEvent, ToolTimeline
from pydantic_ai_streaming.capabilities.mounted import Rejections
from pydantic_ai_streaming.capabilities.tool_timeline import ToolEvents
from pydantic_ai_streaming.testing import ScriptedModel, Step, ToolCall

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

CALL = ToolCallPart('look', {}, tool_call_id='c')
RETURNED = ToolReturnPart('look', 'seen', tool_call_id='c')


def told(moments: Sequence[tuple[float, object]]) -> list[float]:
    """When the timeline was told, if these events come then. At each `None` a response, or the work on it, is over."""
    events = ToolEvents(Rejections(cast('Any', SimpleNamespace(messages=[]))), id='run', started=0)
    durations: list[float] = []
    for at, event in moments:
        events.close(at) if event is None else events.feed(event, at)
        durations.extend(one.duration for one in events.due(at) if isinstance(one, TimelineEvent))
    return durations


def test_an_instant_between_a_response_and_its_tools_is_not_told_by_itself() -> None:
    assert told(
        [
            (1.0, PartStartEvent(index=0, part=CALL)),
            (2.0, None),
            (2.001, FunctionToolCallEvent(CALL, args_valid=True)),
            (5.0, FunctionToolResultEvent(RETURNED)),
            (5.002, None),
            (6.0, PartStartEvent(index=0, part=TextPart('Seen.'))),
            (7.0, None),
            (7.001, None),
        ]
    ) == [2.0, 5.0, 7.0]


def test_a_tool_that_takes_an_instant_is_told() -> None:
    assert told(
        [
            (1.0, PartStartEvent(index=0, part=CALL)),
            (2.0, None),
            (2.001, FunctionToolCallEvent(CALL, args_valid=True)),
            (2.004, FunctionToolResultEvent(RETURNED)),
            (2.005, None),
        ]
    ) == [2.0, 2.004]


def test_what_is_more_than_an_instant_is_told_before_a_tool_begins() -> None:
    moments = [
        (1.0, PartStartEvent(index=0, part=CALL)),
        (2.0, None),
        (4.0, FunctionToolCallEvent(CALL, args_valid=True)),
    ]
    assert told(moments) == [2.0, 4.0]


@pytest.mark.parametrize(
    ('rounds', 'at_once', 'timeline', 'last'), [(10, 1, 10_600, 830), (50, 1, 193_000, 3_650), (1, 50, 620, 230)]
)
async def test_the_bytes_are_those_that_the_documentation_tells(
    rounds: int, at_once: int, timeline: int, last: int
) -> None:
    asks: list[Step | str] = ['Let me look. ', *[ToolCall('look') for _ in range(at_once)]]
    agent = Agent(ScriptedModel(*[asks] * rounds, ['Done.'], gap=0.173), capabilities=[ToolTimeline()])

    @agent.tool_plain
    async def look() -> str:
        await asyncio.sleep(1.234)
        return 'seen'

    sizes: dict[type, list[int]] = {TimelineEvent: [], ToolCallUpdateEvent: []}
    async with agent.run_stream_events('Go', usage_limits=UsageLimits(request_limit=None)) as events:
        async for event in events:
            if isinstance(event, TimelineEvent | ToolCallUpdateEvent):
                sizes[type(event)].append(len(to_json(event.to_payload())))
    # The documentation rounds them.
    assert sum(sizes[TimelineEvent]) == pytest.approx(timeline, rel=0.01)
    assert sizes[TimelineEvent][-1] == pytest.approx(last, rel=0.01)
    assert sum(sizes[ToolCallUpdateEvent]) / (rounds * at_once) == pytest.approx(1_200, rel=0.2)
