"""How long a person looks at nothing, and what an answer costs that nobody reads to its end."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'How do I get to the island? In three sentences.'
ANSWER = (
    'Take the ferry from the old harbour at nine. It calls at two other islands first, so bring a book. '
    'If the wind is from the west, sit on the left.'
)
agent = Agent(lesson_model(reply(ANSWER, cut='words'), gap=0.1))


def now() -> float:
    return asyncio.get_running_loop().time()


# %% Waiting for the whole
async def whole() -> None:
    began = now()
    result = await agent.run(QUESTION)
    print(f'run:         first word after {now() - began:.1f} s, all of it after {now() - began:.1f} s')
    print(f'             {result.output[:44]}…')


# %% Streaming
async def streamed() -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        print('stream:      ', end='')
        async for piece in stream.text():
            print(piece, end='', flush=True)
    stats = stream.stats
    print(f'\n             first word after {stats.first_text:.1f} s, all of it after {stats.duration:.1f} s')


# %% Enough is enough
async def stopped() -> None:
    print('stopped:     ', end='')
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
            if '.' in piece:
                break
    print(
        f'\n             {stream.stats.characters} characters written for us, over after {stream.stats.duration:.1f} s'
    )


# %% The three of them
async def main() -> None:
    await whole()
    await streamed()
    await stopped()


if __name__ == '__main__':
    asyncio.run(main())
