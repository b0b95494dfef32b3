"""48 characters every 0.35 s from one provider, a word every 0.02 s from another. What does one see of each?"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, Smoothing
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import reply

QUESTION = 'Tell me about lighthouses, in four sentences.'
TEXT = (
    'A lighthouse is a tower with a lamp at its top. The lamp turns, and ships far out at sea can tell by the rhythm '
    'where they are. Most keepers are gone now. A small computer lights the lamp at dusk, and nobody climbs the stairs.'
)
batches = Agent(lesson_model(reply(TEXT, cut=48), gap=0.35))
words = Agent(lesson_model(reply(TEXT, cut='words'), gap=0.02))
Show = Callable[[str], None]


# %% As it comes
async def arrival(agent: Agent, show: Show) -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text():
            show(piece)


# %% Smoother, as it is often written: some pieces are kept back, and each is followed by a pause
async def naive(agent: Agent, show: Show) -> None:
    buffer: deque[str] = deque()
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            buffer.append(piece)
            if len(buffer) >= 3:
                show(buffer.popleft())
                await asyncio.sleep(0.05)
        while buffer:
            show(buffer.popleft())


# %% Smoother
async def right(agent: Agent, show: Show) -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for piece in stream.text(smoothing=Smoothing()):
            show(piece)


# %% What one sees
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for name, agent in (('batches', batches), ('words', words)):
        for way in (arrival, naive, right):
            seen: list[float] = []
            began = clock()
            await way(agent, lambda _, seen=seen, began=began: seen.append(clock() - began))
            pause = max(later - earlier for earlier, later in pairwise(seen))
            rate = len(seen) / seen[-1]
            print(
                f'{name:8} {way.__name__:8} from {seen[0]:.2f} s to {seen[-1]:.2f} s, '
                f'updates {rate:.0f}/s, longest pause {pause:.2f} s'
            )


if __name__ == '__main__':
    asyncio.run(main())
