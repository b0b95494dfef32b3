"""`ToolWatch`: the oddities of providers' events, without a run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import (
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    ToolCallPartDelta,
    ToolReturnPart,
)

from pydantic_ai_streaming.partials.arguments import arguments_of
from pydantic_ai_streaming.partials.shaping import shape_of
from pydantic_ai_streaming.reduce.events import AttemptRejectedEvent
from pydantic_ai_streaming.reduce.tool_call import ENDED, ToolCall
from pydantic_ai_streaming.reduce.tool_watch import ToolWatch


def fed(*events: object, watch: ToolWatch | None = None) -> ToolWatch:
    watch = watch or ToolWatch()
    for now, event in enumerate(events):
        for call in watch.add(event, float(now)):
            assert watch.calls[call.number] is call, 'what is told is what is kept'
    return watch


def start(part: Any, index: int = 0) -> PartStartEvent:
    return PartStartEvent(index=index, part=part)


def delta(index: int = 0, **more: Any) -> PartDeltaEvent:
    return PartDeltaEvent(index=index, delta=ToolCallPartDelta(**more))


def weather(city: str, days: int = 1) -> None:
    """A tool."""


CALL = ToolCallPart('weather', None, 'a')


def test_pieces_of_a_dict_make_one_object() -> None:
    watch = ToolWatch(lambda _: shape_of(arguments_of(weather)))
    fed(start(CALL), delta(args_delta={'city': 'Rome'}), delta(args_delta={'days': 2}), watch=watch)
    (call,) = watch.calls
    assert call.arguments == '{"city":"Rome","days":2}'
    assert call.partial is not None
    assert call.partial.value == {'city': 'Rome', 'days': 2}


def test_a_dict_that_grows_leaves_earlier_snapshots_as_they_were() -> None:
    watch = ToolWatch()
    (before,) = watch.add(start(ToolCallPart('weather', {'city': 'Rome'}, 'a')), 0.0)
    watch.add(delta(args_delta={'days': 2}), 1.0)
    assert before.arguments == '{"city":"Rome"}'


def test_a_part_that_begins_anew_on_its_index_is_the_same_call() -> None:
    watch = fed(start(CALL), delta(args_delta='{"ci'), start(CALL), delta(args_delta='{"city": "Rome"}'))
    (call,) = watch.calls
    assert (call.arguments, call.request) == ('{"city": "Rome"}', 1)


def test_a_native_part_that_begins_anew_runs_once() -> None:
    part = NativeToolCallPart('search', {'q': 1}, tool_call_id='n')
    watch = fed(start(part), start(part), start(NativeToolReturnPart('search', 'x', tool_call_id='n'), 1))
    assert [(call.state, call.beside) for call in watch.calls] == [('returned', ())]
    assert watch.finish(9.0) == []


def test_a_name_and_an_id_may_come_in_pieces() -> None:
    watch = fed(
        start(ToolCallPart('wea', None, 'a')),
        delta(tool_name_delta='ther', tool_call_id='b'),
        PartEndEvent(index=0, part=CALL),
        FunctionToolCallEvent(ToolCallPart('weather', '{}', 'b'), args_valid=True),
    )
    assert [(call.name, call.tool_call_id, call.state) for call in watch.calls] == [('weather', 'b', 'running')]


def test_a_delta_for_a_part_that_is_no_call_or_is_not_known_changes_nothing() -> None:
    watch = ToolWatch()
    assert watch.add(start(TextPart('x')), 0.0) == []
    assert watch.add(delta(args_delta='{'), 0.0) == []
    assert watch.add(delta(7, args_delta='{'), 0.0) == []
    assert watch.add(start(NativeToolReturnPart('search', 'x', tool_call_id='?'), 1), 0.0) == []
    assert watch.calls == []


@pytest.mark.parametrize('empty', ['', None, {}])
def test_an_empty_delta_adds_nothing(empty: Any) -> None:
    watch = fed(start(CALL), delta(args_delta=empty))
    assert watch.calls[0].arguments in ('', '{}')


def test_an_end_that_comes_after_the_return_does_not_run_a_native_call_again() -> None:
    part = NativeToolCallPart('search', None, tool_call_id='n')
    watch = fed(
        start(part), start(NativeToolReturnPart('search', 'x', tool_call_id='n'), 1), PartEndEvent(index=0, part=part)
    )
    assert [call.state for call in watch.calls] == ['returned']


def test_final_result_twice_tells_once_and_without_a_tool_tells_nothing() -> None:
    watch = fed(start(CALL))
    assert watch.add(FinalResultEvent(tool_name=None, tool_call_id=None), 1.0) == []
    told = [watch.add(FinalResultEvent(tool_name='weather', tool_call_id='a'), 1.0) for _ in range(2)]
    assert [len(calls) for calls in told] == [1, 0]
    assert watch.calls[0].kind == 'output'


def test_a_response_after_a_rejected_one_is_the_next_request() -> None:
    rejected = AttemptRejectedEvent(attempt=1, text='x', start=0, reason='no')
    watch = fed(start(TextPart('x')), rejected, start(CALL))
    assert watch.calls[0].request == 2


@pytest.mark.parametrize(
    ('outcome', 'state'),
    [('success', 'returned'), ('failed', 'failed'), ('denied', 'denied'), ('interrupted', 'unfinished')],
)
def test_every_outcome_is_an_end(outcome: Any, state: str) -> None:
    back = ToolReturnPart('weather', 'x', 'a', outcome=outcome)
    watch = fed(start(CALL), FunctionToolCallEvent(CALL, args_valid=True), FunctionToolResultEvent(back))
    assert watch.calls[0].state == state in ENDED
    assert watch.finish(9.0) == []


def test_a_result_without_a_call_is_a_call_from_before() -> None:
    watch = fed(FunctionToolResultEvent(ToolReturnPart('weather', 'sunny', 'z')))
    assert [(call.name, call.state, call.request) for call in watch.calls] == [('weather', 'returned', 0)]


def test_a_snapshot_keeps_all_it_had() -> None:
    call = ToolCall(0, 'a', 'weather', 'function', attempt=1, request=1)
    longer = call.extended('{"a"', None).extended(': 1}', None)
    running = longer.changed('running', 2.0)
    assert (call.arguments, longer.arguments, running.arguments) == ('', '{"a": 1}', '{"a": 1}')
    assert (longer.state, running.state, dict(longer.times)) == ('calling', 'running', {})
    assert running.duration is None
    assert repr(running) == 'ToolCall(0: weather({"a": 1}), running)'


def test_arguments_can_be_read_at_every_moment_in_any_order() -> None:
    call = ToolCall(0, 'a', 'weather', 'function', attempt=1, request=1)
    moments: list[ToolCall] = []
    for piece in ('{"city": "Ro', 'me", "da', 'ys": 2}'):
        call = call.extended(piece, shape_of(arguments_of(weather)))
        moments.append(call)
    expected = [{'city': 'Ro'}, {'city': 'Rome'}, {'city': 'Rome', 'days': 2}]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 1, 2)):
        values = {n: moments[n].partial for n in order}
        assert {n: partial and partial.value for n, partial in values.items()} == {n: expected[n] for n in order}
