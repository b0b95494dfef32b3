"""Give back how the answer ended, and as much of its text as came.

`how` is 'complete', 'truncated' or 'timed_out'. Ten seconds of silence are too many.
"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent


async def answer(agent: Agent, question: str) -> tuple[str, str]:
    # TODO: this believes every stream that ends, and keeps nothing of one that does not.
    text = ''
    try:
        async with asyncio.timeout(10), agent.run_stream(question) as result:
            async for piece in result.stream_text(delta=True):
                text += piece
    except TimeoutError:
        return 'timed_out', ''
    return 'complete', text
