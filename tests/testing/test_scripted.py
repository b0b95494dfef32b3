"""A scripted model behaves as a provider's client does, in content, in time and in failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryImage, FilePart, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.exceptions import ModelHTTPError, ModelTimeoutError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.usage import RequestUsage

from pydantic_ai_streaming.testing import (
    EndEarly,
    Fail,
    Finish,
    Hang,
    KeepAlive,
    Part,
    Response,
    ScriptedModel,
    ScriptEndedError,
    Stall,
    Text,
    Thinking,
    ToolCall,
    Usage,
)

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


def now() -> float:
    return asyncio.get_running_loop().time()


def event_text(event: object) -> str | None:
    match event:
        case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case _:
            return None


async def texts(model: ScriptedModel, **arguments: Any) -> AsyncGenerator[tuple[float, str]]:
    """The pieces of text of a run and the times at which they came."""
    async with Agent(model).run_stream_events('Hello?', **arguments) as events:
        async for event in events:
            text = event_text(event)
            if text is not None:
                yield now(), text


async def timeline(model: ScriptedModel, **arguments: Any) -> list[tuple[float, str]]:
    return [item async for item in texts(model, **arguments)]


async def last_response(model: ScriptedModel) -> ModelResponse:
    async with Agent(model).run_stream_events('Hello?') as events:
        async for _ in events:
            pass
        response = events.all_messages()[-1]
    assert isinstance(response, ModelResponse)
    return response


def closed(model: ScriptedModel) -> list[tuple[float | None, str | None, int]]:
    return [(request.closed_at, request.closed, request.pieces) for request in model.requests]


async def test_each_piece_comes_after_its_gap() -> None:
    model = ScriptedModel(['Hello ', Text('slow ', wait=2), 'world'], gap=0.1)
    assert await timeline(model) == snapshot([(0.1, 'Hello '), (2.1, 'slow '), (2.2, 'world')])
    assert closed(model) == [(2.2, 'complete', 3)]


async def test_a_response_may_have_its_own_gap() -> None:
    model = ScriptedModel(Response(['a', 'b'], gap=1), 'c', gap=0.1)
    assert await timeline(model) == snapshot([(1.0, 'a'), (2.0, 'b')])
    assert await timeline(model) == snapshot([(2.1, 'c')])


async def test_run_waits_as_long_as_the_stream_would_and_gets_the_whole() -> None:
    model = ScriptedModel(['It is ', 'sunny.'], gap=0.5)
    result = await Agent(model).run('Weather?')
    assert (now(), result.output, result.usage.output_tokens) == (1.0, 'It is sunny.', 2)
    assert [(request.streamed, request.closed) for request in model.requests] == [(False, 'complete')]


@pytest.mark.parametrize('pieces', [None, 1, 5, 1000, ['{"city":', ' "Paris"}', ''], 'mapping'])
async def test_a_tool_is_called_with_the_same_arguments_however_they_arrive(pieces: Any) -> None:
    model = ScriptedModel([ToolCall('weather', {'city': 'Paris'}, pieces=pieces)], 'done', gap=0.1)
    agent = Agent(model)
    asked: list[str] = []

    @agent.tool_plain
    def weather(city: str) -> str:
        asked.append(city)
        return 'sunny'

    async with agent.run_stream_events('Weather?') as events:
        async for _ in events:
            pass
        assert events.result is not None
        assert (asked, events.result.output) == (['Paris'], 'done')
    assert [request.closed for request in model.requests] == ['complete', 'complete']


def noop() -> None: ...


class City(BaseModel):
    name: str


async def test_arguments_in_pieces_stream_after_the_name() -> None:
    model = ScriptedModel([ToolCall('final_result', '{"name": "Rome"}', pieces=6)], gap=0.1)
    async with Agent(model, output_type=City).run_stream_events('Where?') as events:
        seen = [(now(), type(event).__name__) async for event in events]
        assert events.result is not None
        assert events.result.output == City(name='Rome')
    assert seen == snapshot(
        [
            (0.1, 'PartStartEvent'),
            (0.1, 'FinalResultEvent'),
            (0.2, 'PartDeltaEvent'),
            (0.3, 'PartDeltaEvent'),
            (0.4, 'PartDeltaEvent'),
            (0.4, 'PartEndEvent'),
            (0.4, 'OutputToolCallEvent'),
            (0.4, 'OutputToolResultEvent'),
            (0.4, 'AgentRunResultEvent'),
        ]
    )


async def test_run_stream_sees_the_partial_values() -> None:
    model = ScriptedModel([ToolCall('final_result', {'name': 'Rome'}, pieces=11)], gap=1)
    async with Agent(model, output_type=City).run_stream('Where?') as result:
        values = [(now(), city.name) async for city in result.stream_output(debounce_by=None)]
    assert values == snapshot([(2.0, 'R'), (3.0, 'Rome'), (3.0, 'Rome')])


async def test_pieces_of_one_kind_in_a_row_are_one_part() -> None:
    image = FilePart(BinaryImage(b'png', media_type='image/png'))
    script = [Thinking('let '), Thinking('me'), Thinking(signature='sig'), 'a', 'b', Part(image), 'c']
    response = await last_response(ScriptedModel(script))
    assert [part.part_kind for part in response.parts] == ['thinking', 'text', 'file', 'text']
    thinking = response.parts[0]
    assert thinking.part_kind == 'thinking'
    assert (thinking.content, thinking.signature, thinking.provider_name) == ('let me', 'sig', 'scripted')


async def test_call_ids_are_unique_over_the_life_of_the_model() -> None:
    model = ScriptedModel([ToolCall('noop'), ToolCall('noop', tool_call_id='mine')], ToolCall('noop'), 'done')
    agent = Agent(model)
    agent.tool_plain(noop)
    messages = (await agent.run('Go')).all_messages()
    responses = [message for message in messages if isinstance(message, ModelResponse)]
    assert [call.tool_call_id for response in responses for call in response.tool_calls] == ['call_1', 'mine', 'call_2']


@pytest.mark.parametrize(
    ('script', 'finish', 'details'),
    [
        (['a'], 'stop', {'finish_reason': 'stop'}),
        (['a', Finish('length', raw='max_tokens')], 'length', {'finish_reason': 'max_tokens'}),
        (['a', EndEarly()], None, None),
    ],
)
async def test_the_finish_reason_is_there_only_if_it_came(script: list[Any], finish: Any, details: Any) -> None:
    model = ScriptedModel(script)
    response = await last_response(model)
    assert (response.finish_reason, response.provider_details) == (finish, details)
    assert model.requests[0].closed == ('complete' if finish else 'truncated')
    assert (response.model_name, response.provider_name) == ('scripted', 'scripted')


async def test_a_truncated_reply_looks_like_success() -> None:
    model = ScriptedModel(['Once upon', EndEarly(wait=3), ' a time'])
    result = await Agent(model).run('A story')
    assert (now(), result.output, closed(model)) == (3.0, 'Once upon', [(3.0, 'truncated', 1)])
    assert result.response.usage == RequestUsage()


@pytest.mark.parametrize(
    ('model', 'seen'),
    [
        (ScriptedModel(['a', 'b']), [0, 0, 2]),
        (ScriptedModel(['a', 'b'], usage='pieces'), [1, 2, 2]),
        (ScriptedModel([Usage(7, 1), 'a', 'b', Usage(7, 9)]), [1, 1, 9]),
    ],
)
async def test_usage_comes_at_the_end_or_as_the_pieces_go(model: ScriptedModel, seen: list[int]) -> None:
    tokens: list[int] = []
    async with Agent(model).run_stream('Hello?') as result:
        pieces = result.stream_text(delta=True, debounce_by=None)
        tokens += [result.usage.output_tokens async for _ in pieces]
        tokens.append(result.usage.output_tokens)
    assert tokens == seen


async def test_a_failure_in_mid_stream_keeps_what_came_before() -> None:
    model = ScriptedModel(['Hello ', Fail(ModelHTTPError(503, 'scripted'), wait=2), 'never'], gap=1)
    seen: list[tuple[float, str]] = []
    with pytest.raises(ModelHTTPError):  # noqa: PT012
        async for item in texts(model):
            seen.append(item)  # noqa: PERF401  # a comprehension would lose what came before the failure
    assert (seen, closed(model)) == ([(1.0, 'Hello ')], [(3.0, 'failed', 1)])


async def test_a_failure_before_the_first_piece_fails_the_request_so_that_a_fallback_takes_over() -> None:
    broken = ScriptedModel([Fail(ModelHTTPError(429, 'scripted'), wait=1)])
    model = FallbackModel(broken, ScriptedModel(['second']))
    async with Agent(model).run_stream('Hello?') as result:
        assert await result.get_output() == 'second'
    assert closed(broken) == [(1.0, 'failed', 0)]


@pytest.mark.parametrize('silence', [Stall(), Hang()])
async def test_a_silent_stream_is_closed_when_its_reader_gives_up(silence: Stall | Hang) -> None:
    model = ScriptedModel(['Hello', silence, 'never'], gap=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await timeline(model)
    assert closed(model) == [(60.0, 'cancelled', 1)]


async def test_a_hanging_stream_has_its_finish_reason() -> None:
    model = ScriptedModel(['Hello', Hang()])
    async with Agent(model).run_stream('Hello?') as result:
        reader = asyncio.create_task(result.get_output())
        await asyncio.sleep(5)
        assert result.response.finish_reason == 'stop'
        await result.cancel()
        await asyncio.wait([reader])
    assert closed(model) == [(5.0, 'cancelled', 1)]


async def test_cancel_wakes_the_reader_that_waits_for_the_next_piece() -> None:
    model = ScriptedModel(['Hello', Stall()], gap=1)
    async with Agent(model).run_stream('Hello?') as result:

        async def stop() -> None:
            await asyncio.sleep(4)
            await result.cancel()

        stopping = asyncio.create_task(stop())
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        await stopping
    assert (now(), pieces, result.response.state) == (5.0, ['Hello'], 'interrupted')
    assert closed(model) == [(5.0, 'cancelled', 1)]


async def test_leaving_the_run_closes_the_stream() -> None:
    model = ScriptedModel(['a', 'b', 'c'], gap=1)
    async with aclosing(texts(model)) as pieces:
        async for _ in pieces:
            break
    ((closed_at, how, sent),) = closed(model)
    assert (closed_at, sent) == (1.0, 1)
    assert how in ('cancelled', 'left')


async def test_silence_beyond_the_clients_timeout_fails_the_request() -> None:
    model = ScriptedModel(['a', Text('late', wait=11)])
    with pytest.raises(ModelTimeoutError, match='Nothing arrived for 10 seconds'):
        await timeline(model, model_settings={'timeout': 10})
    assert closed(model) == [(10.0, 'failed', 1)]


async def test_keep_alives_and_empty_deltas_defeat_the_clients_timeout() -> None:
    model = ScriptedModel(['a', KeepAlive(wait=9), Text('', wait=9), Text('late', wait=9)])
    assert await timeline(model, model_settings={'timeout': 10}) == snapshot([(0.0, 'a'), (18.0, ''), (27.0, 'late')])
    assert (await last_response(ScriptedModel([KeepAlive(), 'a', '']))).usage.output_tokens == 1


async def test_a_request_after_the_last_response_says_so() -> None:
    model = ScriptedModel('one')
    await Agent(model).run('first')
    with pytest.raises(ScriptEndedError, match='The script has 1 response, and this is model request 2'):
        await Agent(model).run('second')
    assert len(model.requests) == 1


async def test_a_loop_begins_again() -> None:
    agent = Agent(ScriptedModel('one', 'two', loop=True))
    assert [(await agent.run('Next')).output for _ in range(3)] == ['one', 'two', 'one']


async def test_a_model_that_cannot_stream_says_so_as_upstream_does() -> None:
    model = ScriptedModel('whole', can_stream=False)
    assert (await Agent(model).run('Hello?')).output == 'whole'
    with pytest.raises(NotImplementedError, match='Streamed requests not supported by this ScriptedModel'):
        await timeline(model)
    assert len(model.requests) == 1


async def test_requests_keep_messages_settings_and_tools() -> None:
    model = ScriptedModel('a', 'b')
    agent = Agent(model, instructions='Be brief.')
    agent.tool_plain(noop)
    first = await agent.run('One', model_settings={'temperature': 0.5})
    await agent.run('Two', message_history=first.all_messages())
    one, two = model.requests
    assert (len(one.messages), len(two.messages)) == (1, 3)
    assert one.settings == {'temperature': 0.5}
    assert [tool.name for tool in one.parameters.function_tools] == ['noop']


def test_it_is_called_scripted_wherever_it_shows() -> None:
    model = ScriptedModel('a')
    assert (model.model_name, model.system, model.model_id) == ('scripted', 'scripted', 'scripted:scripted')


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: Text('a', wait=-1), 'wait is -1; it must be a number of seconds'),
        (lambda: Text('a', wait=float('nan')), 'wait is nan'),
        (lambda: Response(['a'], gap=-1), 'gap is -1'),
        (lambda: ScriptedModel('a', gap=-1), 'gap is -1'),
        (lambda: ToolCall('a', {}, pieces=0), 'pieces is 0'),
        (lambda: ToolCall('a', '{}', pieces='mapping'), "pieces='mapping' needs a mapping"),
        (lambda: ScriptedModel(cast('Any', [1])), '1 is not a step'),
        (lambda: ScriptedModel(), 'A script needs at least one response'),
    ],
)
def test_a_script_with_a_mistake_is_refused_when_it_is_written(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()
