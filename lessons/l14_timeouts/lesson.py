"""Four answers, of which only one deserves a timeout: it falls silent. Which does each clock stop?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Stall, reply

QUESTION = 'Why is the sky blue? In three short sentences.'
SHORT = 'Air scatters blue light the most.'
LONG = f'{SHORT} So it comes from all sides. Red light goes straight on.'
short, long = reply(SHORT, cut='words'), reply(LONG, cut='words')
SCRIPTS = {'short': short, 'long': long, 'slow reader': short, 'silent': [*short[:4], Stall()]}
Read = Callable[[str], Awaitable[None]]


# %% As it is often written: a clock around the stream, and around whoever reads it
async def pieces(agent: Agent) -> AsyncGenerator[str]:
    async with asyncio.timeout(1.5), agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


async def naive(agent: Agent, read: Read) -> str:
    try:
        async with aclosing(pieces(agent)) as source:
            async for piece in source:
                await read(piece)
    except TimeoutError:
        return 'timed out, history lost'
    return 'complete'


# %% A clock that counts the provider's silence
async def right(agent: Agent, read: Read) -> str:
    limits = Deadlines(first=60, idle=0.5, total=120)
    async with RunStream(agent.run_stream_events(QUESTION), deadlines=limits) as stream:
        try:
            async for piece in stream.text():
                await read(piece)
        except StreamTimeout as error:
            return f'{error.phase}, {len(error.messages)} messages kept'
    return 'complete'


# %% The four of them
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, right):
        for name, script in SCRIPTS.items():
            shown: list[str] = []

            async def read(piece: str, name: str = name, shown: list[str] = shown) -> None:
                shown.append(piece)
                await asyncio.sleep(0.3 if name == 'slow reader' else 0)

            began = clock()
            # A task of its own, as it is not only an exception that can come of it.
            task = asyncio.create_task(way(Agent(lesson_model(script, gap=0.1)), read))
            await asyncio.wait([task])
            how = 'cancelled, by nobody' if task.cancelled() else task.result()
            print(f'{way.__name__:6}{name:12}{clock() - began:.1f} s, {len("".join(shown)):2} characters: {how}')


if __name__ == '__main__':
    asyncio.run(main())
