"""A model thinks, uses a tool, and begins to answer. What does one see of it, and is the end true?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, StreamTruncated
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Text, Thinking, ToolCall

QUESTION = 'When does the next boat leave for Farland? Use your tool.'
THOUGHTS = [Thinking('They want', wait=0.3), Thinking(' to go'), Thinking(' to Farland.')]
ANSWER = [Text('The boat', wait=0.2), Text(' leaves'), EndEarly()]  # at 13:15
Say = Callable[[str], None]


def new_agent() -> Agent:
    agent = Agent(lesson_model([*THOUGHTS, ToolCall('timetable', {'to': 'Farland'})], ANSWER, gap=0.1))

    @agent.tool_plain
    async def timetable(to: str) -> str:
        await asyncio.sleep(0.4)
        return f'{to}: 13:15'

    return agent


# %% As it is often written
async def naive(agent: Agent, say: Say) -> None:
    say('Thinking...')
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            say(f'> {piece}')
    say('Response complete!')


# %% What goes on, and how it ended
async def right(agent: Agent, say: Say) -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:

        async def thinking() -> None:
            async for thought in stream.thinking():
                say(f'thinking: {thought}')

        async def tools() -> None:
            async for call in stream.tool_calls():
                if call.state in ('calling', 'running'):
                    say(f'{call.name}: {call.state}')
                elif call.ended:
                    say(f'{call.name}: {call.state}, waiting for the model')

        async def text() -> None:
            async for piece in stream.text():
                say(f'> {piece}')

        say('waiting for the model')
        with suppress(StreamTruncated):
            await asyncio.gather(thinking(), tools(), text())
    say(f'[{stream.finish}]')


# %% Both of them
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, right):
        began, said = clock(), [0.0]
        print(f'{way.__name__}:')

        def say(what: str, began: float = began, said: list[float] = said) -> None:
            said.append(clock() - began)
            print(f'  {said[-1]:.1f} s  {what}')

        await way(new_agent(), say)
        silent = max(later - earlier for earlier, later in pairwise(said))
        print(f'-> nothing new for {silent:.1f} s\n')


if __name__ == '__main__':
    asyncio.run(main())
