"""Three pages are read, and an answer is written. How far has it come? Two ways to say so, of which one is true."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent, CustomEvent, RunContext

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall, reply

QUESTION = 'What is the log about? Read it with your tool, and answer in two sentences.'
ANSWER = 'The log is about a lighthouse whose keeper counts ships. One night, a ship counts lighthouses.'
PAGES = ('Tuesday: nine ships.', 'Wednesday: none.', 'Thursday: a voice from the fog said "one".')
EVERY = 30  # characters between two marks
agent = Agent(lesson_model(ToolCall('read_log'), reply(ANSWER, cut='words'), gap=0.15))
began = 0.0


def mark(what: str) -> None:
    print(f'  {asyncio.get_running_loop().time() - began:.1f} s  {what}')


@dataclass(kw_only=True)
class Read(CustomEvent):
    pages: int
    of: int


@agent.tool
async def read_log(ctx: RunContext) -> str:
    for page in range(1, len(PAGES) + 1):
        await asyncio.sleep(0.4)  # as a slow disk, or a slow server
        await ctx.emit(Read(pages=page, of=len(PAGES)))
    return '\n'.join(PAGES)


# %% As it is often counted
async def naive() -> int:
    count = 0
    async with agent.run_stream(QUESTION) as result:
        async for chunk in result.stream_text(debounce_by=None):
            count += len(chunk)
            if count % EVERY == 0:
                mark(f'{count} characters')
    return count


# %% With this library: two views of one run
async def show_text(stream: RunStream[str]) -> int:
    count = 0
    async for piece in stream.text():
        before, count = count, count + len(piece)
        if before // EVERY < count // EVERY:  # a mark lies between the two, wherever the pieces end
            mark(f'{count} characters')
    return count


async def show_tools(stream: RunStream[str]) -> None:
    async for call in stream.tool_calls():
        if call.state == 'running' and isinstance(call.progress, Read):
            mark(f'page {call.progress.pages} of {call.progress.of}')


async def right() -> int:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        count, _ = await asyncio.gather(show_text(stream), show_tools(stream))
    return count


# %% Both of them
async def main() -> None:
    global began
    for way in (naive, right):
        print(f'{way.__name__}:')
        began = asyncio.get_running_loop().time()
        print(f'-> {await way()} characters\n')


if __name__ == '__main__':
    asyncio.run(main())
