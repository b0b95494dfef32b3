"""A long answer in 600 pieces. What of it is still in memory when it is over?"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, guard
from pydantic_ai_streaming.course import lesson_model

QUESTION = 'Count from 1 to 600, each with the word "number" before it and a comma after it.'
# Without gaps: a pause takes no memory.
agent = Agent(lesson_model([f'number {number:04}, ' for number in range(600)], gap=0))


# %% As it is often written: all chunks, to be joined in the end
async def naive() -> object:
    chunks: list[str] = []
    async with agent.run_stream(QUESTION) as result:
        async for chunk in result.stream_text(debounce_by=None):
            chunks.append(chunk)  # noqa: PERF401 - as it is often written
    return chunks


# %% The stream itself, in case that somebody asks
async def stream() -> object:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            piece.count(',')
    return stream


# %% What the record is for: a view that is opened late, where another one was left
async def late() -> str:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        view = stream.events()
        async for _ in view:
            if view.offset == 400:
                break  # the page has lost its connection, and the run goes on
        await stream.get_output()
        rest = [event async for event in stream.events(offset=view.offset)]
        every = [event async for event in stream.events()]
    return f'{len(rest)} of {len(every)} events after offset {view.offset}, none lost: {rest == every[400:]}'


# %% What is needed later, and nothing else
async def right() -> object:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            piece.count(',')
    return stream.output, stream.messages, stream.stats


# %% Pieces that are passed on and gone, with pydantic-ai's own iterator and a deadline
async def passed_on() -> object:
    commas = 0
    async with agent.run_stream(QUESTION) as result:
        async for piece in guard(result.stream_text(delta=True, debounce_by=None), Deadlines(idle=30)):
            commas += piece.count(',')
    return commas


# %% What each of them holds when it is over
async def held(way: Callable[[], Awaitable[object]]) -> float:
    tracemalloc.start()
    kept = await way()
    await asyncio.sleep(0)  # a turn of the event loop, in which finished tasks are let go of
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return size / 1e6


async def main() -> None:
    await passed_on()  # what is loaded once does not count
    for way in (naive, stream, right, passed_on):
        print(f'{way.__name__:10} {await held(way):.1f} MB')
    print(f'late       {await late()}')


if __name__ == '__main__':
    asyncio.run(main())
