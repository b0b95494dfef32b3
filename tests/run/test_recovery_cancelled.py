"""`run_stream` has a way to cancel a response: it ends one that recovers, too, whatever that is about to do."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.result import StreamedRunResult

from pydantic_ai_streaming import Recovery
from pydantic_ai_streaming.capabilities import StreamGuard
from pydantic_ai_streaming.testing import Fail, ScriptedModel, Step, Text

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

BEGUN = ['The quick ', 'brown fox ']
LATE = 1.0


async def read(result: StreamedRunResult[None, str]) -> list[str]:
    return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]


@pytest.mark.parametrize('by', ['restart', 'continue'])
@pytest.mark.parametrize(
    'second', [[Text('jumps.', wait=LATE), Text(' More.', wait=LATE)], ['', Text('jumps.', wait=LATE)]]
)
async def test_a_response_that_is_cancelled_while_it_recovers_ends_at_once(
    by: Literal['restart', 'continue'], second: list[Step | str]
) -> None:
    model = ScriptedModel([*BEGUN, Fail(ModelConnectionError('scripted', 'Connection error.'))], second)
    agent = Agent(model, capabilities=[StreamGuard(recovery=Recovery(by=by))])
    async with agent.run_stream('Go') as result:
        reading = asyncio.create_task(read(result))
        await asyncio.sleep(LATE / 2)
        await result.cancel()
        cancelled = asyncio.get_running_loop().time()
        assert await reading == BEGUN
        assert asyncio.get_running_loop().time() == cancelled
    assert [request.closed for request in model.requests] == ['failed', 'cancelled']
    reply = result.all_messages()[-1]
    assert isinstance(reply, ModelResponse)
    assert (reply.text, reply.state) == (''.join(BEGUN), 'interrupted')
