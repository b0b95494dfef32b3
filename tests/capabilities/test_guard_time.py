"""What counts as late under a StreamGuard, and what does not, in virtual time; and how it is not to be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    FinalResultEvent,
    ModelMessage,
    ModelResponse,
    NativeToolCallPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import StreamedResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.wrapper import WrapperModel

from pydantic_ai_streaming import Deadlines, Recovery, RunStream, StreamTimeout, StreamUsageError
from pydantic_ai_streaming.capabilities import StreamGuard
from pydantic_ai_streaming.testing import Event, Fail, Finish, Hang, Part, ScriptedModel, Stall, Text, ToolCall
from tests.capabilities.ways import DRIVERS, ENDING, Outcome

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

every_driver = pytest.mark.parametrize('driver', DRIVERS)
raising_driver = pytest.mark.parametrize('driver', sorted(set(DRIVERS) - set(ENDING)))


def guarded(model: ScriptedModel, **limits: float) -> Agent[None, str]:
    return Agent(model, capabilities=[StreamGuard(Deadlines(**limits))])


def now() -> float:
    return asyncio.get_running_loop().time()


@every_driver
async def test_a_slow_tool_is_no_stall(driver: str) -> None:
    agent = guarded(ScriptedModel([ToolCall('slow', {})], ['done']), first=1, idle=1)

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(60)
        return 'x'

    seen = Outcome()
    await DRIVERS[driver](agent, 'Go', seen)
    assert seen.output == 'done'


@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_a_slow_consumer_that_holds_up_the_reading_is_no_stall(driver: str) -> None:
    agent = guarded(ScriptedModel(['one ', 'two ', 'three'], gap=0.1), first=1, idle=1)
    if driver == 'run_stream_events':
        async with agent.run_stream_events('Go') as events:
            async for _ in events:
                await asyncio.sleep(30)
        assert events.result is not None
        assert events.result.output == 'one two three'
    else:
        async with agent.run_stream('Go') as result:
            async for _ in result.stream_text(debounce_by=None):
                await asyncio.sleep(30)
        assert await result.get_output() == 'one two three'


async def test_the_first_content_starts_the_shorter_limit_though_something_empty_came_before_it() -> None:
    nothing = Event(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='')))
    start = Event(PartStartEvent(index=0, part=TextPart('')))
    word = Event(PartDeltaEvent(index=0, delta=TextPartDelta(content_delta='one ')))
    with pytest.raises(StreamTimeout) as caught:
        await guarded(ScriptedModel([start, nothing, word, Stall()]), first=60, idle=2).run('Go')
    assert (caught.value.phase, now() < 3) == ('idle', True)


async def test_silence_counts_again_when_the_model_writes_after_a_tool_of_the_provider() -> None:
    call = Part(NativeToolCallPart('web_search', {'query': 'x'}, tool_call_id='c'))
    with pytest.raises(StreamTimeout) as caught:
        await guarded(ScriptedModel(['one ', Text('', wait=0), call, Text('two', wait=30), Stall()]), idle=2).run('Go')
    assert caught.value.phase == 'idle'
    assert 30 < now() < 33


@raising_driver
async def test_silence_is_a_stall_at_its_limit(driver: str) -> None:
    agent = guarded(ScriptedModel(['one ', Stall()]), first=3, idle=2)
    began = now()
    with pytest.raises(StreamTimeout) as caught:
        await DRIVERS[driver](agent, 'Go', Outcome())
    assert (caught.value.phase, now() - began) == ('idle', pytest.approx(2, abs=0.2))
    assert caught.value.text == 'one '


# `run_stream` takes the first text for the answer: the tool runs after it, and what becomes of it is seen by nobody.
@pytest.mark.parametrize('driver', ['run', 'run_stream_events', 'iter', 'RunStream'])
async def test_total_ends_a_tool_that_takes_longer(driver: str) -> None:
    agent = guarded(ScriptedModel(['Let me look. ', ToolCall('slow', {})], ['done']), total=5)
    ended: list[float] = []

    @agent.tool_plain
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(now())
        return 'x'

    began = now()
    with pytest.raises(StreamTimeout) as caught:
        await DRIVERS[driver](agent, 'Go', Outcome())
    assert (caught.value.phase, ended[0] - began) == ('total', pytest.approx(5))
    assert caught.value.text == 'Let me look. '
    assert [message.kind for message in caught.value.messages][:2] == ['request', 'response']


async def test_total_that_passes_while_nobody_reads_ends_the_next_pull() -> None:
    agent = guarded(ScriptedModel(['one ', 'two ', 'three'], gap=0.1), total=5)

    async def dawdle() -> None:
        async with agent.run_stream_events('Go') as events:
            async for _ in events:
                await asyncio.sleep(4)

    with pytest.raises(StreamTimeout) as caught:
        await dawdle()
    assert caught.value.phase == 'total'
    assert now() < 15


async def test_a_model_that_has_finished_on_an_open_connection_is_no_stall() -> None:
    assert (await guarded(ScriptedModel(['done', Hang()]), idle=60).run('Go')).output == 'done'
    assert now() < 5


@every_driver
async def test_a_model_that_cannot_stream_stays_usable(driver: str) -> None:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart('whole')])

    agent = Agent(FunctionModel(answer), capabilities=[StreamGuard(Deadlines(first=5), recovery=Recovery())])
    seen = Outcome()
    await DRIVERS[driver](agent, 'Go', seen)
    assert seen.output == 'whole'


async def test_a_model_that_cannot_stream_and_does_not_answer_is_late() -> None:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(60)
        return ModelResponse(parts=[TextPart('whole')])

    with pytest.raises(StreamTimeout, match='first'):
        await Agent(FunctionModel(answer), capabilities=[StreamGuard(Deadlines(first=5))]).run('Go')
    assert now() < 10


async def test_runs_of_one_agent_side_by_side_have_clocks_of_their_own() -> None:
    agent = guarded(ScriptedModel(['one ', 'two'], gap=1.5, loop=True), total=4)

    async def later(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return (await agent.run('Go')).output

    assert await asyncio.gather(*(later(n) for n in range(8))) == ['one two'] * 8


async def test_the_tighter_of_two_deadlines_counts_and_that_of_the_stream_ends_the_run() -> None:
    model = ScriptedModel(['one ', Stall()], ['two'], loop=True)
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(idle=2), recovery=Recovery())])
    async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(idle=5)) as stream:
        assert await stream.get_output() == 'one two'
    with pytest.raises(StreamTimeout):
        async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(idle=1)) as stream:
            await stream.get_output()


async def test_the_history_of_a_stream_over_a_guard_is_whole_while_it_recovers() -> None:
    model = ScriptedModel(['one ', Stall()], ['two ', Stall()])
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(idle=2), recovery=Recovery())])
    async with RunStream(agent.run_stream_events('Go')) as stream:
        await asyncio.sleep(3)
        assert [message.kind for message in stream.messages] == ['request', 'response', 'request']
        assert isinstance(reply := stream.messages[1], ModelResponse)
        assert reply.text == 'one two '


async def test_a_response_that_goes_on_is_one_response_to_who_reads_the_events() -> None:
    model = ScriptedModel(['one ', Stall()], ['two', Finish(provider_response_id='second')])
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(idle=2), recovery=Recovery())])
    async with agent.run_stream_events('Go') as events:
        seen = [event async for event in events]
    assert sum(isinstance(event, FinalResultEvent) for event in seen) == 1
    assert [event.index for event in seen if isinstance(event, PartStartEvent)] == [0]
    (end,) = [event for event in seen if isinstance(event, PartEndEvent)]
    assert (end.index, end.part) == (0, TextPart('one two'))
    assert events.result is not None
    # What came of two requests is known to the provider by no id.
    assert events.result.response.provider_response_id is None


# What is not to be done


@pytest.mark.parametrize('of_the_run', [False, True])
async def test_two_guards_are_refused(of_the_run: bool) -> None:
    one, other = StreamGuard(), StreamGuard()
    agent = Agent(ScriptedModel(['x']), capabilities=[one] if of_the_run else [one, other])
    with pytest.raises(StreamUsageError, match='mounted twice'):
        await agent.run('Go', capabilities=[other] if of_the_run else None)


async def test_two_recoveries_are_refused() -> None:
    agent = Agent(ScriptedModel(['x']), capabilities=[StreamGuard(recovery=Recovery())])
    with pytest.raises(StreamUsageError, match='each would multiply'):
        async with RunStream(agent.run_stream_events('Go'), recovery=Recovery()) as stream:
            await stream.get_output()


@pytest.mark.parametrize('settings', [{'on_truncation': 'ignore'}, {'recovery': 'continue'}, {'deadlines': 5}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        StreamGuard(**settings)


async def test_an_agent_spec_names_it() -> None:
    spec = {'StreamGuard': {'deadlines': {'idle': 2}, 'recovery': {'by': 'continue'}}}
    agent = Agent.from_spec({'model': 'test', 'capabilities': [spec]}, custom_capability_types=[StreamGuard])
    model = ScriptedModel(['one ', Stall()], ['two'])
    assert (await agent.run('Go', model=model)).output == 'one two'


@raising_driver
@pytest.mark.parametrize('reaction', ['takes no notice', 'ends', 'fails'])
async def test_a_model_that_does_as_it_likes_when_it_is_interrupted_is_late_all_the_same(
    driver: str, reaction: str
) -> None:
    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        yield 'one '
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if reaction == 'ends':
                return
            if reaction == 'fails':
                raise ConnectionError('mine') from None
        yield 'two '
        await asyncio.sleep(60)

    agent = Agent(FunctionModel(stream_function=write), capabilities=[StreamGuard(Deadlines(idle=2))])
    with pytest.raises(StreamTimeout, match='no content for 2 s'):
        await DRIVERS[driver](agent, 'Go', Outcome())
    task = asyncio.current_task()
    assert task is not None
    assert (task.cancelling(), now() < 3) == (0, True)


async def test_a_model_that_takes_no_notice_is_asked_again() -> None:
    requests = 0

    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        nonlocal requests
        requests += 1
        yield 'one '
        if requests == 1:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        yield 'two'

    guard = StreamGuard(Deadlines(idle=2), recovery=Recovery(by='restart'))
    result = await Agent(FunctionModel(stream_function=write), capabilities=[guard]).run('Go')
    assert (result.output, requests) == ('one two', 2)


async def test_whoever_has_what_a_late_model_brings_all_the_same_is_not_cancelled() -> None:
    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        yield 'one '
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        yield 'two '

    agent = Agent(FunctionModel(stream_function=write), capabilities=[StreamGuard(Deadlines(idle=2))])
    async with agent.run_stream('Go') as result:
        async for text in result.stream_text(debounce_by=None):
            if 'two' in text:
                break
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@raising_driver
async def test_a_model_that_cannot_stream_and_takes_no_notice_is_late_with_its_answer(driver: str) -> None:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return ModelResponse(parts=[TextPart('whole')])

    agent = Agent(FunctionModel(answer), capabilities=[StreamGuard(Deadlines(first=5))])
    with pytest.raises(StreamTimeout, match='first'):
        await DRIVERS[driver](agent, 'Go', Outcome())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize('driver', ['run', 'run_stream_events', 'iter', 'run_stream', 'RunStream'])
@pytest.mark.parametrize('at', [1, 1.9, 2, 2.5])
async def test_a_deadline_that_meets_what_a_cancelled_client_still_does_leaves_the_run_cancelled(
    driver: str, at: float
) -> None:
    async def write(messages: list[ModelMessage], info: AgentInfo) -> AsyncGenerator[str]:
        yield 'one '
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(5)

    async def consume() -> None:
        with suppress(StreamTimeout):
            await DRIVERS[driver](agent, 'Go', Outcome())
        await asyncio.sleep(60)

    agent = Agent(FunctionModel(stream_function=write), capabilities=[StreamGuard(Deadlines(idle=2))])
    task = asyncio.ensure_future(consume())
    await asyncio.sleep(at)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


class ClosesSlowly(WrapperModel):
    """Takes five seconds to close a connection, and notes when it has."""

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(model)
        self.closed_at: float | None = None

    @asynccontextmanager
    async def request_stream(self, *arguments: Any, **settings: Any) -> AsyncGenerator[StreamedResponse]:
        async with self.wrapped.request_stream(*arguments, **settings) as response:
            try:
                yield response
            finally:
                await asyncio.sleep(5)
                self.closed_at = now()


@pytest.mark.parametrize('driver', ['run', 'run_stream_events', 'iter', 'run_stream'])
@pytest.mark.parametrize('ending', ['failed', 'cancelled'])
async def test_a_deadline_that_passes_while_a_connection_is_closed_does_not_interrupt_that(
    driver: str, ending: str
) -> None:
    failing = ['one ', Fail(ModelHTTPError(500, 'scripted'))]
    model = ClosesSlowly(ScriptedModel(failing if ending == 'failed' else ['one ', Stall()]))
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(idle=2))])
    task = asyncio.ensure_future(DRIVERS[driver](agent, 'Go', Outcome()))
    if ending == 'failed':
        with pytest.raises(ModelHTTPError):
            await task
        assert model.closed_at == 5
    else:
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        assert (task.cancelled(), model.closed_at) == (True, 6)


async def test_total_that_passed_while_nobody_read_is_told_when_the_connection_is_closed() -> None:
    model = ClosesSlowly(ScriptedModel(['one ', 'two ', 'three'], gap=0.5))
    agent = Agent(model, capabilities=[StreamGuard(Deadlines(total=3, idle=1))])

    async def dawdle() -> None:
        async with agent.run_stream_events('Go') as events:
            async for _ in events:
                await asyncio.sleep(4)

    with pytest.raises(StreamTimeout, match='total'):
        await dawdle()
    assert model.closed_at == now()
