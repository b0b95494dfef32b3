"""Hazards of watching the clock, each in virtual time: what must ring rings at its instant, and nothing rings on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout
from pydantic_ai_streaming.run.grace import LOOK_EVERY
from pydantic_ai_streaming.testing import (
    Hang,
    Part,
    ScriptedModel,
    Stall,
    Text,
    Thinking,
    VirtualTimeLoop,
    virtual_time,
)


async def ended(stream: RunStream[Any]) -> StreamTimeout | None:
    """Read to the end; the deadline that passed, if one did."""
    async with stream:
        try:
            async for _ in stream.events():
                pass
        except StreamTimeout as error:
            return error
    return None


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> list[asyncio.TimerHandle]:
    """What the loop would still call later."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


CALL = NativeToolCallPart('web_search', {'query': 'x'}, tool_call_id='1')
RETURN = NativeToolReturnPart('web_search', 'found', tool_call_id='1')


@pytest.mark.parametrize('after', [Text('So '), Thinking('Hm')], ids=['text', 'thinking'])
@pytest.mark.parametrize('returns', [[Part(RETURN, wait=9)], []], ids=['returned', 'no-return'])
def test_a_stall_after_a_tool_of_the_provider_is_seen_though_the_tool_took_longer_than_idle(
    after: Text | Thinking, returns: list[Part]
) -> None:
    async def main() -> None:
        first = after if returns else type(after)(after.text, wait=9)
        model = ScriptedModel(['Look', Part(CALL), *returns, first, Stall()])
        stream = RunStream(Agent(model).run_stream_events('Go'), deadlines=Deadlines(first=2, idle=2, total=1000))
        error = await ended(stream)
        assert error is not None
        assert (error.phase, now()) == ('idle', 11)

    virtual_time.run(main())


@pytest.mark.parametrize('steps', [['One ', Stall()], ['One ', Hang()], ['One ']], ids=['late', 'held open', 'whole'])
def test_no_timer_is_left_when_the_run_is_over(steps: list[Any]) -> None:
    async def main() -> None:
        stream = RunStream(Agent(ScriptedModel(steps)).run_stream_events('Go'), deadlines=Deadlines(first=5, idle=0.3))
        await ended(stream)
        assert timers() == []

    virtual_time.run(main())


@pytest.mark.parametrize('turns', range(12))
def test_a_cancellation_that_meets_the_end_of_the_grace_is_not_swallowed(turns: int) -> None:
    """The pull is cancelled to end the held connection; another cancellation at that instant has to go on."""

    async def main() -> None:
        stream = RunStream(Agent(ScriptedModel(['One ', Hang()], ['Two'])).run_stream_events('Go'))

        async def read() -> None:
            async with stream:
                await stream.get_output()
                await asyncio.sleep(100)

        task = asyncio.create_task(read())
        await asyncio.sleep(LOOK_EVERY + 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert stream.finish in ('stopped', 'complete')
        assert now() == LOOK_EVERY + 1

    virtual_time.run(main())


@pytest.mark.parametrize('last', [9, 30])
def test_two_tools_of_the_provider_at_once_are_both_waited_for(last: float) -> None:
    other = NativeToolCallPart('web_search', {'query': 'y'}, tool_call_id='2')
    found = NativeToolReturnPart('web_search', 'found', tool_call_id='2')

    async def main() -> None:
        model = ScriptedModel(['Look', Part(CALL), Part(other), Part(RETURN, wait=1), Part(found, wait=last), 'So.'])
        stream = RunStream(Agent(model).run_stream_events('Go'), deadlines=Deadlines(first=2, idle=2, total=1000))
        assert await ended(stream) is None
        assert stream.output == 'So.'

    virtual_time.run(main())
