"""The number of an attempt, where some attempts are rejected and others break off: the same whoever tells it."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError

from pydantic_ai_streaming import AttemptRejectedEvent, Recovery, RunStream
from pydantic_ai_streaming.capabilities import PartialOutputEvent, PartialOutputs, StreamGuard
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Step, Thinking, ToolCall

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

RECOVERY = Recovery(by='restart')
CUT = Fail(ModelConnectionError('scripted', 'Connection error.'))
INVALID, VALID = [ToolCall('final_result', {'title': 7})], [ToolCall('final_result', {'title': 'Dune'})]
HALF = [ToolCall('final_result', pieces=['{"title": "D']), CUT]


class Movie(BaseModel):
    title: str


def agent(scripts: list[list[Step]], *mounted: StreamGuard | PartialOutputs) -> Agent[None, Movie]:
    return Agent(ScriptedModel(*scripts), output_type=Movie, retries=3, capabilities=mounted)


@pytest.mark.parametrize(
    ('scripts', 'numbers', 'rejected'),
    [
        ([[CUT], VALID], {1}, []),
        ([[Thinking('Hm.'), CUT], VALID], {2}, []),
        ([['Let me think. ', CUT], VALID], {2}, []),
        ([HALF, VALID], {1, 2}, []),
        ([INVALID, HALF, VALID], {1, 2, 3}, [1]),
        ([HALF, INVALID, VALID], {1, 2, 3}, [2]),
        ([INVALID, [Thinking('Hm.'), CUT], INVALID, VALID], {1, 3, 4}, [1, 3]),
    ],
)
async def test_an_attempt_has_one_number_whoever_tells_it(
    scripts: list[list[Step]], numbers: set[int], rejected: list[int]
) -> None:
    async with RunStream(agent(scripts).run_stream_events('Go'), recovery=RECOVERY) as stream:
        partials = [partial async for partial in stream.partial_outputs()]
    assert {partial.attempt for partial in partials} == numbers
    events = [event for _, event in stream.events().take(1000) if isinstance(event, AttemptRejectedEvent)]
    assert [event.attempt for event in events] == rejected
    assert stream.stats.attempts_rejected == len(rejected)

    guarded = agent(scripts, StreamGuard(recovery=RECOVERY), PartialOutputs(every=0))
    async with guarded.run_stream_events('Go') as run:
        told = [event.attempt async for event in run if isinstance(event, PartialOutputEvent)]
    assert set(told) == numbers
    assert told == sorted(told)
