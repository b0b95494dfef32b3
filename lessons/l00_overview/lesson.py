"""The same question three times. One answer is whole, one is cut off, and one falls silent in the middle."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Stall, reply

QUESTION = 'Why is the sea salty? In one sentence.'
ANSWER = 'Rain washes salt out of the rocks, and the sun takes back the water only.'
words = reply(ANSWER, cut='words')
ENDINGS = ('whole', 'cut off', 'silent')
agent = Agent(lesson_model(words, [*words[:7], EndEarly()], [*words[:7], Stall()], gap=0.05))


# %% Streaming as it is often written
async def naive() -> str:
    try:
        async with asyncio.timeout(3), agent.run_stream(QUESTION) as result:
            text = ''
            async for piece in result.stream_text(delta=True):
                text += piece
        return f'complete, {len(text)} characters'
    except TimeoutError:
        return 'timed out, nothing kept'


# %% Streaming that knows how it ended
async def right() -> str:
    limits = Deadlines(first=60, idle=2, total=120)
    async with RunStream(agent.run_stream_events(QUESTION), deadlines=limits) as stream:
        # How it ended is in stream.finish, and what came is kept.
        with suppress(StreamingError):
            await stream.get_output()
    return f'{stream.finish}, {len(stream.text_so_far)} characters'


# %% Three endings
async def main() -> None:
    print(f'{"":10}{"naive":28}RunStream')
    told = [await naive() for _ in ENDINGS]
    for ending, said in zip(ENDINGS, told, strict=True):
        print(f'{ending:10}{said:28}{await right()}')


if __name__ == '__main__':
    asyncio.run(main())
