"""The events of a response say the same to who joins deltas and to who waits for ends, whatever becomes of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from pydantic_ai import Agent, DeferredToolRequests, ModelRetry, NativeOutput, PromptedOutput, TextOutput
from pydantic_ai.exceptions import CallDeferred, ModelConnectionError
from pydantic_ai.messages import NativeToolCallPart, NativeToolReturnPart, PartStartEvent, TextPart

from pydantic_ai_streaming import Deadlines, Recovery, RunStream, StreamTimeout, StreamTruncated
from pydantic_ai_streaming.integrations.responses_events import ResponseEvents
from pydantic_ai_streaming.testing import (
    EndEarly,
    Fail,
    Finish,
    Part,
    ScriptedModel,
    Stall,
    Step,
    Text,
    Thinking,
    ToolCall,
    Usage,
)

from .told import deltas, ends, retracted, texts

CUT = Fail(ModelConnectionError('scripted', 'reset'))


class Boat(BaseModel):
    name: str
    seats: int = 4


async def answer(agent: Agent[None, Any], **settings: Any) -> list[dict[str, Any]]:
    """All events, up to what the run fails with, which is the last then."""
    events, made = ResponseEvents('r'), list[dict[str, Any]]()
    try:
        async with RunStream(agent.run_stream_events('Go'), **settings) as stream:
            async for event in stream.events():
                made += events.add(event)
    except Exception as error:
        made.append({'type': type(error).__name__})
    return made


def saying(*responses: Sequence[Step | str], **settings: Any) -> Agent[None, Any]:
    return Agent(ScriptedModel(*responses), **settings)


def agree(events: list[dict[str, Any]]) -> None:
    """What ended is what its deltas were, in the order of the response, each once; what is taken back has no end."""
    items = ends(events)
    assert texts(items) == {name: text for name, text in deltas(events).items() if name not in retracted(events)}
    assert events[-1]['response']['output'] == items
    ids = [item.get('id') for item in items if 'id' in item]
    assert len(set(ids)) == len(ids)
    for item in items:
        if item['type'] == 'message':
            last = max(at for at, event in enumerate(events) if event.get('item_id') == item['id'])
            assert last < events.index({'type': 'response.output_item.done', 'item': item})


async def test_thoughts_a_text_a_tool_and_the_answer() -> None:
    agent = saying(
        [Thinking('Hm.'), 'Let me ', 'look.', ToolCall('boats', {'at': 'quay'})],
        ['At ', 'noon.', Usage(input_tokens=3, output_tokens=4)],
    )

    @agent.tool_plain
    def boats(at: str) -> dict[str, str]:
        return {at: 'noon'}

    events = await answer(agent)
    agree(events)
    assert ends(events) == snapshot(
        [
            {'type': 'reasoning', 'id': 'rs_r_1', 'summary': [{'type': 'summary_text', 'text': 'Hm.'}]},
            {
                'type': 'message',
                'id': 'msg_r_2',
                'role': 'assistant',
                'content': [{'type': 'output_text', 'text': 'Let me look.', 'annotations': []}],
            },
            {
                'type': 'function_call',
                'id': 'fc_r_3',
                'call_id': 'call_1',
                'name': 'boats',
                'arguments': '{"at":"quay"}',
            },
            {'type': 'function_call_output', 'call_id': 'call_1', 'output': '{"quay":"noon"}'},
            {
                'type': 'message',
                'id': 'msg_r_4',
                'role': 'assistant',
                'content': [{'type': 'output_text', 'text': 'At noon.', 'annotations': []}],
            },
        ]
    )
    assert {name: value for name, value in events[-1]['response'].items() if name != 'output'} == snapshot(
        {
            'id': 'resp_r',
            'object': 'response',
            'status': 'completed',
            'model': 'scripted',
            'usage': {
                'input_tokens': 3,
                'input_tokens_details': {'cached_tokens': 0},
                'output_tokens': 8,
                'output_tokens_details': {'reasoning_tokens': 0},
                'total_tokens': 11,
            },
        }
    )


async def test_a_tool_that_asks_for_another_try_has_an_output_for_each_call() -> None:
    agent = saying([ToolCall('boats')], [ToolCall('boats')], ['At noon.'])
    tries: list[int] = []

    @agent.tool_plain
    def boats() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ModelRetry('Ask the harbour.')
        return 'noon'

    events = await answer(agent)
    agree(events)
    calls = [item['call_id'] for item in ends(events) if item['type'] == 'function_call']
    assert [item['call_id'] for item in ends(events) if item['type'] == 'function_call_output'] == calls
    assert 'Ask the harbour.' in ends(events)[1]['output']


async def test_an_attempt_that_validation_rejects_has_deltas_and_no_end() -> None:
    agent = saying(['At ', 'nine.'], ['At ', 'noon.'])

    @agent.output_validator
    def only_noon(output: str) -> str:
        if 'noon' not in output:
            raise ModelRetry('It does not sail then.')
        return output

    events = await answer(agent)
    agree(events)
    assert list(deltas(events).values()) == ['At nine.', 'At noon.']
    assert retracted(events) == ['msg_r_1']
    assert events[2].get('custom_outputs') == {'retracted': ['msg_r_1']}, 'told with the first event after it'


async def test_a_response_that_begins_anew_takes_back_what_it_had_said() -> None:
    events = await answer(saying(['At ', 'ni', CUT], ['At ', 'noon.']), recovery=Recovery(by='restart'))
    agree(events)
    assert (list(texts(ends(events)).values()), retracted(events)) == (['At noon.'], ['msg_r_1'])


async def test_a_response_that_goes_on_is_one_item() -> None:
    events = await answer(saying(['At ', CUT], ['noon.']), recovery=Recovery(by='continue'))
    agree(events)
    assert (deltas(events), retracted(events)) == ({'msg_r_1': 'At noon.'}, [])


@pytest.mark.parametrize(
    ('end', 'error'), [(EndEarly(), StreamTruncated), (CUT, ModelConnectionError), (Stall(), StreamTimeout)]
)
async def test_a_run_that_fails_has_neither_an_end_of_its_text_nor_of_the_response(end: Step, error: type) -> None:
    events = await answer(saying(['At ', end]), deadlines=Deadlines(idle=0.05))
    assert deltas(events) == {'msg_r_1': 'At '}
    assert [event['type'] for event in events[1:]] == [error.__name__]


async def test_an_answer_that_was_too_long_is_incomplete() -> None:
    events = await answer(saying(['At ', Finish('length')]))
    agree(events)
    assert events[-1]['type'] == 'response.incomplete'
    assert events[-1]['response']['incomplete_details'] == {'reason': 'max_output_tokens'}


async def test_a_structured_output_is_a_text_in_json_after_what_was_said() -> None:
    bad, good = ToolCall('final_result', '{"name":'), ToolCall('final_result', '{"name": "Ada"}')
    events = await answer(saying(['One moment. ', bad], ['Here. ', good], output_type=Boat))
    agree(events)
    assert list(texts(ends(events)).values()) == ['Here. ', '{"name":"Ada","seats":4}']
    assert retracted(events) == ['msg_r_1']
    assert {item['type'] for item in ends(events)} == {'message'}, 'output tools are no function calls'


@pytest.mark.parametrize('wrapper', [NativeOutput, PromptedOutput])
async def test_json_that_streamed_as_text_is_not_shown_twice(wrapper: Any) -> None:
    events = await answer(saying(['{"name": "Ada",', ' "seats": 2}'], output_type=wrapper(Boat)))
    agree(events)
    assert deltas(events) == {'msg_r_1': '{"name": "Ada", "seats": 2}'}


async def test_json_is_the_validated_output_where_that_is_more() -> None:
    events = await answer(saying(['{"name": "Ada"}'], output_type=NativeOutput(Boat)))
    agree(events)
    assert [json.loads(text) for text in texts(ends(events)).values()] == [{'name': 'Ada', 'seats': 4}]


async def test_a_text_that_an_output_function_replaces_is_taken_back() -> None:
    def louder(text: str) -> str:
        return text.upper()

    events = await answer(saying([Thinking('Hm.'), 'At ', 'noon.'], output_type=TextOutput(louder)))
    agree(events)
    assert (list(texts(ends(events)).values()), retracted(events)) == (['AT NOON.'], ['msg_r_2'])
    assert [item['type'] for item in ends(events)] == ['reasoning', 'message']


async def test_texts_around_a_tool_of_the_provider_are_an_item_each() -> None:
    native = NativeToolCallPart('web_search', {}, tool_call_id='w1')
    found = NativeToolReturnPart('web_search', 'noon', tool_call_id='w1')
    events = await answer(saying(['I look. ', Part(native), Part(found), Text('At noon.')]))
    agree(events)
    assert list(texts(ends(events)).values()) == ['I look. ', 'At noon.']


def test_a_text_ends_when_another_response_begins_without_a_word_about_it() -> None:
    # As where a capability has more to say to the model: no tool runs, and nothing is rejected.
    events = ResponseEvents('r')
    list(events.add(PartStartEvent(index=0, part=TextPart('At noon.'))))
    told = list(events.add(PartStartEvent(index=0, part=TextPart('Or later.'))))
    assert [event['type'] for event in told] == ['response.output_item.done', 'response.output_text.delta']
    assert list(texts(ends(told)).values()) == ['At noon.']


async def test_a_tool_of_the_client_is_a_call_without_an_output() -> None:
    agent = saying(['I ask. ', ToolCall('locate')], output_type=[str, DeferredToolRequests])

    @agent.tool_plain
    def locate() -> str:
        raise CallDeferred

    events = await answer(agent)
    agree(events)
    assert [item['type'] for item in ends(events)] == ['message', 'function_call']
