"""An agent behind MLflow: what does a client show of an answer, and what does MLflow keep of it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from mlflow.types import responses
from pydantic_ai import Agent

from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.integrations.mlflow import StreamedResponses
from pydantic_ai_streaming.testing import EndEarly, ToolCall

REQUEST = {'input': [{'role': 'user', 'content': 'When does a boat sail for Farland? Look it up, then one sentence.'}]}
LOOK = ['Let me', ' look.', ToolCall('boats', {'to': 'Farland'})]
ANSWER = ['It sails', ' at nine', ' and at', ' noon.']
Events = AsyncGenerator[dict[str, Any]]


def boats(to: str) -> str:
    """When boats sail for a place."""
    return f'{to}: 9:00, 12:00'


# %% As it is often written: a delta for each piece, and a name for it
async def naive(agent: Agent, request: dict[str, Any]) -> Events:
    async with agent.run_stream(request['input'][-1]['content']) as result:
        async for text in result.stream_text(debounce_by=None):
            yield {'type': 'text.delta', 'item_id': '1', 'delta': text}
        yield {'type': 'done', 'item_id': '1'}


# %% With the names that the protocol has
async def named(agent: Agent, request: dict[str, Any]) -> Events:
    async for event in naive(agent, request):
        if event['type'] == 'text.delta':
            yield responses.create_text_delta(event['delta'], item_id='1')


# %% With pydantic-ai alone: an item for each text, call and result, each with its end
async def alone(agent: Agent, request: dict[str, Any]) -> Events:
    number = 0
    async with agent.run_stream_events(request['input'][-1]['content']) as events:
        async for event in events:
            item = None
            if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                number += 1
                yield responses.create_text_delta(event.part.content, item_id=f'text-{number}')
            elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                yield responses.create_text_delta(event.delta.content_delta, item_id=f'text-{number}')
            elif event.event_kind == 'part_end' and event.part.part_kind == 'text':
                item = responses.create_text_output_item(event.part.content, id=f'text-{number}')
            elif event.event_kind == 'function_tool_call':
                call = event.part
                item = responses.create_function_call_item(
                    call.tool_call_id, call.tool_call_id, call.tool_name, call.args_as_json_str()
                )
            elif event.event_kind == 'function_tool_result':
                item = responses.create_function_call_output_item(
                    event.part.tool_call_id, event.part.model_response_str()
                )
            if item:
                yield {'type': 'response.output_item.done', 'item': item}


# %% With this library
def right(agent: Agent, request: dict[str, Any]) -> Events:
    return StreamedResponses(agent).stream(request)


# %% A client joins the deltas; MLflow checks each event, and keeps the items that have ended
async def main() -> None:
    for case, answer in (('whole', ANSWER), ('cut off', [*ANSWER[:2], EndEarly()])):
        for way in (naive, named, alone, right):
            seen, ending = list[Any](), 'ended'
            try:
                async for event in way(Agent(lesson_model(LOOK, answer, gap=0.05), tools=[boats]), REQUEST):
                    seen.append(responses.ResponsesAgentStreamEvent(**event))
            except Exception as error:
                ending = type(error).__name__
            shown = ''.join(event.delta for event in seen if event.type == 'response.output_text.delta')
            kept = [item['type'] for item in responses.responses_agent_output_reducer(seen)['output']]
            print(f'{case}, {way.__name__}: {len(seen)} events, {ending}\n  shown {shown!r}\n  kept {kept}')


if __name__ == '__main__':
    asyncio.run(main())
