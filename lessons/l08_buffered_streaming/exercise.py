"""Print an answer at a pace that one can read, and give it back.

It begins as soon as there is something to show, does not jump where the provider sends in batches, and is over when
the answer is.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pydantic_ai import Agent


async def tell(agent: Agent, question: str) -> str:
    # TODO: this begins late and ends late, and jumps as before.
    buffer: deque[str] = deque()
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            buffer.append(piece)
            if len(buffer) >= 3:
                print(buffer.popleft(), end='', flush=True)
                await asyncio.sleep(0.05)
        while buffer:
            print(buffer.popleft(), end='', flush=True)
        return await result.get_output()
