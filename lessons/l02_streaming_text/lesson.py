"""One story, printed by three loops. The story has 56 characters; how many does each loop print?"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'Tell me the story of a robot, in ten words.'
STORY = 'A robot found a seed. By autumn, it kept a whole garden.'
agent = Agent(lesson_model(reply(STORY, cut=6), gap=0.2))


# %% As it is often written
async def naive() -> int:
    printed = 0
    async with agent.run_stream(QUESTION) as result:
        async for chunk in result.stream_text():
            print(chunk, end='', flush=True)
            printed += len(chunk)
    return printed


# %% With pydantic-ai alone
async def alone() -> int:
    printed = 0
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(piece, end='', flush=True)
            printed += len(piece)
    return printed


# %% With this library
async def right() -> int:
    printed = 0
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
            printed += len(piece)
    assert stream.text_so_far == stream.output  # the whole is there too, and typed
    return printed


# %% The three of them
async def main() -> None:
    for way in (naive, alone, right):
        print(f'{way.__name__}:')
        printed = await way()
        print(f'\n-> {printed} characters printed\n')


if __name__ == '__main__':
    asyncio.run(main())
