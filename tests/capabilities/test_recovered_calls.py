"""Tool calls of a response that breaks off, with everything mounted: which run, and what is told of them."""

from __future__ import annotations

import asyncio

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ToolCallPart, ToolReturnPart

from pydantic_ai_streaming import Deadlines, Recovery
from pydantic_ai_streaming.capabilities import SmoothText, StreamGuard, ToolCallUpdateEvent, ToolTimeline
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Stall, Step, ToolCall
from tests.capabilities.ways import DRIVERS, Outcome

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

ONE, TWO = ToolCall('look', {'what': 'boats'}, pieces=3), ToolCall('look', {'what': 'cars'}, pieces=3)
HALF = ToolCall('look', pieces=['{"wh', 'at'])


def cut() -> Fail:
    return Fail(ModelConnectionError('scripted', 'Connection error.'))


def recovering(model: ScriptedModel, ran: list[str]) -> Agent[None, str]:
    guard = StreamGuard(Deadlines(first=3, idle=2), recovery=Recovery())
    agent = Agent(model, capabilities=[guard, SmoothText(), ToolTimeline()])

    @agent.tool_plain
    async def look(what: str) -> str:
        ran.append(what)
        await asyncio.sleep(5)
        return what

    return agent


@pytest.mark.parametrize('driver', DRIVERS)
@pytest.mark.parametrize('begun', [[ONE], [ONE, HALF], [ONE, TWO]])
async def test_calls_of_a_response_that_breaks_off_do_not_run_and_those_of_the_next_run_once(
    driver: str, begun: list[Step]
) -> None:
    ran: list[str] = []
    model = ScriptedModel([*begun, cut()], [ONE, TWO], ['Both ', Stall()], ['seen.'])
    seen = Outcome()
    await DRIVERS[driver](recovering(model, ran), 'Go', seen)
    assert (sorted(ran), seen.output, len(model.requests)) == (['boats', 'cars'], 'Both seen.', 4)
    parts = [part for message in seen.messages or () for part in message.parts]
    called = [part.tool_call_id for part in parts if isinstance(part, ToolCallPart)]
    assert called == [part.tool_call_id for part in parts if isinstance(part, ToolReturnPart)]
    assert len(called) == 2


async def test_of_calls_that_break_off_only_those_that_were_whole_are_told_as_called() -> None:
    model = ScriptedModel([ONE, HALF, cut()], [TWO], ['Seen.'])
    states: dict[int, list[str]] = {}
    async with recovering(model, []).run_stream_events('Go') as events:
        async for event in events:
            if isinstance(event, ToolCallUpdateEvent):
                states.setdefault(event.number, []).append(event.state)
    assert states == {
        0: ['calling', 'called', 'unfinished'],
        1: ['calling', 'unfinished'],
        2: ['calling', 'called', 'running', 'returned'],
    }
