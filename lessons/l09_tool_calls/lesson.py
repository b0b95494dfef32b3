"""The model says "Let me check.", calls a tool, and then answers. Who gets to see the answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall

QUESTION = 'When does the next boat leave for Farland? Say that you check it, then use the tool.'
FIRST = ['Let me', ' check.', ToolCall('timetable', {'to': 'Farland'}, pieces=8)]
THEN = ['The next', ' boat leaves', ' at 13:15.']
Show = Callable[[str], None]


async def timetable(to: str) -> str:
    """When boats leave for a place."""
    await asyncio.sleep(0.8)
    return f'{to}: 13:15'


def new_agent() -> Agent:
    return Agent(lesson_model(FIRST, THEN, gap=0.1), tools=[timetable])


# %% As it is often written
async def naive(show: Show) -> str:
    async with new_agent().run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            show(piece)
        return await result.get_output()


# %% With pydantic-ai alone: all events, of which some are of the tools
async def alone(show: Show) -> str:
    async with new_agent().run_stream_events(QUESTION) as events:
        async for event in events:
            if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                show(event.part.content)
            elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                show(event.delta.content_delta)
            elif event.event_kind == 'function_tool_call':
                show(f'[{event.part.tool_name} {event.part.args}]')
            elif event.event_kind == 'function_tool_result':
                show(f'[{event.part.content}]')
    return events.result.output if events.result else ''


# %% With this library: one view for the text, another for the tools
async def right(show: Show) -> str:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:

        async def tools() -> None:
            async for call in stream.tool_calls():
                known = call.arguments if call.result is None else f'-> {call.result}'
                show(f'[{call.state} {call.name} {known}]')

        async def text() -> None:
            async for piece in stream.text():
                show(piece)

        await asyncio.gather(tools(), text())
        return await stream.get_output()


# %% What each of them shows, and takes for the answer
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, alone, right):
        began = clock()
        print(f'{way.__name__}:')
        answer = await way(lambda what, began=began: print(f'  {clock() - began:.1f} s  {what}'))
        print(f'  {clock() - began:.1f} s  -> {answer!r}\n')


if __name__ == '__main__':
    asyncio.run(main())
