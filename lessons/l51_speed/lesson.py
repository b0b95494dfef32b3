"""A model that writes 50 tokens a second, after a wait, with a tool in between. What does each counter say?"""

from __future__ import annotations

import asyncio
from itertools import product

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import Text, ToolCall, Usage

QUESTION = 'How far is it to the lighthouse? Say that you measure it, then use the tool, and answer in two sentences.'
# A piece every tenth of a second, with several tokens in it. Only the provider knows how many: it counts 24 and 20.
FIRST = ['Let me measure that on', ' the chart, the distance', ' is not in my head', '.', ToolCall('measure')]
THEN = ['It is four sea miles', ' against the tide, or', ' an hour and twenty min', 'utes under sail. Leave', ' by 9.']
SCRIPT = [Text('One moment.', wait=0.8), *FIRST, Usage(output_tokens=24)], [*THEN, Usage(output_tokens=20)]


async def measure() -> str:
    """Measure the distance on the chart."""
    await asyncio.sleep(0.8)
    return '4.1 nautical miles'


def new_agent() -> Agent:
    return Agent(lesson_model(*SCRIPT, gap=0.1), tools=[measure])


# %% As it is often written: words, and a clock that starts with the question
async def naive(pause: float) -> str:
    loop, words = asyncio.get_running_loop(), 0
    began = loop.time()
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            words += len(piece.split())
            await asyncio.sleep(pause)
    return f'{words} words, {words / (loop.time() - began):.0f}/s'


# %% With pydantic-ai alone: the tokens that the provider has counted, and the same clock
async def alone(pause: float) -> str:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with new_agent().run_stream_events(QUESTION) as events:
        async for event in events:
            if event.event_kind in ('part_start', 'part_delta'):
                await asyncio.sleep(pause)
    tokens = events.usage.output_tokens
    return f'{tokens} tokens, {tokens / (loop.time() - began):.0f}/s'


# %% With this library: the tokens, and the time in which they were written
async def right(pause: float) -> str:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for _ in stream.text():
            await asyncio.sleep(pause)
    stats = stream.stats
    return f'{stats.output_tokens} tokens, {stats.tokens_per_second:.0f}/s, the first after {stats.first_content:.1f} s'


# %% What can be said while it writes: tokens are counted at the end, characters at any time
async def meanwhile() -> str:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            if piece.startswith(' is not'):
                break
        stats = stream.stats
    return f'{stats.output_tokens} tokens; {stats.characters} characters, {stats.characters_per_second:.0f}/s'


# %% The same model, read at once and read slowly. All side by side, which takes three seconds
async def main() -> None:
    pauses, ways = {'quick': 0.0, 'slow': 0.15}, (naive, alone, right)
    said = await asyncio.gather(*(way(pause) for pause in pauses.values() for way in ways), meanwhile())
    for (reader, way), what in zip(product(pauses, ways), said[:-1], strict=True):
        print(f'{reader:5} reader  {way.__name__:5}  {what}')
    print(f'meanwhile, after half of it  {said[-1]}')


if __name__ == '__main__':
    asyncio.run(main())
