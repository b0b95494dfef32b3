"""A sentence, a tool, and the answer; and the same with a connection that breaks. What is there to collect?"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Fail, Step, ToolCall, Usage

QUESTION = 'When do boats sail for Farland? Say that you look it up, then use the tool, then answer in one sentence.'
FIRST = ['Let me', ' look', ' it up.', ToolCall('timetable', {'to': 'Farland'}), Usage(output_tokens=24)]
THEN: list[Step | str] = ['Two boats', ' sail:', ' at nine', ' and at noon.', Usage(output_tokens=12)]
BROKEN: list[Step | str] = [*THEN[:3], Fail(ModelConnectionError('scripted', 'the connection was reset'))]


def timetable(to: str) -> str:
    """When boats sail for a place."""
    return f'{to}: 9:00, 12:00'


def new_agent(script: list[Step | str]) -> Agent:
    return Agent(lesson_model(FIRST, script, gap=0.04), tools=[timetable])


# %% As it is often written: add up the pieces, and keep what the last one says
async def naive(agent: Agent) -> None:
    text, tokens, reason = '', 0, None
    try:
        async with agent.run_stream_events(QUESTION) as events:
            async for event in events:
                if event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                    text += event.delta.content_delta
                elif event.event_kind == 'agent_run_result':
                    tokens, reason = event.result.response.usage.output_tokens, event.result.response.finish_reason
    finally:
        print(f'  text {text!r}\n  {tokens} output tokens, finish reason {reason}')


# %% With pydantic-ai alone: the result has it all, if there is one
async def alone(agent: Agent) -> None:
    async with agent.run_stream_events(QUESTION) as events:
        async for _ in events:
            pass
    if result := events.result:
        print(f'  output {result.output!r}\n  {result.usage.output_tokens} output tokens', end=', ')
        print(f'finish reason {result.response.finish_reason}, {len(result.all_messages())} messages')


# %% With this library: what came, whether there is a result or not
async def right(agent: Agent) -> None:
    stream = RunStream(agent.run_stream_events(QUESTION))
    try:
        async with stream:
            print(f'  output {await stream.get_output()!r}')
    finally:
        reason = stream.result.response.finish_reason if stream.result else None
        print(f'  text {stream.text_so_far!r}\n  {stream.usage.output_tokens} output tokens', end=', ')
        print(f'finish reason {reason}, {len(stream.messages)} messages; {stream.finish}')


# %% What each of them has in the end
async def main() -> None:
    for ending, script in (('whole', THEN), ('broken', BROKEN)):
        for way in (naive, alone, right):
            print(f'{ending}, {way.__name__}:')
            try:
                await way(new_agent(script))
            except ModelAPIError as error:
                print(f'  {type(error).__name__}')


if __name__ == '__main__':
    asyncio.run(main())
