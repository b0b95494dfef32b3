"""RunStream: one run, many views, and what can be asked of it at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from typing import Any, assert_type

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, PromptedOutput, ToolOutput
from pydantic_ai.conversation import Conversation
from pydantic_ai.exceptions import RunCancelled, UnexpectedModelBehavior
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.run import AgentRunResultEvent
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage

from pydantic_ai_streaming import (
    AttemptRejectedEvent,
    ConnectionHeldOpenEvent,
    Deadlines,
    ResponseTruncatedEvent,
    Retraction,
    RunEvent,
    RunStream,
    Smoothing,
    StreamTimeout,
    StreamTruncated,
    StreamUsageError,
    WholeResponseEvent,
)
from pydantic_ai_streaming.testing import EndEarly, Hang, ScriptedModel, Stall, Thinking, ToolCall

pytestmark = pytest.mark.virtual_time

WORDS = ('One ', 'two ', 'three ', 'four.')


def now() -> float:
    return asyncio.get_running_loop().time()


def model(**more: Any) -> ScriptedModel:
    return ScriptedModel(WORDS, gap=1, **more)


async def timeline(view: AsyncIterator[str], pause: float = 0) -> list[tuple[float, str]]:
    seen: list[tuple[float, str]] = []
    async for piece in view:
        seen.append((round(now(), 3), piece))
        await asyncio.sleep(pause)
    return seen


async def read(stream: RunStream[Any]) -> str:
    async with stream:
        return ''.join([piece async for piece in stream.text()])


# Views


async def test_views_of_different_speeds_all_see_everything_and_none_holds_up_the_provider() -> None:
    scripted = model()
    async with RunStream(Agent(scripted).run_stream_events('Go')) as stream:
        plain, slow, smooth = await asyncio.gather(
            timeline(stream.text()), timeline(stream.text(), pause=10), timeline(stream.text(smoothing=Smoothing()))
        )
    assert plain == snapshot([(1.0, 'One '), (2.0, 'two '), (3.0, 'three '), (4.0, 'four.')])
    assert slow == snapshot([(1.0, 'One '), (11.0, 'two '), (21.0, 'three '), (31.0, 'four.')])
    assert ''.join(piece for _, piece in smooth) == 'One two three four.'
    assert scripted.requests[0].closed_at == 4


async def test_views_can_be_opened_again_after_the_end() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'One two three four.'
        first = [event async for event in stream.events()]
    again = [event async for event in stream.events()]
    assert first == again
    assert ''.join([piece async for piece in stream.text(smoothing=Smoothing(by='line'))]) == 'One two three four.'
    assert stream.text_so_far == 'One two three four.'


async def test_a_view_can_go_on_at_the_offset_of_another() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        events = stream.events()
        seen: list[RunEvent] = [await anext(events), await anext(events)]
        seen += [event async for event in stream.events(offset=events.offset)]
    assert seen == [event async for event in stream.events()]
    assert isinstance(seen[-1], AgentRunResultEvent)


async def test_thinking_and_text_are_told_apart() -> None:
    scripted = ScriptedModel([Thinking('Hm, '), Thinking('yes.'), 'It ', 'is.'], gap=1)
    async with RunStream(Agent(scripted).run_stream_events('Go')) as stream:
        thinking, text = await asyncio.gather(timeline(stream.thinking()), timeline(stream.text()))
    assert thinking == snapshot([(1.0, 'Hm, '), (2.0, 'yes.')])
    assert text == snapshot([(3.0, 'It '), (4.0, 'is.')])


async def test_everything_is_known_at_any_moment() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        assert (stream.finish, stream.text_so_far, stream.result) == (None, '', None)
        await asyncio.sleep(2.5)
        assert stream.text_so_far == 'One two '
        assert stream.stats.pieces == 2
        assert [message.kind for message in stream.messages] == ['request', 'response', 'request']
        assert stream.new_messages == stream.messages
        await asyncio.sleep(10)
        assert stream.finish == 'complete'
    assert stream.result is not None
    assert stream.result.output == stream.output == 'One two three four.'
    assert stream.messages == stream.result.all_messages()
    assert stream.usage.requests == 1
    assert str(stream.stats) == snapshot('first content 1.00 s · 4 tokens · 1/s · 4.0 s in all')


# Rejected attempts


class Prime(BaseModel):
    number: int


def picky(scripted: ScriptedModel, output_type: Any = str, **more: Any) -> Agent[None, Any]:
    agent = Agent(scripted, output_type=output_type, **more)

    @agent.output_validator
    def only_good(output: Any) -> Any:
        if 'bad' in str(output) or getattr(output, 'number', 7) == 4:
            raise ModelRetry('not good enough')
        return output

    return agent


@pytest.mark.parametrize('smoothing', [None, Smoothing(), Smoothing(by='line', max_lag=5)])
async def test_a_rejected_attempt_is_announced_before_the_next_one(smoothing: Smoothing | None) -> None:
    agent = picky(ScriptedModel(['A ', 'bad ', 'one'], ['A ', 'good ', 'one'], gap=0.1))
    async with RunStream(agent.run_stream_events('Go')) as stream:
        pieces = [piece async for piece in stream.text(smoothing=smoothing)]
        events = [event async for event in stream.events()]
    marks = [index for index, piece in enumerate(pieces) if isinstance(piece, Retraction)]
    assert len(marks) == 1
    assert (''.join(pieces[: marks[0]]), ''.join(pieces[marks[0] :])) == ('A bad one', 'A good one')
    assert [event for event in events if isinstance(event, AttemptRejectedEvent)] == snapshot(
        [AttemptRejectedEvent(attempt=1, text='A bad one', start=0, reason='not good enough')]
    )
    assert stream.text_so_far == 'A bad oneA good one'
    assert stream.output == 'A good one'


async def test_only_the_text_of_the_rejected_response_is_taken_back() -> None:
    agent = picky(ScriptedModel(['Let me look. ', ToolCall('look')], ['bad'], ['bad again'], ['good']), retries=3)
    agent.tool_plain(name='look')(lambda: 'seen')
    async with RunStream(agent.run_stream_events('Go')) as stream:
        events = [event async for event in stream.events()]
    assert [(e.attempt, e.text, e.start) for e in events if isinstance(e, AttemptRejectedEvent)] == snapshot(
        [(1, 'bad', 13), (2, 'bad again', 16)]
    )


async def test_a_rejected_output_tool_is_announced_with_its_name() -> None:
    scripted = ScriptedModel(
        ['I think ', ToolCall('final_result', {'number': 4})], [ToolCall('final_result', {'number': 7})]
    )
    async with RunStream(picky(scripted, ToolOutput(Prime)).run_stream_events('Go')) as stream:
        events = [event async for event in stream.events()]
    rejected = [event for event in events if isinstance(event, AttemptRejectedEvent)]
    assert [(e.attempt, e.text, e.tool_name) for e in rejected] == snapshot([(1, 'I think ', 'final_result')])
    assert 'not good enough' in rejected[0].reason
    assert stream.output == Prime(number=7)


async def test_output_that_does_not_fit_its_type_is_announced_with_the_errors() -> None:
    scripted = ScriptedModel(['{"number": "many"}'], ['{"number": 7}'])
    async with RunStream(picky(scripted, PromptedOutput(Prime)).run_stream_events('Go')) as stream:
        events = [event async for event in stream.events()]
    rejected = [event for event in events if isinstance(event, AttemptRejectedEvent)]
    assert [e.text for e in rejected] == ['{"number": "many"}']
    assert rejected[0].reason.startswith('number: Input should be a valid integer')


# Time


async def test_a_deadline_names_itself_and_carries_what_came() -> None:
    scripted = ScriptedModel(['One ', 'two', Stall()], gap=1)
    stream = RunStream(Agent(scripted).run_stream_events('Go'), deadlines=Deadlines(idle=3))
    with pytest.raises(StreamTimeout) as raised:
        await read(stream)
    error = raised.value
    assert (error.phase, error.limit, error.elapsed, now()) == ('idle', 3, 5, 5)
    assert str(error) == snapshot(
        'The stream was stopped after 5.00 s: no content for 3 s (Deadlines.idle). 7 characters had come.'
    )
    assert error.text == stream.text_so_far == 'One two'
    assert error.messages == stream.messages
    assert error.usage == stream.usage
    assert (stream.finish, scripted.requests[0].closed_at) == ('timed_out', 5)


async def test_a_slow_tool_is_no_stall_but_total_counts_it() -> None:
    def agent() -> Agent[None, str]:
        agent = Agent(ScriptedModel([ToolCall('dig')], ['Gold.'], gap=0.5))

        @agent.tool_plain
        async def dig() -> str:
            await asyncio.sleep(60)
            return 'gold'

        return agent

    async with RunStream(agent().run_stream_events('Go'), deadlines=Deadlines(first=1, idle=1)) as stream:
        assert await stream.get_output() == 'Gold.'
    began = now()
    with pytest.raises(StreamTimeout, match='total') as raised:
        async with RunStream(agent().run_stream_events('Go'), deadlines=Deadlines(first=1, total=30)) as stream:
            await stream.get_output()
    assert (raised.value.phase, now() - began) == ('total', 30)


async def test_a_tool_that_blocks_a_thread_does_not_hold_back_the_deadline() -> None:
    """The thread cannot be stopped, so leaving the context waits for it; views learn of the deadline at once."""
    gate = asyncio.Event()
    agent = Agent(ScriptedModel([ToolCall('stubborn')], ['Done.']))

    @agent.tool_plain
    async def stubborn() -> str:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return 'at last'

    async with RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(total=2)) as stream:
        with pytest.raises(StreamTimeout):
            await anext(stream.text())
        assert now() == pytest.approx(2.025)
        with pytest.raises(StreamTimeout):
            await stream.get_output()
        assert now() == pytest.approx(2.025)
        gate.set()


@pytest.mark.parametrize('deadlines', [None, Deadlines(idle=9)])
async def test_a_connection_that_stays_open_after_the_finish_is_a_success(deadlines: Deadlines | None) -> None:
    scripted = ScriptedModel(['All ', 'said.', Hang()], gap=0.25)
    async with RunStream(Agent(scripted).run_stream_events('Go'), deadlines=deadlines) as stream:
        events = [event async for event in stream.events()]
    assert stream.output == 'All said.'
    assert stream.finish == 'complete'
    assert 1.5 <= now() <= 1.525
    assert [event for event in events if isinstance(event, ConnectionHeldOpenEvent)]
    assert stream.messages[-1].state == 'complete'


async def test_a_tool_call_runs_although_its_connection_stays_open() -> None:
    agent = Agent(ScriptedModel([ToolCall('look'), Hang()], ['Seen.', Hang()]))
    agent.tool_plain(name='look')(lambda: 'seen')
    async with RunStream(agent.run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'Seen.'


async def test_without_a_grace_the_connection_is_waited_for() -> None:
    scripted = ScriptedModel(['Said.', Hang()])
    deadlines = Deadlines(total=60, finish_grace=None)
    with pytest.raises(StreamTimeout):
        async with RunStream(Agent(scripted).run_stream_events('Go'), deadlines=deadlines) as stream:
            await stream.get_output()
    assert now() == 60


# Truncation


async def test_a_reply_that_was_cut_off_raises_with_everything_that_came() -> None:
    stream = RunStream(Agent(ScriptedModel(['Half a ', 're', EndEarly()])).run_stream_events('Go'))
    with pytest.raises(StreamTruncated) as raised:
        await read(stream)
    assert raised.value.text == 'Half a re'
    assert raised.value.messages == stream.messages
    assert stream.finish == 'truncated'
    partial = stream.messages[-2]
    assert isinstance(partial, ModelResponse)
    assert (partial.text, partial.state) == ('Half a re', 'interrupted')


async def test_a_reply_that_was_cut_off_can_be_taken_as_it_is() -> None:
    scripted = ScriptedModel(['Half a ', 're', EndEarly()])
    async with RunStream(Agent(scripted).run_stream_events('Go'), on_truncation='mark') as stream:
        events = [event async for event in stream.events()]
    assert (stream.output, stream.finish) == ('Half a re', 'truncated')
    assert [event for event in events if isinstance(event, ResponseTruncatedEvent)]


# Ways out that need no provider


async def test_a_break_stops_the_run_and_keeps_what_came() -> None:
    scripted = model()
    async with RunStream(Agent(scripted).run_stream_events('Go')) as stream:
        async for piece in stream.text():
            if piece == 'two ':
                break
    assert (stream.finish, stream.text_so_far) == ('stopped', 'One two ')
    assert scripted.requests[0].closed_at == 2
    assert ''.join([piece async for piece in stream.text()]) == 'One two '
    with pytest.raises(StreamUsageError, match='stopped before it had an output'):
        _ = stream.output


@pytest.mark.parametrize('how', ['stop', 'break', 'cancel'])
async def test_wherever_it_is_stopped_the_text_is_that_of_the_history(how: str) -> None:
    lengths: set[int] = set()
    for turns in range(0, 140, 3):
        stream = RunStream(Agent(ScriptedModel([str(i) for i in range(10)])).run_stream_events('Go'))

        async def consume(turns: int, stream: RunStream[str]) -> None:
            async with stream:
                for _ in range(turns):
                    await asyncio.sleep(0)
                if how == 'stop':
                    await stream.stop()
                elif how == 'cancel':
                    asyncio.current_task().cancel()  # pyright: ignore[reportOptionalMemberAccess] - this is one
                    await asyncio.sleep(0)

        await asyncio.gather(asyncio.ensure_future(consume(turns, stream)), return_exceptions=True)
        replies = [message.text or '' for message in stream.messages if isinstance(message, ModelResponse)]
        assert ''.join(replies) == stream.text_so_far
        lengths.add(len(stream.text_so_far))
    assert lengths > {0, 5}, 'the sweep has met the run at its beginning and in its middle'


async def test_a_model_that_never_waits_leaves_others_their_turn() -> None:
    async with RunStream(Agent(ScriptedModel(['x'] * 500)).run_stream_events('Go')) as stream:
        seen = 0
        async for _ in stream.text():
            seen += 1
            assert len(stream.text_so_far) <= seen + 2, 'the view keeps up with the model'
    assert seen == 500


async def test_stop_ends_the_views_of_other_tasks() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        reading = asyncio.ensure_future(timeline(stream.text()))
        await asyncio.sleep(2.5)
        await stream.stop()
        assert [piece for _, piece in await reading] == ['One ', 'two ']
        await stream.stop()


async def test_a_tool_that_swallows_its_cancellation_holds_up_no_view_that_has_lost_its_patience() -> None:
    agent = Agent(ScriptedModel(['One ', ToolCall('stay')], ['two.']))

    @agent.tool_plain
    async def stay() -> str:
        until = now() + 100
        while now() < until:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(until - now())
        return 'stayed'

    async with RunStream(agent.run_stream_events('Go')) as stream:
        reading = asyncio.ensure_future(timeline(stream.text()))
        await asyncio.sleep(1)
        await stream.stop(patience=5)
        assert now() == 6
        assert [piece for _, piece in await reading] == ['One ']
        assert stream.finish is None, 'it goes on'
    assert now() == 100, 'who leaves waits for the tool'
    assert (stream.finish, stream.text_so_far) == ('stopped', 'One ')


async def test_cancelling_somebody_who_waits_for_the_output_leaves_the_run_alone() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.get_output(), 2)
        assert stream.finish is None
        assert await stream.get_output() == 'One two three four.'


async def test_an_error_that_nobody_has_seen_is_raised_when_the_context_is_left() -> None:
    with pytest.raises(UnexpectedModelBehavior):
        async with RunStream(picky(ScriptedModel(['bad'], loop=True)).run_stream_events('Go')):
            await asyncio.sleep(60)


async def test_an_error_is_raised_once_and_is_the_same_from_every_view() -> None:
    async with RunStream(picky(ScriptedModel(['bad'], loop=True)).run_stream_events('Go')) as stream:
        errors: list[BaseException] = []
        for ask in (stream.text(), stream.text(smoothing=Smoothing()), stream.events(), stream.thinking()):
            with pytest.raises(UnexpectedModelBehavior) as raised:
                async for _ in ask:
                    pass
            errors.append(raised.value)
        with pytest.raises(UnexpectedModelBehavior) as raised:
            await stream.get_output()
    assert {id(error) for error in errors} == {id(raised.value)}


async def test_an_error_of_the_consumer_is_not_replaced() -> None:
    with pytest.raises(KeyError, match='mine'):
        async with RunStream(Agent(model()).run_stream_events('Go')):
            raise KeyError('mine')


async def test_the_history_of_a_run_that_never_began_is_the_one_it_was_given() -> None:
    given = [ModelRequest.user_text_prompt('Hello'), ModelResponse(parts=[])]
    async with RunStream(Agent(model()).run_stream_events('Go', message_history=given)) as stream:
        pass
    assert stream.messages[0] == given[0]
    assert stream.finish == 'stopped'


async def test_a_partial_reply_is_never_taken_for_the_answer_by_a_run_without_a_prompt() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        async for _ in stream.text():
            break
    second = ScriptedModel(['A whole answer.'])
    result = await Agent(second).run(message_history=stream.messages)
    assert result.output == 'A whole answer.'
    assert len(second.requests) == 1


async def test_a_cancellation_from_inside_the_run_is_not_a_quiet_end() -> None:
    agent = Agent(ScriptedModel([ToolCall('leak')], ['Done.']))

    @agent.tool_plain
    async def leak() -> str:
        raise asyncio.CancelledError

    stream = RunStream(agent.run_stream_events('Go'))
    with pytest.raises(RunCancelled, match='from inside the run'):
        await read(stream)
    assert stream.finish == 'failed'


# The other driver


async def test_run_stream_shows_the_text_too() -> None:
    async with RunStream(Agent(model()).run_stream('Go')) as stream:
        seen = await timeline(stream.text())
        events = [event async for event in stream.events()]
    assert seen == snapshot([(1.0, 'One '), (2.0, 'two '), (3.0, 'three '), (4.0, 'four.')])
    assert {type(event) for event in events} == {PartStartEvent, PartDeltaEvent}
    assert (stream.output, stream.finish, stream.result) == ('One two three four.', 'complete', None)


async def test_run_stream_loses_the_answer_that_comes_after_a_tool() -> None:
    """What pydantic-ai's `run_stream` does by its nature; `run_stream_events` gets it right."""

    def agent() -> Agent[None, str]:
        agent = Agent(ScriptedModel(['Let me check.', ToolCall('check')], ['It is fine.']))
        agent.tool_plain(name='check')(lambda: 'fine')
        return agent

    async with RunStream(agent().run_stream('Go')) as stream:
        assert await stream.get_output() == 'Let me check.'
    async with RunStream(agent().run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'It is fine.'


async def test_run_stream_keeps_the_partial_reply_here() -> None:
    async with RunStream(Agent(model()).run_stream('Go')) as stream:
        async for _ in stream.text():
            break
    partial = stream.messages[-2]
    assert isinstance(partial, ModelResponse)
    assert (partial.text, partial.state) == ('One ', 'interrupted')


async def test_deadlines_hold_while_run_stream_is_entered() -> None:
    """Entering `run_stream` waits for the model's first text; here it happens in the run's own task."""
    scripted = ScriptedModel([Thinking('Hm.'), Stall()])
    deadlines = Deadlines(first=4, idle=4)
    with pytest.raises(StreamTimeout):  # noqa: PT012 - the context is part of it
        async with RunStream(Agent(scripted).run_stream('Go'), deadlines=deadlines) as stream:
            assert now() == 0
            await stream.get_output()
    assert now() == 4


# Bad input


class Whole(Model):
    """A model of somebody who did not write `request_stream`."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return ModelResponse(parts=[TextPart('All at once.')])

    model_name = 'whole'  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride] - a constant will do
    system = 'mine'  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride] - a constant will do


@pytest.mark.parametrize(
    'unable',
    [
        ScriptedModel(['All at once.'], can_stream=False, loop=True),
        FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart('All at once.')])),
        Whole(),
    ],
    ids=lambda unable: type(unable).__name__,
)
@pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])
async def test_a_model_that_cannot_stream_answers_whole_and_says_so(unable: Model, driver: str) -> None:
    run = getattr(Agent(unable), driver)('Go')
    async with RunStream(run) as stream:
        text = ''.join([piece async for piece in stream.text()])
        events = [event async for event in stream.events()]
    assert text == stream.output == 'All at once.'
    whole = [event for event in events if isinstance(event, WholeResponseEvent)]
    assert len(whole) == 1
    assert 'stream' in whole[0].reason.lower()


async def test_what_is_no_run_is_refused_with_what_to_do() -> None:
    agent = Agent(model())
    with pytest.raises(TypeError, match='the call, not the method'):
        RunStream(agent.run_stream_events)  # pyright: ignore[reportCallIssue, reportArgumentType]
    async with agent.run_stream_events('Go') as events:
        with pytest.raises(TypeError, match='enters the run itself'):
            RunStream(events)  # pyright: ignore[reportCallIssue, reportArgumentType]
    no_run: Any = nullcontext(agent)
    with pytest.raises(StreamUsageError, match='yields an Agent'):
        await read(RunStream[Any](no_run))
    with pytest.raises(TypeError, match='not a str'):
        RunStream('Go')  # pyright: ignore[reportCallIssue, reportArgumentType]


async def test_a_run_that_was_consumed_is_refused() -> None:
    run = Agent(model()).run_stream_events('Go')
    async with RunStream(run) as stream:
        await stream.get_output()
    with pytest.raises(StreamUsageError, match='runs once'):
        async with stream:
            pass


async def test_a_run_that_the_program_has_entered_itself_is_refused() -> None:
    run = Agent(model()).run_stream_events('Go')
    async with run as events:
        async for _ in events:
            pass
    with pytest.raises(StreamUsageError, match='entered before'):
        RunStream(run)


async def test_a_stream_that_was_not_entered_says_so() -> None:
    stream = RunStream(Agent(model()).run_stream_events('Go'))
    for ask in (stream.text, stream.thinking, stream.events, lambda: stream.output, lambda: stream.stats):
        with pytest.raises(StreamUsageError, match='async with RunStream'):
            ask()


async def test_an_output_that_is_not_there_yet_says_how_to_wait_for_it() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        with pytest.raises(StreamUsageError, match=r'await stream\.get_output'):
            _ = stream.output


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'on_truncation': 'ignore'}, "use 'raise' or 'mark'"),
        ({'deadlines': 10}, 'use Deadlines'),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        RunStream(Agent(model()).run_stream_events('Go'), **arguments)


async def test_a_smoothing_that_is_none_is_refused() -> None:
    async with RunStream(Agent(model()).run_stream_events('Go')) as stream:
        with pytest.raises(TypeError, match='use Smoothing'):
            stream.text(smoothing=0.2)  # pyright: ignore[reportArgumentType]


# Types


async def test_the_output_type_is_the_agents() -> None:
    scripted = ScriptedModel([ToolCall('final_result', {'number': 7})], loop=True)
    agent = Agent(scripted, output_type=Prime)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        assert_type(stream, RunStream[Prime])
        assert_type(await stream.get_output(), Prime)
    async with RunStream(agent.run_stream('Go', output_type=int | Prime)) as other:
        assert_type(other, RunStream[int | Prime])


@pytest.mark.parametrize('how', ['conversation', 'usage'])
async def test_the_figures_are_those_of_this_run_and_not_of_what_was_used_before(how: str) -> None:
    before = RunUsage(requests=7, input_tokens=1000, output_tokens=5000)
    given: Any = {'conversation': Conversation(usage=before)} if how == 'conversation' else {'usage': before}
    async with RunStream(Agent(model()).run_stream_events('Go', **given)) as stream:
        await stream.get_output()
    assert stream.usage.output_tokens > 5000
    assert (stream.usage.requests, stream.stats.output_tokens) == (8, stream.usage.output_tokens - 5000)
