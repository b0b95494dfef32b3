"""A response that breaks off goes on: what is asked, what is seen of it, and what the history keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelConnectionError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ThinkingPart, UserPromptPart

from pydantic_ai_streaming import (
    Chat,
    Deadlines,
    Recovery,
    Retraction,
    RunStream,
    StreamRecoveredEvent,
    StreamTimeout,
    StreamTruncated,
    run_stream_sync,
)
from pydantic_ai_streaming.capabilities import SmoothText
from pydantic_ai_streaming.reduce.history import INTERRUPTED
from pydantic_ai_streaming.reduce.recovery import GO_ON
from pydantic_ai_streaming.testing import (
    EndEarly,
    Fail,
    Finish,
    Response,
    ScriptedModel,
    Stall,
    Step,
    Thinking,
    ToolCall,
    Usage,
)

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]

LIMITS = Deadlines(first=3, idle=2, total=60)
BEGUN = ['The quick ', 'brown fox ']
WHOLE = 'The quick brown fox jumps.'


def cut() -> Fail:
    return Fail(ModelConnectionError('scripted', 'Connection error.'))


BREAKS: dict[str, Step] = {'stall': Stall(), 'cut': cut(), 'truncated': EndEarly()}
every_break = pytest.mark.parametrize('broke', BREAKS)
every_driver = pytest.mark.parametrize('driver', ['run_stream_events', 'run_stream'])


def texts(messages: Sequence[ModelMessage]) -> list[str]:
    return [''.join(str(getattr(part, 'content', part.part_kind)) for part in message.parts) for message in messages]


async def read(stream: RunStream[Any]) -> list[str]:
    """The pieces that were shown; what a retraction takes back stands in brackets."""
    return [f'[{piece.event.text}]' if isinstance(piece, Retraction) else piece async for piece in stream.text()]


def recovered(stream: RunStream[Any]) -> list[StreamRecoveredEvent]:
    return [event for _, event in stream.events().take(10_000) if isinstance(event, StreamRecoveredEvent)]


@every_break
@every_driver
async def test_before_the_first_content_the_model_is_asked_again_and_nothing_shows(broke: str, driver: str) -> None:
    model = ScriptedModel([BREAKS[broke]], [WHOLE])
    run = getattr(Agent(model), driver)('Go')
    async with RunStream(run, deadlines=LIMITS, recovery=Recovery(by='retry')) as stream:
        assert await read(stream) == [WHOLE]
    assert (stream.finish, stream.output, len(model.requests)) == ('complete', WHOLE, 2)
    assert texts(stream.messages) == ['Go', WHOLE]


@every_break
async def test_a_retry_is_none_once_something_was_shown(broke: str) -> None:
    model = ScriptedModel([*BEGUN, BREAKS[broke]], [WHOLE])
    stream = RunStream(Agent(model).run_stream_events('Go'), deadlines=LIMITS, recovery=Recovery(by='retry'))
    with pytest.raises((StreamTimeout, StreamTruncated, ModelConnectionError)):
        async with stream:
            await read(stream)
    assert len(model.requests) == 1
    assert texts(stream.messages) == ['Go', ''.join(BEGUN), INTERRUPTED]


@every_break
@every_driver
async def test_a_restart_takes_back_what_was_shown_and_the_history_has_the_second_reply(
    broke: str, driver: str
) -> None:
    model = ScriptedModel([*BEGUN, BREAKS[broke]], [WHOLE])
    run = getattr(Agent(model), driver)('Go')
    async with RunStream(run, deadlines=LIMITS, recovery=Recovery(by='restart')) as stream:
        assert await read(stream) == [*BEGUN, f'[{"".join(BEGUN)}]', WHOLE]
    assert (stream.finish, stream.output, len(model.requests)) == ('complete', WHOLE, 2)
    assert stream.text_so_far == ''.join(BEGUN) + WHOLE
    assert texts(stream.messages) == ['Go', WHOLE]
    event = recovered(stream)[0]
    assert (event.step, event.broke, event.request) == ('restart', broke, 2)


@every_break
@every_driver
@pytest.mark.parametrize('more', [['jumps.'], ['quick brown fox ', 'jumps.'], ['The ', 'quick brown', ' fox jumps.']])
async def test_a_continuation_keeps_what_was_shown_and_repeats_nothing(
    broke: str, driver: str, more: list[str]
) -> None:
    model = ScriptedModel([*BEGUN, BREAKS[broke]], more)
    run = getattr(Agent(model), driver)('Go')
    async with RunStream(run, deadlines=LIMITS, recovery=Recovery(by='continue')) as stream:
        assert ''.join(await read(stream)) == WHOLE
    assert (stream.finish, stream.output, len(model.requests)) == ('complete', WHOLE, 2)
    # One whole reply, as if nothing had happened; what was asked in between was asked of the provider only.
    assert texts(stream.messages) == ['Go', WHOLE]
    assert texts(model.requests[1].messages) == ['Go', ''.join(BEGUN), GO_ON]
    assert recovered(stream)[0].step == 'continue' if driver == 'run_stream_events' else True


async def test_a_model_that_thinks_again_before_it_goes_on_grows_a_second_text() -> None:
    model = ScriptedModel([Thinking('Hm. '), *BEGUN, cut()], [Thinking('Where was I? '), 'The quick brown fox jumps.'])
    async with RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery()) as stream:
        assert ''.join(await read(stream)) == WHOLE
    last = stream.messages[-1]
    assert isinstance(last, ModelResponse)
    assert last.parts == [
        ThinkingPart('Hm. '),
        TextPart(''.join(BEGUN)),
        ThinkingPart('Where was I? '),
        TextPart('jumps.'),
    ]


async def test_a_model_that_begins_with_all_that_it_has_said_before_it_thought_again_repeats_nothing() -> None:
    model = ScriptedModel(
        ['The quick ', cut()],
        [Thinking('Hm. '), 'brown fox ', cut()],
        [Thinking('Well. '), 'The quick brown fox jumps.'],
    )
    async with RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery(requests=3)) as stream:
        assert ''.join(await read(stream)) == WHOLE


async def test_a_continuation_may_break_off_too() -> None:
    model = ScriptedModel(['The quick ', cut()], ['brown fox ', Stall()], ['jumps.'])
    async with RunStream(
        Agent(model).run_stream_events('Go'), deadlines=LIMITS, recovery=Recovery(requests=3)
    ) as stream:
        assert ''.join(await read(stream)) == WHOLE
    assert texts(model.requests[2].messages) == ['Go', 'The quick brown fox ', GO_ON]
    last = stream.messages[-1]
    assert isinstance(last, ModelResponse)
    assert len(last.failed_attempts or ()) == 2


@pytest.mark.parametrize('recovery', [None, Recovery(by='restart'), Recovery(by='continue')])
@every_driver
async def test_a_connection_that_is_cut_after_the_finish_reason_has_brought_all(
    recovery: Recovery | None, driver: str
) -> None:
    model = ScriptedModel([WHOLE, Finish(), cut()])
    async with RunStream(getattr(Agent(model), driver)('Go'), recovery=recovery) as stream:
        assert await read(stream) == [WHOLE]
    assert (stream.finish, stream.output, len(model.requests)) == ('complete', WHOLE, 1)
    assert texts(stream.messages) == ['Go', WHOLE]


async def test_run_stream_takes_back_what_was_shown_though_smoothing_held_back_the_rest() -> None:
    model = ScriptedModel([*BEGUN, cut()], [*BEGUN, 'jumps.'])
    agent = Agent(model, capabilities=[SmoothText()])
    async with RunStream(agent.run_stream('Go'), recovery=Recovery(by='restart')) as stream:
        screen = ''
        async for piece in stream.text():
            if isinstance(piece, Retraction):
                assert screen.endswith(piece.event.text)
                screen = screen.removesuffix(piece.event.text)
            screen += piece
    assert screen == WHOLE


@pytest.mark.parametrize('by', ['restart', 'continue'])
@pytest.mark.parametrize('second', [[cut()], ['', cut()]])
async def test_when_every_request_has_failed_nothing_that_came_is_lost(by: Any, second: list[Step | str]) -> None:
    model = ScriptedModel([*BEGUN, cut()], second, loop=True)
    stream = RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery(by=by))
    with pytest.raises(ModelConnectionError):
        async with stream:
            await read(stream)
    assert len(model.requests) == 2
    assert stream.text_so_far == ''.join(BEGUN)
    assert texts(stream.messages) == ['Go', ''.join(BEGUN), INTERRUPTED]


@every_break
@pytest.mark.parametrize('more', ['jumps ', 'brown fox ', 'brown fox jumps '])
async def test_a_continuation_that_is_the_last_and_breaks_off_shows_nothing_twice(broke: str, more: str) -> None:
    model = ScriptedModel([*BEGUN, cut()], [more, BREAKS[broke]])
    run = Agent(model).run_stream_events('Go')
    stream = RunStream(run, deadlines=LIMITS, recovery=Recovery(by='continue'))
    with pytest.raises((StreamTimeout, StreamTruncated, ModelConnectionError)):
        async with stream:
            await read(stream)
    assert 'The quick brown fox jumps '.startswith(stream.text_so_far)
    assert texts(stream.messages) == ['Go', stream.text_so_far, INTERRUPTED]


@pytest.mark.parametrize('by', ['restart', 'continue'])
async def test_a_stall_that_is_not_recovered_tells_its_phase_and_carries_the_text(by: Any) -> None:
    model = ScriptedModel([*BEGUN, Stall()], [Stall()])
    stream = RunStream(Agent(model).run_stream_events('Go'), deadlines=LIMITS, recovery=Recovery(by=by))
    with pytest.raises(StreamTimeout) as caught:
        async with stream:
            await read(stream)
    assert (caught.value.phase, caught.value.text, stream.finish) == ('first', ''.join(BEGUN), 'timed_out')
    assert texts(caught.value.messages) == ['Go', ''.join(BEGUN), INTERRUPTED]


async def test_total_is_the_limit_over_all_requests() -> None:
    model = ScriptedModel([*BEGUN, Stall()], loop=True)
    began = asyncio.get_running_loop().time()
    stream = RunStream(
        Agent(model).run_stream_events('Go'),
        deadlines=Deadlines(idle=2, total=5),
        recovery=Recovery(by='restart', requests=100),
    )
    with pytest.raises(StreamTimeout) as caught:
        async with stream:
            await read(stream)
    assert (caught.value.phase, asyncio.get_running_loop().time() - began) == ('total', pytest.approx(5))
    assert len(model.requests) == 3


@pytest.mark.parametrize('by', ['restart', 'continue'])
async def test_a_tool_that_has_run_is_not_run_again(by: Any) -> None:
    model = ScriptedModel([ToolCall('look', {})], [*BEGUN, cut()], [WHOLE])
    agent = Agent(model)
    runs: list[str] = []

    @agent.tool_plain
    async def look() -> str:
        runs.append('look')
        return 'seen'

    async with RunStream(agent.run_stream_events('Go'), recovery=Recovery(by=by)) as stream:
        assert await stream.get_output() == WHOLE
    assert (runs, len(model.requests)) == (['look'], 3)
    assert texts(stream.messages)[-1] == WHOLE


async def test_a_call_that_breaks_off_is_begun_anew_and_runs_once() -> None:
    model = ScriptedModel(
        ['Let me look. ', ToolCall('look', pieces=['{"what": ', '"bo']), cut()],
        [ToolCall('look', {'what': 'boats'})],
        [WHOLE],
    )
    agent = Agent(model)
    asked: list[str] = []

    @agent.tool_plain
    async def look(what: str) -> str:
        asked.append(what)
        return 'seen'

    async with RunStream(agent.run_stream_events('Go'), recovery=Recovery(by='continue')) as stream:
        calls = [call async for call in stream.tool_calls()]
        assert stream.output == WHOLE
    assert asked == ['boats']
    assert [event.step for event in recovered(stream)] == ['restart']
    # Never `called`: its arguments were not whole.
    assert list(dict.fromkeys(call.state for call in calls if call.number == 0)) == ['calling', 'unfinished']


async def test_another_model_goes_on_with_the_messages_made_for_it() -> None:
    own, second, third = ScriptedModel([*BEGUN, cut()]), ScriptedModel([cut()]), ScriptedModel(['jumps.'])
    recovery = Recovery(fallback=[second, third])
    async with RunStream(Agent(own).run_stream_events('Go'), recovery=recovery) as stream:
        assert ''.join(await read(stream)) == WHOLE
    assert [len(model.requests) for model in (own, second, third)] == [1, 1, 1]
    assert texts(third.requests[0].messages) == ['Go', ''.join(BEGUN), GO_ON]


async def test_the_usage_of_every_request_counts_and_the_run_counts_one() -> None:
    broken = Response([*BEGUN, Usage(input_tokens=5, output_tokens=3), cut()])
    model = ScriptedModel(broken, Response(['jumps.', Usage(input_tokens=9, output_tokens=1)]))
    async with RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery()) as stream:
        await stream.get_output()
    assert (stream.usage.input_tokens, stream.usage.output_tokens, stream.usage.requests) == (14, 4, 1)


class Movie(BaseModel):
    title: str
    year: int


async def test_a_structured_output_begins_anew_and_is_not_called_invalid() -> None:
    document = '{"title": "Dune", "year": 1965}'
    model = ScriptedModel(
        [ToolCall('final_result', pieces=[document[:14]]), Stall()], [ToolCall('final_result', document, pieces=5)]
    )
    agent = Agent(model, output_type=Movie)
    async with RunStream(agent.run_stream_events('Go'), deadlines=LIMITS, recovery=Recovery()) as stream:
        partials = [partial async for partial in stream.partial_outputs(on_invalid='stop')]
    assert stream.output == Movie(title='Dune', year=1965)
    assert not any(partial.errors for partial in partials)
    assert len(model.requests) == 2


async def test_a_stream_that_is_left_while_it_recovers_keeps_all_and_leaves_nothing() -> None:
    model = ScriptedModel([*BEGUN, cut()], [Stall()])
    async with RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery()) as stream:
        async for event in stream.events():
            if isinstance(event, StreamRecoveredEvent):
                break
        await asyncio.sleep(1)
        assert texts(stream.messages) == ['Go', ''.join(BEGUN), INTERRUPTED]
    assert stream.finish == 'stopped'
    assert texts(stream.messages) == ['Go', ''.join(BEGUN), INTERRUPTED]


async def test_stopped_before_run_stream_has_begun_the_history_has_nothing_of_the_recovery() -> None:
    model = ScriptedModel(['Let me think. ', cut()], [Stall()])
    agent = Agent(model, output_type=Movie)
    async with RunStream(agent.run_stream('Go'), recovery=Recovery()) as stream:
        await asyncio.sleep(1)
    assert len(model.requests) == 2
    assert texts(stream.messages) == ['Go', 'Let me think. ', INTERRUPTED]


async def test_a_program_error_is_not_recovered_from() -> None:
    model = ScriptedModel([*BEGUN, Fail(ValueError('a bug'))], [WHOLE])
    stream = RunStream(Agent(model).run_stream_events('Go'), recovery=Recovery())
    with pytest.raises(ValueError, match='a bug'):
        async with stream:
            await read(stream)
    assert len(model.requests) == 1


async def test_a_turn_of_a_chat_recovers_and_the_conversation_has_one_whole_reply() -> None:
    model = ScriptedModel([*BEGUN, Stall()], ['jumps.'], [*BEGUN, Stall()], [WHOLE])
    chat = Chat(Agent(model), deadlines=LIMITS, recovery=Recovery())
    async with chat.send('Go') as stream:
        assert await stream.get_output() == WHOLE
    async with chat.send('Again', recovery=Recovery(by='restart')) as stream:
        assert await stream.get_output() == WHOLE
    assert texts(chat.messages) == ['Go', WHOLE, 'Again', WHOLE]
    assert all(
        not isinstance(part, UserPromptPart) or part.content != GO_ON
        for message in chat.messages
        if isinstance(message, ModelRequest)
        for part in message.parts
    )


def test_without_await_too() -> None:
    model = ScriptedModel([*BEGUN, cut()], ['jumps.'])
    with run_stream_sync(Agent(model).run_stream_events('Go'), recovery=Recovery()) as stream:
        assert ''.join(stream.text()) == WHOLE


async def test_what_is_no_recovery_is_refused() -> None:
    with pytest.raises(TypeError, match='recovery='):
        RunStream(Agent(ScriptedModel(['x'])).run_stream_events('Go'), recovery='continue')  # pyright: ignore[reportArgumentType, reportCallIssue]
