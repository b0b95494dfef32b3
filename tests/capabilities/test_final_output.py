"""Which output is the final one, where several calls of a response bring one, or a function undoes it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.agent import EndStrategy

from pydantic_ai_streaming.capabilities import PartialOutputEvent, PartialOutputs
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.capabilities.drivers import DRIVERS, Seen

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

EVERY_DRIVER = pytest.mark.parametrize('driver', [name for name in DRIVERS if name != 'run_stream'])


class Movie(BaseModel):
    title: str


def final_values(seen: Seen) -> list[Any]:
    shown = [event.shown() if isinstance(event, PartialOutputEvent) else event['data'] for event in seen.custom]
    return [data['value'] for data in shown if data['is_final']]


def output(title: object) -> ToolCall:
    return ToolCall('final_result', {'title': title})


@pytest.mark.parametrize('strategy', ['early', 'graceful', 'exhaustive'])
@EVERY_DRIVER
async def test_of_several_outputs_the_final_one_is_that_of_the_run(driver: str, strategy: EndStrategy) -> None:
    model = ScriptedModel([output(7), output('first'), output('second')])
    agent = Agent(model, output_type=Movie, end_strategy=strategy, capabilities=[PartialOutputs()])
    seen = await DRIVERS[driver](agent, 'Go', None)
    assert final_values(seen) == [seen.output.model_dump()] == [{'title': 'first'}]


@pytest.mark.parametrize('strategy', ['early', 'graceful', 'exhaustive'])
@pytest.mark.parametrize('tool', ['look', 'made_up'])
@EVERY_DRIVER
async def test_an_output_that_a_retry_of_a_function_undoes_is_not_told_as_final(
    driver: str, tool: str, strategy: EndStrategy
) -> None:
    model = ScriptedModel([output('undone'), ToolCall(tool)], [output('good')])
    agent = Agent(model, output_type=Movie, end_strategy=strategy, capabilities=[PartialOutputs()])

    @agent.tool_plain
    def look() -> str:
        raise ModelRetry('not yet')

    seen = await DRIVERS[driver](agent, 'Go', None)
    assert final_values(seen) == [seen.output.model_dump()]
    # A function that pydantic-ai does not call, or a tool that nobody has, undoes nothing.
    assert len(model.requests) == (2 if tool == 'look' and strategy != 'early' else 1)
