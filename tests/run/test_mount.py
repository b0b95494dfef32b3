"""Giving a capability to a run that was described by pydantic-ai's own call. These turn red if pydantic-ai changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelRequest, UserPromptPart
from pydantic_ai.run import AgentRunResultEvent
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import FunctionToolset
from pydantic_ai.usage import RunUsage

from pydantic_ai_streaming import (
    AttemptRejectedEvent,
    Deadlines,
    ResponseTruncatedEvent,
    RunStream,
    StreamTimeout,
    StreamTruncated,
    StreamUsageError,
)
from pydantic_ai_streaming.run import stream as stream_module
from pydantic_ai_streaming.run.mount import asked_of, mount, tap
from pydantic_ai_streaming.testing import EndEarly, Fail, ScriptedModel, Stall, ToolCall

pytestmark = pytest.mark.virtual_time

AROUND = """
from contextlib import asynccontextmanager


@asynccontextmanager
async def around(agent, mood: OnlyForTypeCheckers = None):
    async with agent.run_stream('Go') as run:
        yield run
"""


class Seen(AbstractCapability[Any]):
    """Notes that a run has begun with it."""

    def __init__(self) -> None:
        self.runs = 0

    async def before_run(self, ctx: RunContext[Any]) -> None:
        self.runs += 1


def agent(*responses: Any) -> Agent[None, str]:
    return Agent(ScriptedModel(*responses or (['Hello'],), loop=True))


async def test_run_stream_events_takes_a_capability_beside_those_it_was_given() -> None:
    theirs, ours = Seen(), Seen()
    given: list[AbstractCapability[Any]] = [theirs]
    run, mounted = mount(agent().run_stream_events('Go', capabilities=given), ours)
    async with run as events:
        assert [event async for event in events]
    assert mounted
    assert (theirs.runs, ours.runs, given) == (1, 1, [theirs])


async def test_run_stream_takes_a_capability_beside_those_it_was_given() -> None:
    theirs, ours = Seen(), Seen()
    run, mounted = mount(agent().run_stream('Go', capabilities=[theirs]), ours)
    async with run as streamed:
        assert await streamed.get_output() == 'Hello'
    assert mounted
    assert (theirs.runs, ours.runs) == (1, 1)


async def test_another_run_of_the_same_agent_is_not_touched() -> None:
    ours, same = Seen(), agent()
    mount(same.run_stream_events('Go'), ours)
    assert (await same.run('Go')).output == 'Hello'
    assert ours.runs == 0


async def test_a_tapped_run_gives_its_events_to_the_sink_and_only_the_result_to_who_iterates() -> None:
    plain, tapped, sink = agent().run_stream_events('Go'), agent().run_stream_events('Go'), list[Any]()
    tap(tapped, sink.append)
    async with plain as events, tapped as rest:
        expected = [type(event) async for event in events]
        left = [type(event) async for event in rest]
    assert [*map(type, sink), *left] == expected
    assert left == [AgentRunResultEvent]


@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_the_history_and_the_prompt_of_a_run_are_found(driver: str) -> None:
    history: list[ModelMessage] = [ModelRequest.user_text_prompt('Before')]
    asking = agent()
    call = getattr(asking, driver)
    for run in (call('Go', message_history=history), call(user_prompt='Go', message_history=history)):
        given, prompt, _, asked = asked_of(run)
        assert given == history
        assert asked is asking
        assert prompt is not None
        assert [part.content for part in prompt.parts if isinstance(part, UserPromptPart)] == ['Go']
    assert asked_of(call()) == ([], None, RunUsage(), asking)


class Slow(FunctionToolset[None]):
    """A toolset that takes its time to be set up."""

    async def __aenter__(self) -> Self:
        await asyncio.sleep(60)
        return await super().__aenter__()


@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_a_run_that_ends_while_it_is_set_up_keeps_the_prompt_and_leaves_earlier_replies_alone(
    driver: str,
) -> None:
    first = (await agent().run('First')).all_messages()
    slow = Agent(ScriptedModel(['never']), deps_type=type(None), toolsets=[Slow()])
    stream = RunStream(getattr(slow, driver)('Second', message_history=first), deadlines=Deadlines(total=1))
    with pytest.raises(StreamTimeout) as raised:
        async with stream:
            await stream.get_output()
    assert list(raised.value.messages[:-1]) == first
    assert [part.content for part in raised.value.messages[-1].parts if isinstance(part, UserPromptPart)] == ['Second']


@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_a_context_manager_around_the_run_is_taken_for_what_it_yields(driver: str) -> None:
    @asynccontextmanager
    async def around(prompt: str) -> AsyncGenerator[Any]:
        async with getattr(agent(), driver)(prompt) as inside:
            yield inside

    async with RunStream(around('Go')) as stream:
        assert ''.join([piece async for piece in stream.text()]) == await stream.get_output() == 'Hello'
    assert stream.messages


async def test_annotations_that_only_a_type_checker_can_read_are_not_read() -> None:
    # As programs write them: plainly since Python 3.14, which evaluates them late, before that behind a future import.
    late = '' if sys.version_info >= (3, 14) else 'from __future__ import annotations'
    names: dict[str, Any] = {}
    exec(compile(late + AROUND, 'program', 'exec', dont_inherit=True), names)
    async with RunStream(names['around'](agent())) as stream:
        assert await stream.get_output() == 'Hello'


async def test_a_context_manager_that_yields_something_else_is_refused() -> None:
    @asynccontextmanager
    async def around() -> AsyncGenerator[Any]:
        yield 'text'

    with pytest.raises(StreamUsageError, match='yields a str'):
        async with RunStream(around()) as stream:
            await stream.get_output()


class TestWithoutIt:
    """An agent class that keeps its arguments elsewhere: the stream works, without what the watch adds."""

    @pytest.fixture(autouse=True)
    def mounting_is_impossible(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def not_mounted(run: Any, capability: object) -> tuple[Any, bool]:
            return run, False

        monkeypatch.setattr(stream_module, 'mount', not_mounted)

    async def test_an_unknown_kind_of_run_is_left_as_it_is(self) -> None:
        class Other:
            async def __aenter__(self) -> None: ...
            async def __aexit__(self, *_: object) -> None: ...

        other: Any = Other()
        assert mount(other, Seen()) == (other, False)
        assert asked_of(other) == ([], None, RunUsage(), None)

    async def test_deadlines_hold_and_tools_are_no_stall(self) -> None:
        slow = agent([ToolCall('dig')], ['Gold', Stall()])

        @slow.tool_plain
        async def dig() -> str:
            await asyncio.sleep(60)
            return 'gold'

        stream = RunStream(slow.run_stream_events('Go'), deadlines=Deadlines(first=2, idle=2))
        with pytest.raises(StreamTimeout) as raised:
            async with stream:
                await stream.get_output()
        assert (raised.value.phase, raised.value.elapsed, raised.value.text) == ('idle', 62, 'Gold')

    async def test_rejected_attempts_are_announced(self) -> None:
        picky = agent(['bad'], ['good'])

        @picky.output_validator
        def only_good(output: str) -> str:
            if output == 'bad':
                raise ModelRetry('no')
            return output

        async with RunStream(picky.run_stream_events('Go')) as stream:
            events = [event async for event in stream.events()]
        assert [(e.text, e.reason) for e in events if isinstance(e, AttemptRejectedEvent)] == [('bad', 'no')]

    async def test_truncation_shows_in_the_result(self) -> None:
        cut = agent(['Half', EndEarly()])
        stream = RunStream(cut.run_stream_events('Go'))
        with pytest.raises(StreamTruncated) as raised:
            async with stream:
                await stream.get_output()
        assert raised.value.text == 'Half'
        async with RunStream(cut.run_stream_events('Go'), on_truncation='mark') as stream:
            events = [event async for event in stream.events()]
        assert stream.finish == 'truncated'
        assert [e for e in events if isinstance(e, ResponseTruncatedEvent)]


async def test_an_error_of_the_model_keeps_its_type() -> None:
    stream = RunStream(agent(['One', Fail(ModelAPIError('scripted', 'no luck'))]).run_stream_events('Go'))
    with pytest.raises(ModelAPIError, match='no luck'):
        async with stream:
            await stream.get_output()
    assert (stream.text_so_far, stream.finish) == ('One', 'failed')


async def test_setting_up_is_not_the_silence_of_the_provider() -> None:
    slow = Agent(ScriptedModel(['At last.']), deps_type=type(None), toolsets=[Slow()])
    async with RunStream(slow.run_stream_events('Go'), deadlines=Deadlines(first=1, idle=1)) as stream:
        assert await stream.get_output() == 'At last.'
