"""Hazards that come from what surrounds a run: fallback models, capabilities, tools that reach for the stream."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, ToolOutput
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import AgentStreamEvent, PartDeltaEvent, PartStartEvent, ThinkingPart, ThinkingPartDelta
from pydantic_ai.models import StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.tools import RunContext

from pydantic_ai_streaming import (
    AttemptRejectedEvent,
    Deadlines,
    RunStream,
    StreamTimeout,
    StreamTruncated,
    run_stream_sync,
)
from pydantic_ai_streaming.testing import EndEarly, Fail, Hang, ScriptedModel, Stall, Thinking, ToolCall

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def falling_back(*steps: Any) -> Agent[None, str]:
    down = ScriptedModel([Fail(ModelAPIError('scripted', 'down'))])
    return Agent(FallbackModel(down, ScriptedModel(steps)))


async def test_a_fallback_model_does_not_hide_that_a_reply_was_cut_off() -> None:
    with pytest.raises(StreamTruncated):
        async with RunStream(falling_back('half ', EndEarly()).run_stream_events('Go')) as stream:
            await stream.get_output()


async def test_a_fallback_model_does_not_hide_that_the_model_has_finished() -> None:
    async with RunStream(falling_back('All ', 'said.', Hang()).run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'All said.'


class WithoutThinking(AbstractCapability[Any]):
    """Keeps the thinking from whoever watches."""

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        async for event in stream:
            starts = isinstance(event, PartStartEvent) and isinstance(event.part, ThinkingPart)
            goes_on = isinstance(event, PartDeltaEvent) and isinstance(event.delta, ThinkingPartDelta)
            if not (starts or goes_on):
                yield event


@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_what_a_capability_keeps_back_is_progress_all_the_same(driver: str) -> None:
    scripted = ScriptedModel([*[Thinking('hm ')] * 20, 'So.'], gap=0.5)
    agent = Agent(scripted, capabilities=[WithoutThinking()])
    async with RunStream(getattr(agent, driver)('Go'), deadlines=Deadlines(first=1, idle=1)) as stream:
        assert await stream.get_output() == 'So.'


class TakesItsTime(AbstractCapability[Any]):
    """Looks at each event for a while, as one that asks a service whether the text may be shown."""

    async def wrap_run_event_stream(
        self, ctx: RunContext[Any], *, stream: AsyncIterable[AgentStreamEvent]
    ) -> AsyncIterable[AgentStreamEvent]:
        await asyncio.sleep(10)
        async for event in stream:
            await asyncio.sleep(10)
            yield event


class CannotStream(WrapperModel):
    """Has no `request_stream` to speak of."""

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamedResponse]:
        raise NotImplementedError('no streams here')
        yield  # pyright: ignore[reportUnreachable] - it makes this a generator


TEXT = ['One ', 'two ', 'three.']
MODELS: dict[str, Callable[[], Any]] = {
    'as it comes': lambda: ScriptedModel(TEXT, gap=0.5),
    'after a fallback': lambda: falling_back(*TEXT).model,
    'whole': lambda: CannotStream(ScriptedModel(TEXT)),
}


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_a_capability_that_takes_its_time_is_no_silence_of_the_provider(model: str, driver: str) -> None:
    deadlines = Deadlines(first=1, idle=1, min_rate=1, rate_window=5, finish_grace=1)
    run = getattr(Agent(MODELS[model](), capabilities=[TakesItsTime()]), driver)('Go')
    async with RunStream(run, deadlines=deadlines) as stream:
        assert await stream.get_output() == 'One two three.'
    assert now() >= 40


@pytest.mark.parametrize(('stall_at', 'phase'), [(0, 'first'), (2, 'idle')])
async def test_a_stall_behind_a_capability_that_takes_its_time_is_seen(stall_at: int, phase: str) -> None:
    scripted = ScriptedModel([*TEXT[:stall_at], Stall()], gap=0.5)
    run = Agent(scripted, capabilities=[TakesItsTime()]).run_stream_events('Go')
    with pytest.raises(StreamTimeout) as raised:
        async with RunStream(run, deadlines=Deadlines(first=1, idle=1)) as stream:
            await stream.get_output()
    assert raised.value.phase == phase
    # It took 10 s before the first event and after each, of which pydantic-ai adds one. None of it counted.
    events = stall_at + (stall_at > 0)
    assert now() == pytest.approx(10 * (1 + events) + 0.5 * stall_at + 1)


async def test_total_counts_what_a_capability_takes() -> None:
    run = Agent(ScriptedModel(['One ', 'two.']), capabilities=[TakesItsTime()]).run_stream_events('Go')
    with pytest.raises(StreamTimeout) as raised:
        async with RunStream(run, deadlines=Deadlines(idle=1, total=15)) as stream:
            await stream.get_output()
    assert (raised.value.phase, now()) == ('total', 15)


async def test_total_goes_on_after_a_response_that_was_ended_in_its_grace() -> None:
    agent = Agent(ScriptedModel([ToolCall('slow'), Hang()], ['Done.']))

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(60)
        return 'done'

    deadlines = Deadlines(idle=0.2, total=5)
    with pytest.raises(StreamTimeout) as raised:
        async with RunStream(agent.run_stream_events('Go'), deadlines=deadlines) as stream:
            await stream.get_output()
    assert (raised.value.phase, now()) == ('total', 5)


async def test_a_tool_may_stop_the_stream_that_it_runs_in() -> None:
    agent = Agent(ScriptedModel([ToolCall('stop')], ['Done.']))
    stream = RunStream(agent.run_stream_events('Go'))

    @agent.tool_plain
    async def stop() -> str:
        await stream.stop()
        await asyncio.sleep(1)
        return 'never'

    async with stream:
        assert [event async for event in stream.events()]
    assert (stream.finish, now()) == ('stopped', 0)


async def test_the_traceback_of_a_tool_that_fails_leads_to_the_tool() -> None:
    agent = Agent(ScriptedModel([ToolCall('broken')]))

    @agent.tool_plain
    def broken() -> str:
        raise ZeroDivisionError('in the tool')

    async with RunStream(agent.run_stream_events('Go')) as stream:
        lengths: list[int] = []
        for _ in range(3):
            with pytest.raises(ZeroDivisionError) as raised:
                await stream.get_output()
            frames = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
            assert 'broken' in frames
            lengths.append(len(frames))
    assert len(set(lengths)) == 1, 'raising it again does not make it longer'


async def test_two_tasks_that_share_a_view_share_its_pieces() -> None:
    async with RunStream(Agent(ScriptedModel(['a', 'b', 'c', 'd'], gap=1)).run_stream_events('Go')) as stream:
        view = stream.text()

        async def take() -> list[str]:
            return [piece async for piece in view]

        one, two = await asyncio.gather(take(), take())
    assert sorted(one + two) == ['a', 'b', 'c', 'd']


class Prime(BaseModel):
    number: int


async def test_a_rejected_call_beside_an_accepted_one_takes_nothing_back() -> None:
    calls = [ToolCall('final_result', {'number': 'many'}), ToolCall('final_result', {'number': 7})]
    agent = Agent(ScriptedModel(['It is ', *calls]), output_type=ToolOutput(Prime))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        events = [event async for event in stream.events()]
    assert stream.output == Prime(number=7)
    assert not [event for event in events if isinstance(event, AttemptRejectedEvent)]


async def test_a_tool_that_asks_for_a_retry_is_no_part_of_the_attempt_that_is_rejected_later() -> None:
    agent = Agent(ScriptedModel(['A ', ToolCall('picky')], ['B'], ['C']), retries=3)

    @agent.tool_plain
    def picky() -> str:
        raise ModelRetry('not like this')

    @agent.output_validator
    def only_c(output: str) -> str:
        if output != 'C':
            raise ModelRetry('not this')
        return output

    async with RunStream(agent.run_stream_events('Go')) as stream:
        events = [event async for event in stream.events()]
    rejected = [(e.text, e.start) for e in events if isinstance(e, AttemptRejectedEvent)]
    assert rejected == [('B', 2)]


async def test_a_history_that_ends_with_a_rejection_is_no_rejection_of_this_run() -> None:
    agent = Agent(ScriptedModel(['bad', Stall()], ['good']))

    async with RunStream(agent.run_stream_events('Go')) as stream:
        async for _ in stream.text():
            break
    async with RunStream(agent.run_stream_events('Go', message_history=stream.messages)) as again:
        events = [event async for event in again.events()]
    assert not [event for event in events if isinstance(event, AttemptRejectedEvent)]


def test_a_tool_that_exits_the_program_does_so_from_a_synchronous_stream_too() -> None:
    agent = Agent(ScriptedModel([ToolCall('leave')], ['Done.']))

    @agent.tool_plain
    async def leave() -> str:
        raise SystemExit(3)

    stream = run_stream_sync(agent.run_stream_events('Go'))
    with pytest.raises(SystemExit), stream:
        stream.get_output()
    with run_stream_sync(Agent(ScriptedModel(['Still here.'])).run_stream_events('Go')) as another:
        assert another.get_output() == 'Still here.'
