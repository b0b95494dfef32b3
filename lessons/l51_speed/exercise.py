"""Show an answer, and say how fast it was: the seconds to its first text, and the tokens per second.

The tokens are those that the provider reports; the seconds are those in which the model wrote them. The wait for the
first of them, the work of tools and the time that `show` takes say nothing about its speed. Where the provider reports
no tokens, the second is None.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from pydantic_ai import Agent

Show = Callable[[str], Awaitable[None]]


async def speed(agent: Agent, question: str, show: Show) -> tuple[float | None, float | None]:
    # TODO: words are no tokens, and this clock counts everything. Is it even the clock of the stream?
    began, first, tokens = time.time(), None, 0
    async with agent.run_stream_events(question) as events:
        async for event in events:
            piece = ''
            if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                piece = event.part.content
            elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                piece = event.delta.content_delta
            if piece:
                first = first or time.time() - began
                tokens += len(piece.split())
                await show(piece)
    return first, tokens / (time.time() - began)
