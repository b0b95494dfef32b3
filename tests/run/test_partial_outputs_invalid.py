"""What a run does at the first part of its output that is invalid: reports, stops, or has the model asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, TypeVar

import pytest
from pydantic import BaseModel, ValidationError, field_validator
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelRequest, RetryFeedbackPart, ToolReturnPart
from pydantic_ai.profiles import ModelProfile

from pydantic_ai_streaming import (
    Deadlines,
    InvalidOutput,
    PartialOutput,
    Recovery,
    RunStream,
    Smoothing,
    StreamUsageError,
)
from pydantic_ai_streaming.capabilities import SmoothText, StreamGuard
from pydantic_ai_streaming.testing import ScriptedModel, Stall, Step, ToolCall


class Task(BaseModel):
    name: str
    hours: int = 1


class Plan(BaseModel):
    title: str
    tasks: list[Task]
    total: int


GOOD = '{"title": "Move", "tasks": [{"name": "Pack", "hours": 3}, {"name": "Drive", "hours": 5}], "total": 8}'
REST = ', {"name": "Drive", "hours": 5}], "total": 8, "notes": "' + 'and so on, ' * 30 + '"}'
BAD = '{"title": "Move", "tasks": [{"name": "Pack", "hours": "many"}' + REST
PLAN = Plan(title='Move', tasks=[Task(name='Pack', hours=3), Task(name='Drive', hours=5)], total=8)
INVALID_AT = BAD.index('"many"') + len('"many"')

T = TypeVar('T')

WAYS: dict[str, Any] = {
    'tool': ToolOutput(Plan),
    'native': NativeOutput(Plan),
    'prompted': PromptedOutput(Plan),
}
every_way = pytest.mark.parametrize('way', WAYS)


def response(way: str, text: str) -> list[Step | str]:
    if way == 'tool':
        return [ToolCall('final_result', text, pieces=4)]
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def scripted(way: str, *texts: str, retries: int = 1) -> tuple[Agent[None, Plan], ScriptedModel]:
    model = ScriptedModel(*(response(way, text) for text in texts))
    return Agent(model, output_type=WAYS[way], retries=retries), model


async def kept(view: AsyncIterator[T], seen: list[T]) -> AsyncIterator[T]:
    async for item in view:
        seen.append(item)
        yield item


async def end_of(view: AsyncIterator[object]) -> Exception | None:
    try:
        async for _ in view:
            pass
    except Exception as error:
        return error
    return None


# Report


@every_way
async def test_what_is_invalid_is_reported_at_once_and_the_run_goes_on(way: str) -> None:
    agent, model = scripted(way, BAD, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs()]
    first = next(partial for partial in seen if partial.errors)
    assert INVALID_AT <= first.received < INVALID_AT + 4
    assert (first.errors[0].path, first.errors[0].type) == (('tasks', 0, 'hours'), 'int_parsing')
    assert first.state('tasks.0.hours') == 'invalid'
    assert first.state('title') == 'complete'
    # pydantic-ai has asked again at the end of the response.
    assert [partial.attempt for partial in seen] == sorted(partial.attempt for partial in seen)
    assert (seen[-1].value, seen[-1].attempt, len(model.requests)) == (PLAN, 2, 2)
    assert [request.closed for request in model.requests] == ['complete', 'complete']


# Stop


@every_way
@pytest.mark.parametrize('method', ['run_stream_events', 'run_stream'])
async def test_stop_ends_the_run_where_the_output_becomes_invalid(way: str, method: str) -> None:
    agent, model = scripted(way, BAD)
    stream = RunStream[Plan](getattr(agent, method)('Go'))
    seen: list[PartialOutput[Plan]] = []
    async with stream:
        error = await end_of(kept(stream.partial_outputs(on_invalid='stop'), seen))
    assert isinstance(error, InvalidOutput)
    assert stream.finish == 'invalid'
    assert [request.closed for request in model.requests] == ['left']
    assert error.path == ('tasks', 0, 'hours')
    assert isinstance(error.error, ValidationError)
    assert error.value == seen[-1].value
    assert error.value.title == 'Move'
    assert INVALID_AT <= error.received < INVALID_AT + 4
    assert error.received < len(BAD) * 0.25, 'the rest was never asked for'
    assert 'tasks[0].hours' in str(error)
    assert (error.text, list(error.messages), error.usage) == (stream.text_so_far, stream.messages, stream.usage)
    # Each view ends with it, also one that is opened now.
    views = (stream.partial_outputs(), stream.items('tasks'), stream.text(), stream.events())
    assert [await end_of(view) for view in views] == [error] * len(views)
    with pytest.raises(InvalidOutput):
        _ = stream.output


@every_way
async def test_a_next_run_goes_on_from_what_was_stopped(way: str) -> None:
    agent, _ = scripted(way, BAD, GOOD, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        assert isinstance(await end_of(stream.partial_outputs(on_invalid='stop')), InvalidOutput)
    for prompt in ('Again, with numbers.', None):
        result = await agent.run(prompt, message_history=stream.messages)
        assert result.output == PLAN


async def test_the_error_is_raised_at_the_end_of_the_context_if_nobody_has_seen_it() -> None:
    agent, _ = scripted('tool', BAD)
    stream = RunStream(agent.run_stream_events('Go'))
    with pytest.raises(InvalidOutput):
        await watch_without_reading(stream)


async def watch_without_reading(stream: RunStream[Plan]) -> None:
    async with stream:
        stream.partial_outputs(on_invalid='stop')
        while stream.finish is None:  # noqa: ASYNC110 - the point is to look from outside, without a view
            await asyncio.sleep(0.001)


async def test_stop_leaves_a_valid_output_alone() -> None:
    agent, model = scripted('tool', GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='stop')]
    assert (seen[-1].value, stream.finish, model.requests[0].closed) == (PLAN, 'complete', 'complete')


async def test_prose_with_braces_before_a_tool_call_is_no_invalid_output() -> None:
    prose = 'I fill {} and {"title": 3} in, like ```json\n{"title": 3}\n```: '
    for on_invalid in ('stop', 'retry'):
        agent = Agent(ScriptedModel([prose, *response('tool', GOOD)]), output_type=Plan)
        async with RunStream(agent.run_stream_events('Go')) as stream:
            seen = [partial async for partial in stream.partial_outputs(on_invalid=on_invalid)]
        assert seen[-1].value == PLAN
        assert seen[-1].attempt == 1


async def test_a_policy_that_comes_late_does_not_judge_the_attempts_before() -> None:
    for on_invalid in ('stop', 'retry'):
        agent, model = scripted('tool', BAD, GOOD)
        async with RunStream(agent.run_stream_events('Go')) as stream:
            async for partial in stream.partial_outputs():
                if partial.attempt == 2:
                    break
            seen = [partial async for partial in stream.partial_outputs(on_invalid=on_invalid)]
        assert (seen[-1].value, stream.finish, len(model.requests)) == (PLAN, 'complete', 2)


async def test_a_policy_that_comes_late_judges_what_has_come_of_the_document() -> None:
    model = ScriptedModel([ToolCall('final_result', BAD, pieces=4), Stall()])
    agent = Agent(model, output_type=Plan)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        async for partial in stream.partial_outputs():
            if partial.errors:
                break
        assert isinstance(await end_of(stream.partial_outputs(on_invalid='stop')), InvalidOutput)
    assert stream.finish == 'invalid'


async def test_two_policies_in_one_run_are_refused() -> None:
    agent, _ = scripted('tool', GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        stream.partial_outputs(on_invalid='stop')
        stream.partial_outputs(on_invalid='stop')
        with pytest.raises(StreamUsageError, match="has on_invalid='stop'"):
            stream.partial_outputs(on_invalid='retry')
        await stream.get_output()


# Retry


@every_way
async def test_retry_has_the_model_asked_again_without_waiting_for_the_rest(way: str) -> None:
    agent, model = scripted(way, BAD, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert (stream.finish, stream.output, stream.usage.requests) == ('complete', PLAN, 2)
    assert [request.closed for request in model.requests] == ['left', 'complete']
    assert seen[-1].attempt == 2
    rejected = [partial for partial in seen if partial.attempt == 1]
    assert rejected[-1].errors[0].path == ('tasks', 0, 'hours')
    assert rejected[-1].received < INVALID_AT + 4
    feedback = feedback_in(stream.messages)
    assert len(feedback) == 1
    assert 'tasks[0].hours: Input should be a valid integer' in feedback[0]


def feedback_in(messages: Sequence[ModelMessage]) -> list[str]:
    return [
        str(part.content)
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, RetryFeedbackPart) or (isinstance(part, ToolReturnPart) and part.outcome == 'retried')
    ]


# Documents that end before they are complete


SHORT = GOOD[:-1]


@every_way
@pytest.mark.parametrize('on_invalid', ['report', 'retry'])
async def test_a_document_that_ends_too_early_is_reported_once_and_followed_by_the_next_attempt(
    way: str, on_invalid: Literal['report', 'retry']
) -> None:
    agent, model = scripted(way, SHORT, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid=on_invalid)]
    rejected = [partial for partial in seen if partial.attempt == 1]
    assert [error.type for partial in rejected for error in partial.errors] == ['json_invalid']
    assert 'not complete' in rejected[-1].errors[0].message
    assert rejected[-1].value.tasks == PLAN.tasks
    assert (seen[-1].value, seen[-1].attempt, len(model.requests)) == (PLAN, 2, 2)
    if on_invalid == 'retry':
        assert len(feedback_in(stream.messages)) == 1
        assert 'the document is not complete' in feedback_in(stream.messages)[0]


@every_way
async def test_a_document_that_ends_too_early_stops_the_run_that_is_to_be_stopped(way: str) -> None:
    agent, model = scripted(way, SHORT, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        error = await end_of(stream.partial_outputs(on_invalid='stop'))
    assert isinstance(error, InvalidOutput)
    assert (error.received, stream.finish, len(model.requests)) == (len(SHORT), 'invalid', 1)


async def test_a_document_that_was_left_where_it_became_invalid_is_not_blamed_for_its_end() -> None:
    agent, _ = scripted('tool', BAD, GOOD)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert {error.type for partial in seen for error in partial.errors} == {'int_parsing'}


async def test_text_beside_a_call_is_no_document_that_ends_too_early() -> None:
    model = ScriptedModel(['{"title": "So', ToolCall('look', {})], response('native', GOOD))
    agent = Agent(model, output_type=NativeOutput(Plan))
    agent.tool_plain(look)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='stop')]
    assert not any(partial.errors for partial in seen)
    assert seen[-1].value == PLAN


def look() -> str:
    return 'nothing'


@every_way
async def test_retries_that_are_used_up_end_the_run_as_pydantic_ai_ends_it(way: str) -> None:
    agent, model = scripted(way, BAD, BAD, BAD, retries=2)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        error = await end_of(stream.partial_outputs(on_invalid='retry'))
    assert isinstance(error, UnexpectedModelBehavior)
    assert not isinstance(error, InvalidOutput)
    assert 'maximum output retries (2)' in str(error)
    assert (stream.finish, len(model.requests)) == ('failed', 3)


async def test_retry_and_output_validators_count_against_the_same_retries() -> None:
    agent, model = scripted('tool', BAD, GOOD, GOOD.replace('8', '9'), retries=2)

    @agent.output_validator
    def check(plan: Plan) -> Plan:
        if plan.total == 8:
            raise ModelRetry('Nine, please.')
        return plan

    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert (seen[-1].value.total, seen[-1].attempt, len(model.requests)) == (9, 3, 3)


@pytest.mark.parametrize('on_invalid', ['stop', 'retry'])
async def test_an_error_in_arguments_that_come_whole_counts_too(on_invalid: Literal['stop', 'retry']) -> None:
    bad = {'title': 'Move', 'tasks': [{'name': 'Pack', 'hours': 'many'}], 'total': 8}
    model = ScriptedModel([ToolCall('final_result', bad, pieces='mapping')], response('tool', GOOD))
    async with RunStream(Agent(model, output_type=Plan).run_stream_events('Go')) as stream:
        error = await end_of(stream.partial_outputs(on_invalid=on_invalid))
    if on_invalid == 'stop':
        assert isinstance(error, InvalidOutput)
        assert (stream.finish, error.path) == ('invalid', ('tasks', 0, 'hours'))
    else:
        assert (error, stream.finish, len(model.requests)) == (None, 'complete', 2)


async def test_half_of_a_surrogate_pair_in_arguments_that_come_as_a_dict_is_invalid_and_breaks_nothing() -> None:
    call = ToolCall('final_result', {'title': 'half \ud83d', 'tasks': [], 'total': 0}, pieces='mapping')
    stream = RunStream(Agent(ScriptedModel([call]), output_type=Plan).run_stream_events('Go'))
    async with stream:
        error = await end_of(stream.partial_outputs(on_invalid='stop'))
        assert await end_of(stream.tool_calls()) is error
    assert isinstance(error, InvalidOutput)
    assert 'one half of a surrogate pair' in str(error)


async def test_run_stream_cannot_ask_again_and_says_so_at_the_call() -> None:
    agent, _ = scripted('tool', GOOD)
    async with RunStream(agent.run_stream('Go')) as stream:
        with pytest.raises(StreamUsageError, match=r'run_stream_events'):
            stream.partial_outputs(on_invalid='retry')
        assert await stream.get_output() == PLAN


async def test_a_validator_of_the_type_that_fails_is_found_in_the_chunk_of_its_value() -> None:
    class Pin(BaseModel):
        code: str
        notes: str

        @field_validator('code')
        @classmethod
        def four_digits(cls, code: str) -> str:
            if len(code) != 4:
                raise ValueError('four digits')
            return code

    document = '{"code": "123", "notes": "' + 'long ' * 50 + '"}'
    model = ScriptedModel([ToolCall('final_result', document, pieces=4)])
    async with RunStream(Agent(model, output_type=Pin).run_stream_events('Go')) as stream:
        error = await end_of(stream.partial_outputs(on_invalid='stop'))
    assert isinstance(error, InvalidOutput)
    assert (error.path, error.received < 20) == (('code',), True)


@pytest.mark.parametrize(('mode', 'stopped'), [('native', True), ('prompted', True), ('tool', False)])
async def test_text_is_judged_where_the_model_was_asked_for_text(mode: Any, stopped: bool) -> None:
    profile = ModelProfile(
        default_structured_output_mode=mode, supports_json_schema_output=True, supports_json_object_output=True
    )
    model = ScriptedModel(response('text', BAD), response('text', GOOD), profile=profile)
    async with RunStream(Agent(model, output_type=Plan).run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert (seen[-1].value, seen[-1].attempt) == (PLAN, 2)
    assert model.requests[0].closed == ('left' if stopped else 'complete')


@every_way
@pytest.mark.parametrize('recovery', [None, Recovery(by='restart')])
async def test_a_response_that_was_left_is_not_cut_off_for_the_guard_of_its_agent(
    way: str, recovery: Recovery | None
) -> None:
    model = ScriptedModel(response(way, BAD), response(way, GOOD))
    agent = Agent(model, output_type=WAYS[way], capabilities=[StreamGuard(recovery=recovery)])
    async with RunStream(agent.run_stream_events('Go')) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert (seen[-1].value, seen[-1].attempt, len(model.requests)) == (PLAN, 2, 2)
    assert len(feedback_in(stream.messages)) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize('guarded', [False, True])
async def test_a_response_that_is_waited_for_already_is_left_at_once(guarded: bool) -> None:
    """A capability reads ahead, and what it waits for may never come."""
    limits = Deadlines(idle=5)
    model = ScriptedModel(['{"name": "Pack", "hours"', ': "ma', 'ny", ', Stall()], ['{"name": "Pack"}'], gap=0.1)
    ahead = SmoothText(Smoothing(by='word'))
    agent = Agent(
        model, output_type=NativeOutput(Task), capabilities=[ahead, *([StreamGuard(limits)] if guarded else [])]
    )
    async with RunStream(agent.run_stream_events('Go'), deadlines=limits) as stream:
        seen = [partial async for partial in stream.partial_outputs(on_invalid='retry')]
    assert (seen[-1].value, len(feedback_in(stream.messages))) == (Task(name='Pack'), 1)
    assert asyncio.get_running_loop().time() < 1
