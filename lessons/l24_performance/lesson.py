"""Three answers at once, shown and indexed. When does one see something, and who has to wait for whom?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import Merged, RunStream, merge
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTIONS = ('Why is the sea salt?', 'Why is the sky blue?', 'Why is the grass green?')
ANSWER = 'Nobody planned it, and it took a very long time. ' * 4
agent = Agent(lesson_model(reply(ANSWER, cut='words'), gap=0.01))
Show = Callable[[str], None]
indexed = 0


def index(batch: list[str]) -> None:
    global indexed
    indexed += sum(map(len, batch))
    time.sleep(0.05)  # a database, a tokenizer, a request: whatever is not awaited


# %% As it is often written: batches of ten, collected side by side
async def naive_one(question: str) -> str:
    buffer: list[str] = []
    async with agent.run_stream(question) as result:
        async for chunk in result.stream_text(debounce_by=None):
            buffer.append(chunk)
            if len(buffer) >= 10:
                index(buffer)
                buffer = []
        index(buffer)
        return await result.get_output()


async def naive(show: Show) -> None:
    for answer in await asyncio.gather(*map(naive_one, QUESTIONS)):
        show(answer)


# %% One view shows, another has the index made in a thread
async def show_all(runs: Merged[str, str], show: Show) -> None:
    async for _, piece in runs.text():
        show(piece)


async def index_all(runs: Merged[str, str]) -> None:
    buffer: list[str] = []
    async for _, piece in runs.text():
        buffer.append(piece)
        if len(buffer) >= 10:
            await asyncio.to_thread(index, buffer)
            buffer = []
    await asyncio.to_thread(index, buffer)


async def right(show: Show) -> None:
    async with merge({question: RunStream(agent.run_stream_events(question)) for question in QUESTIONS}) as runs:
        await asyncio.gather(show_all(runs, show), index_all(runs))


# %% Somebody else's request, on the same server
async def main() -> None:
    global indexed
    clock = asyncio.get_running_loop().time
    for way in (naive, right):
        indexed, shown, late = 0, list[float](), 0.0
        began = clock()
        task = asyncio.create_task(way(lambda _, shown=shown: shown.append(clock())))
        while not task.done():
            due = clock() + 0.01
            await asyncio.sleep(0.01)
            late = max(late, clock() - due)
        await task
        print(f'{way.__name__}: {indexed} characters indexed')
        print(f'  first text after {shown[0] - began:.2f} s, the last after {shown[-1] - began:.2f} s')
        print(f'  others were kept waiting for {late:.2f} s at a time')


if __name__ == '__main__':
    asyncio.run(main())
