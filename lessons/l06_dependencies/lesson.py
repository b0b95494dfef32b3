"""A tool looks something up on a shelf that has to be open. Who closes it, and when?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from pydantic_ai import Agent, RunContext

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall, reply

QUESTION = 'Say that you look it up, find "heron" with your tool, and tell me of it in one sentence.'


class Shelf:
    """What a tool depends on; it stands for a connection to a database."""

    is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.is_open = False


look = ['I look', ' it up.', ToolCall('find', {'bird': 'heron'})]
told = reply(' The heron stands still until you have gone.', cut='words')
agent = Agent(lesson_model(look, look, told, look, told, gap=0.1), deps_type=Shelf)


@agent.tool
async def find(ctx: RunContext[Shelf], bird: str) -> str:
    if not ctx.deps.is_open:
        raise ConnectionError('the shelf is closed')
    return f'{bird}: stands still'


# %% A function that gives back a stream
async def naive(shelf: Shelf) -> RunStream[str]:
    async with shelf:
        return RunStream(agent.run_stream_events(QUESTION, deps=shelf))


# %% A context, which has what the run needs around it
@asynccontextmanager
async def right(shelf: Shelf) -> AsyncGenerator[RunStream[str]]:
    async with shelf, RunStream(agent.run_stream_events(QUESTION, deps=shelf)) as stream:
        yield stream


# %% Both of them, and a reader who leaves in the middle
async def show(stream: RunStream[str], enough: int = 1000) -> None:
    async for piece in stream.text():
        print(piece, end='', flush=True)
        if stream.stats.characters >= enough:
            break


async def main() -> None:
    print('naive: ', end='')
    stream = await naive(Shelf())
    try:
        async with stream:
            await show(stream)
    except ConnectionError as error:
        print(f'\n-> {error}, after {stream.stats.duration:.1f} s\n')
    for enough in (1000, 20):
        shelf = Shelf()
        print('right: ', end='')
        async with right(shelf) as stream:
            await show(stream, enough)
            print(f'\n-> open: {shelf.is_open}', end='')
        print(f', and after it: {shelf.is_open}\n')


if __name__ == '__main__':
    asyncio.run(main())
