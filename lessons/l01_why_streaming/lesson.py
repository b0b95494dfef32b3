"""How long a person looks at nothing, and what an answer costs that nobody reads to its end."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'How do I get to the island? In three sentences.'
ANSWER = (
    'Take the ferry from the old harbour at nine. It calls at two other islands first. '
    'If the wind is from the west, sit on the left.'
)
agent = Agent(lesson_model(reply(ANSWER, cut='words'), gap=0.1))


def now() -> float:
    return asyncio.get_running_loop().time()


# %% Waiting for the whole
async def whole() -> str:
    began = now()
    result = await agent.run(QUESTION)
    took = now() - began
    print(result.output)
    return f'first word after {took:.1f} s, the last after {took:.1f} s'


# %% Streaming
async def streamed() -> str:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
    print()
    return f'first word after {stream.stats.first_text:.1f} s, the last after {stream.stats.duration:.1f} s'


# %% Enough is enough
async def stopped() -> str:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
            if '.' in piece:
                break
    print()
    return f'over after {stream.stats.duration:.1f} s, with {stream.stats.characters} characters written'


# %% With pydantic-ai alone: its default, and without the delay
async def first_word(debounce_by: float | None) -> float:
    began = now()
    async with agent.run_stream(QUESTION) as result:
        async for _ in result.stream_text(delta=True, debounce_by=debounce_by):
            break
        return now() - began


# %% All of them
async def main() -> None:
    for way in (whole, streamed, stopped):
        print(f'{way.__name__}:')
        print(f'-> {await way()}\n')
    print(f'pydantic-ai alone: first word after {await first_word(0.1):.1f} s')
    print(f'     not debounced: first word after {await first_word(None):.1f} s')


if __name__ == '__main__':
    asyncio.run(main())
