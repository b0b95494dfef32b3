"""Show an answer piece by piece, and give it up for good reasons only.

Give back how it ended and the history for the next run. It ended 'complete', or 'idle' after ten seconds of silence, or
'total' after two minutes. Neither a slow reader nor a slow tool is a silence of the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage


async def pieces(agent: Agent, question: str, history: list[ModelMessage]) -> AsyncGenerator[str]:
    # TODO: one clock for everything: the model, the tools, and whoever shows the pieces.
    async with asyncio.timeout(30), agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece
        history[:] = result.all_messages()


async def tell(agent: Agent, question: str, show: Callable[[str], Awaitable[None]]) -> tuple[str, list[ModelMessage]]:
    history: list[ModelMessage] = []
    try:
        async with aclosing(pieces(agent, question, history)) as source:
            async for piece in source:
                await show(piece)
    except TimeoutError:
        return 'total', history
    return 'complete', history
