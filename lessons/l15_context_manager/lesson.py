"""One sentence of an answer is enough, and is saved, which takes 0.9 s. Who leaves the `async with`, and when?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'How does a heron fish? In four short sentences.'
ANSWER = 'It waits. Then it waits some more. A fish comes by, and sees nothing but two reeds. So it is soon over.'
agent = Agent(lesson_model(reply(ANSWER, cut='words'), gap=0.03))


async def first_sentence(answer: AsyncIterator[str]) -> str:
    sentence = ''
    async for piece in answer:
        sentence += piece
        if '.' in piece:
            break
    return sentence


async def save(sentence: str) -> str:
    await asyncio.sleep(0.9)
    return f'saved {sentence!r}'


# %% The context is in a generator, and who leaves that?
async def pieces() -> AsyncGenerator[str]:
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


async def naive() -> str:
    return await save(await first_sentence(pieces()))


# %% With pydantic-ai alone: whoever has the generator closes it
async def alone() -> str:
    async with aclosing(pieces()) as answer:
        sentence = await first_sentence(answer)
    return await save(sentence)


# %% Entered by hand, and never left
async def by_hand() -> str:
    stream = await RunStream(agent.run_stream_events(QUESTION)).__aenter__()
    said = await save(await first_sentence(stream.text()))
    return f'{said}, {stream.stats.characters} characters written, ended: {stream.finish}'


# %% The block is where the answer is read
async def right() -> str:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        sentence = await first_sentence(stream.text())
    said = await save(sentence)
    return f'{said}, {stream.stats.characters} characters written, ended: {stream.finish}'


# %% The four of them
async def main() -> None:
    # Where the garbage collector closes a generator, nobody waits for what is raised. It would be printed in between.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    for way in (naive, alone, by_hand, right):
        task = asyncio.create_task(way())
        await asyncio.wait([task])
        print(f'{way.__name__:8} {"cancelled, by nobody" if task.cancelled() else task.result()}')


if __name__ == '__main__':
    asyncio.run(main())
