"""Tool calls that one can see: from the first piece of their arguments to what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, CustomEvent, DeferredToolRequests, DeferredToolResults, ModelRetry, RunContext
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout, ToolCall, observe_tools
from pydantic_ai_streaming.testing import Hang, Part, ScriptedModel, Stall
from pydantic_ai_streaming.testing import ToolCall as Call

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


class Answer(BaseModel):
    number: int


@dataclass(kw_only=True)
class Progress(CustomEvent):
    done: int


def agent_of(*responses: Any, gap: float = 0.0, **options: Any) -> Agent[None, Any]:
    agent: Agent[None, Any] = Agent(ScriptedModel(*responses, gap=gap), **options)

    @agent.tool_plain
    async def weather(city: str, days: int = 1) -> str:
        await asyncio.sleep(2)
        return f'sunny in {city}'

    @agent.tool_plain
    async def clock() -> str:
        await asyncio.sleep(1)
        return 'noon'

    @agent.tool_plain(retries=3)
    async def picky(x: int) -> str:
        if x < 2:
            raise ModelRetry('too small')
        return 'fine'

    @agent.tool_plain(requires_approval=True)
    async def delete(path: str) -> str:
        await asyncio.sleep(1)
        return f'{path} is gone'

    return agent


def told(call: ToolCall) -> tuple[int, str, str]:
    return (call.number, call.name, call.state)


async def read(stream: RunStream[Any]) -> list[ToolCall]:
    async with stream:
        return [call async for call in stream.tool_calls()]


async def read_into(seen: list[ToolCall], stream: RunStream[Any], until: str = '') -> None:
    async with stream:
        async for call in stream.tool_calls():
            seen.append(call)
            if call.state == until:
                break


async def calls_of(agent: Agent[None, Any], **options: Any) -> list[ToolCall]:
    return await read(RunStream(agent.run_stream_events('Go', **options)))


def last(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Every call as it was told last."""
    return list({call.number: call for call in calls}.values())


def states(calls: Sequence[ToolCall], number: int = 0) -> list[str]:
    """The states that a call was told in, each once."""
    seen: list[str] = []
    for call in calls:
        if call.number == number and (not seen or seen[-1] != call.state):
            seen.append(call.state)
    return seen


# Arguments


async def test_arguments_grow_as_text_and_as_a_typed_value_and_no_snapshot_changes_afterwards() -> None:
    agent = agent_of([Call('weather', {'city': 'Paris', 'days': 2}, pieces=9)], ['Sunny.'])
    seen: list[tuple[ToolCall, tuple[Any, ...]]] = []
    async with RunStream(agent.run_stream_events('Go')) as stream:
        async for call in stream.tool_calls():
            value = None if call.partial is None else call.partial.value
            seen.append((call, (call.state, call.arguments, value, dict(call.times))))
    for call, before in seen:
        value = None if call.partial is None else call.partial.value
        assert (call.state, call.arguments, value, dict(call.times)) == before
    assert [(arguments, value) for _, (state, arguments, value, _) in seen if state == 'calling'] == snapshot(
        [
            ('', None),
            ('{"city": ', {'city': None}),
            ('{"city": "Paris", ', {'city': 'Paris'}),
            ('{"city": "Paris", "days": 2', {'city': 'Paris'}),
            ('{"city": "Paris", "days": 2}', {'city': 'Paris', 'days': 2}),
        ]
    )


@pytest.mark.parametrize('pieces', [None, 1, 4, 'mapping'])
async def test_arguments_are_the_same_however_they_come(pieces: Any) -> None:
    calls = await calls_of(agent_of([Call('weather', {'city': 'Pa"r\u00efs'}, pieces=pieces)], ['Sunny.']))
    (call,) = last(calls)
    assert call.arguments.replace(' ', '') == '{"city":"Pa\\"r\u00efs"}' or pieces != 'mapping'
    assert call.partial is not None
    assert call.partial.value == {'city': 'Pa"r\u00efs'}
    assert call.result == 'sunny in Pa"r\u00efs'
    assert states(calls) == ['calling', 'called', 'running', 'returned'] or pieces in (None, 'mapping')


async def test_a_tool_whose_type_is_unknown_has_its_arguments_as_text() -> None:
    (call,) = last(await calls_of(agent_of([Call('nope', {'x': 1})], ['Sorry.'])))
    assert (call.name, call.arguments, call.partial) == ('nope', '{"x": 1}', None)
    assert (call.state, call.valid, call.duration) == ('retried', False, None)
    assert 'Unknown tool name' in str(call.result)


# What becomes of a call


async def test_each_state_has_its_time_and_the_duration_is_that_of_the_running() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'}, pieces=6)], ['Sunny.'], gap=1)
    (call,) = last(await calls_of(agent))
    assert dict(call.times) == snapshot({'calling': 1.0, 'called': 4.0, 'running': 4.0, 'returned': 6.0})
    assert (call.duration, call.ended, call.valid) == (2.0, True, True)
    assert repr(call) == 'ToolCall(0: weather({"city": "Rome"}), returned, 2.00 s)'


async def test_a_tool_that_asks_for_a_retry_counts_its_attempts_until_it_returns() -> None:
    agent = agent_of(
        [Call('picky', {'x': 1})],
        [Call('picky', {'x': 'a'})],
        [Call('picky', {'x': 3})],
        [Call('picky', {'x': 4})],
        'x',
    )
    calls = last(await calls_of(agent))
    assert [(call.state, call.attempt, call.request, call.valid) for call in calls] == snapshot(
        [('retried', 1, 1, True), ('retried', 2, 2, False), ('returned', 3, 3, True), ('returned', 1, 4, True)]
    )
    assert calls[0].result == 'too small'


async def test_ids_that_come_again_in_later_requests_are_other_calls() -> None:
    again = Call('clock', tool_call_id='call_0')
    calls = last(await calls_of(agent_of([again], [again], [again, Call('weather', {'city': 'Rome'})], 'Done.')))
    assert [(call.number, call.tool_call_id, call.request, call.state) for call in calls] == snapshot(
        [
            (0, 'call_0', 1, 'returned'),
            (1, 'call_0', 2, 'returned'),
            (2, 'call_0', 3, 'returned'),
            (3, 'call_1', 3, 'returned'),
        ]
    )


async def test_ids_that_come_twice_in_one_response_leave_both_calls_unfinished() -> None:
    twice = Call('clock', tool_call_id='same')
    stream = RunStream(agent_of([twice, twice]).run_stream_events('Go'))
    seen: list[ToolCall] = []
    with pytest.raises(Exception, match='unique'):
        await read_into(seen, stream)
    assert [told(call) for call in last(seen)] == [(0, 'clock', 'unfinished'), (1, 'clock', 'unfinished')]


async def test_calls_that_run_at_the_same_time_know_each_other() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'}), Call('clock')], [Call('clock')], ['Done.'])
    calls = last(await calls_of(agent))
    assert [(call.beside, call.duration) for call in calls] == [((1,), 2.0), ((0,), 1.0), ((), 1.0)]


async def test_output_tools_are_told_apart_and_what_comes_after_the_output_is_skipped() -> None:
    agent = agent_of(
        [Call('final_result', {'number': 'x'})],
        [Call('final_result', {'number': 1}), Call('final_result', {'number': 2}), Call('clock')],
        output_type=Answer,
        end_strategy='early',
    )
    calls = last(await calls_of(agent))
    assert [(call.name, call.kind, call.state, call.attempt) for call in calls] == snapshot(
        [
            ('final_result', 'output', 'retried', 1),
            ('final_result', 'output', 'returned', 2),
            ('final_result', 'output', 'skipped', 2),
            ('clock', 'function', 'skipped', 1),
        ]
    )
    assert all(call.duration is None for call in calls if call.state == 'skipped')


async def test_a_tool_of_the_provider_runs_from_its_whole_arguments_to_its_return() -> None:
    agent = agent_of(
        [
            Part(NativeToolCallPart('web_search', {'query': 'x'}, tool_call_id='n')),
            Part(NativeToolReturnPart('web_search', 'found', tool_call_id='n'), wait=3),
            'Found.',
        ],
        gap=1,
    )
    (call,) = last(await calls_of(agent))
    assert (call.kind, call.state, call.arguments, call.result) == ('native', 'returned', '{"query":"x"}', 'found')
    assert call.duration == 3.0


async def test_progress_from_inside_a_tool_is_seen_while_it_runs() -> None:
    agent = Agent(ScriptedModel([Call('work')], ['Done.']))

    @agent.tool
    async def work(ctx: RunContext) -> str:
        for done in (1, 2):
            await ctx.emit(Progress(done=done))
            await asyncio.sleep(1)
        return 'worked'

    seen = await calls_of(agent)
    steps = [(call.state, call.progress.done) for call in seen if isinstance(call.progress, Progress)]
    assert steps == [('running', 1), ('running', 2), ('returned', 2)]


# Approval


async def test_a_call_that_waits_for_an_approval_does_not_run_meanwhile() -> None:
    stream = RunStream(
        agent_of([Call('delete', {'path': 'a'})], output_type=[str, DeferredToolRequests]).run_stream_events('Go')
    )
    (call,) = last(await read(stream))
    assert (call.state, call.ended, call.duration) == ('waiting', False, None)
    assert stream.timeline.share('tool') == 0
    assert stream.timeline.calls[0].state == 'waiting', 'it goes on in another run'


@pytest.mark.parametrize(('answer', 'expected'), [(True, ('returned', 1.0)), (False, ('denied', None))])
async def test_the_answer_to_an_approval_is_seen_in_the_next_run(
    answer: bool, expected: tuple[str, float | None]
) -> None:
    output: Any = [str, DeferredToolRequests]
    stream = RunStream(agent_of([Call('delete', {'path': 'a'})], output_type=output).run_stream_events('Go'))
    await read(stream)
    results = DeferredToolResults(approvals={'call_1': answer})
    agent = agent_of(['Done.'], output_type=output)
    run = agent.run_stream_events(message_history=stream.messages, deferred_tool_results=results)
    (call,) = last(await read(RunStream(run)))
    assert (call.state, call.duration) == expected
    assert (call.request, call.arguments) == (0, '{"path":"a"}')


async def test_what_somebody_else_has_run_is_returned_and_not_skipped() -> None:
    output: Any = [str, DeferredToolRequests]
    stream = RunStream(agent_of([Call('delete', {'path': 'a'})], output_type=output).run_stream_events('Go'))
    await read(stream)
    agent = agent_of(['Done.'], output_type=output)
    results = DeferredToolResults(calls={'call_1': 'by hand'})
    run = agent.run_stream_events(message_history=stream.messages, deferred_tool_results=results)
    (call,) = last(await read(RunStream(run)))
    assert (call.state, call.result) == ('returned', 'by hand')


async def test_an_approval_inside_the_run_is_waited_for_and_then_it_runs() -> None:
    async def approve(ctx: RunContext[None], requests: DeferredToolRequests) -> DeferredToolResults:
        await asyncio.sleep(5)
        return DeferredToolResults(approvals={part.tool_call_id: True for part in requests.approvals})

    agent = agent_of(
        [Call('delete', {'path': 'a'})], ['Done.'], capabilities=[HandleDeferredToolCalls(handler=approve)]
    )
    stream = RunStream(agent.run_stream_events('Go'))
    calls = await read(stream)
    assert states(calls)[-3:] == ['waiting', 'running', 'returned']
    assert last(calls)[0].duration == 1.0
    timeline = stream.timeline
    assert [(span.activity, span.end - span.start) for span in timeline.spans] == [('waiting', 5.0), ('tool', 1.0)]


async def test_a_call_that_is_denied_inside_the_run_has_not_run_while_it_waited() -> None:
    async def deny(ctx: RunContext[None], requests: DeferredToolRequests) -> DeferredToolResults:
        await asyncio.sleep(5)
        return DeferredToolResults(approvals={part.tool_call_id: False for part in requests.approvals})

    agent = agent_of([Call('delete', {'path': 'a'})], ['Done.'], capabilities=[HandleDeferredToolCalls(handler=deny)])
    (call,) = last(await calls_of(agent))
    assert (call.state, call.duration) == ('denied', None)
    assert call.times['denied'] - call.times['waiting'] == 5.0


async def test_a_tool_that_asks_for_approval_from_inside_has_run_until_then() -> None:
    agent: Agent[None, Any] = Agent(ScriptedModel([Call('guarded')]), output_type=[str, DeferredToolRequests])

    @agent.tool_plain
    async def guarded() -> str:
        await asyncio.sleep(2)
        raise ApprovalRequired

    stream = RunStream(agent.run_stream_events('Go'))
    (call,) = last(await read(stream))
    assert call.state == 'waiting'
    assert stream.timeline.share('tool') == 2.0


# However the run ends


async def test_a_tool_that_raises_leaves_the_calls_unfinished_and_then_the_error_comes() -> None:
    agent: Agent[None, str] = Agent(ScriptedModel([Call('broken')]))

    @agent.tool_plain
    async def broken() -> str:
        await asyncio.sleep(1)
        raise LookupError('no such thing')

    seen: list[ToolCall] = []
    stream = RunStream(agent.run_stream_events('Go'))
    with pytest.raises(LookupError, match='no such thing'):
        await read_into(seen, stream)
    assert states(seen)[-2:] == ['running', 'unfinished']
    assert (last(seen)[0].duration, stream.timeline.calls[0].state) == (1.0, 'unfinished')


async def test_a_view_that_stops_at_an_unfinished_call_does_not_swallow_the_error() -> None:
    agent: Agent[None, str] = Agent(ScriptedModel([Call('broken')]))

    @agent.tool_plain
    async def broken() -> str:
        raise LookupError('no such thing')

    with pytest.raises(LookupError):
        await read_into([], RunStream(agent.run_stream_events('Go')), until='unfinished')


async def test_a_deadline_leaves_a_tool_that_hangs_unfinished() -> None:
    agent: Agent[None, str] = Agent(ScriptedModel([Call('hangs')]))

    @agent.tool_plain
    async def hangs() -> str:
        await asyncio.sleep(1000)
        return 'never'

    stream = RunStream(agent.run_stream_events('Go'), deadlines=Deadlines(total=5))
    seen: list[ToolCall] = []
    with pytest.raises(StreamTimeout):
        await read_into(seen, stream)
    assert (last(seen)[0].state, last(seen)[0].duration) == ('unfinished', 5.0)


@pytest.mark.parametrize('how', ['stop', 'break', 'cancel'])
async def test_a_run_that_is_ended_in_the_middle_of_arguments_says_so(how: str) -> None:
    model = ScriptedModel([Call('clock', pieces=['{"a', 'b']), Stall()], gap=1)
    stream = RunStream(Agent(model).run_stream_events('Go'))

    async def watch() -> None:
        async with stream:
            async for call in stream.tool_calls():
                if call.arguments == '{"ab':
                    if how == 'stop':
                        await stream.stop()
                    elif how == 'break':
                        break
                    else:
                        await asyncio.sleep(1000)

    task = asyncio.create_task(watch())
    await asyncio.sleep(10)
    task.cancel()
    await asyncio.wait({task})
    late = [call async for call in stream.tool_calls()]
    assert told(late[-1]) == (0, 'clock', 'unfinished')
    assert late[-1].arguments == '{"ab'
    assert stream.timeline.calls[0].ended


# Views


async def test_slow_and_late_views_see_the_same_and_none_holds_up_the_tools() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'}, pieces=4), Call('clock')], ['Done.'], gap=1)

    async def slowly(view: AsyncIterator[ToolCall]) -> list[tuple[Any, ...]]:
        seen: list[tuple[Any, ...]] = []
        async for call in view:
            seen.append((*told(call), call.arguments, dict(call.times)))
            await asyncio.sleep(7)
        return seen

    async with RunStream(agent.run_stream_events('Go')) as stream:
        fast, slow = await asyncio.gather(_all(stream.tool_calls()), slowly(stream.tool_calls()))
        ended = stream.timeline.duration
    late = [call async for call in stream.tool_calls()]
    plain = [(*told(call), call.arguments, dict(call.times)) for call in fast]
    assert plain == slow == [(*told(call), call.arguments, dict(call.times)) for call in late]
    assert ended < 12


async def _all(view: AsyncIterator[ToolCall]) -> list[ToolCall]:
    return [call async for call in view]


async def test_a_view_that_is_cancelled_while_it_waits_loses_nothing() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'})], ['Done.'], gap=1)
    async with RunStream(agent.run_stream_events('Go')) as stream:
        view = stream.tool_calls()
        seen: list[ToolCall] = []
        while not seen or not seen[-1].ended:
            try:
                seen.append(await asyncio.wait_for(anext(view), 0.3))
            except TimeoutError:
                continue
    assert states(seen) == ['calling', 'called', 'running', 'returned']


async def test_agent_run_stream_shows_the_calls_of_the_response_that_it_takes() -> None:
    agent = agent_of(['Let me look.', Call('clock'), Hang()])
    async with RunStream(agent.run_stream('Go')) as stream:
        calls = [call async for call in stream.tool_calls()]
    assert {call.name for call in calls} <= {'clock'}
    assert all(call.ended or call.state == 'waiting' for call in last(calls))


async def test_any_iterator_of_events_can_be_observed_and_is_closed() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'}), Call('clock')], ['Done.'], gap=1)
    async with agent.run_stream_events('Go') as events:
        calls = [call async for call in observe_tools(events)]
    assert [told(call) for call in last(calls)] == [(0, 'weather', 'returned'), (1, 'clock', 'returned')]
    assert [call.duration for call in last(calls)] == [2.0, 1.0]


async def test_observing_events_that_break_off_leaves_calls_unfinished() -> None:
    agent = agent_of([Call('weather', {'city': 'Rome'})], ['Done.'])

    async def some() -> AsyncIterator[object]:
        async with agent.run_stream_events('Go') as events:
            found = [event async for event in events]
        for event in found[:3]:
            yield event

    calls = [call async for call in observe_tools(some())]
    assert calls[-1].state == 'unfinished'
