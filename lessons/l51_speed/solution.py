"""The figures are kept where the content comes in, whatever becomes of it afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream

Show = Callable[[str], Awaitable[None]]


async def speed(agent: Agent, question: str, show: Show) -> tuple[float | None, float | None]:
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text():
            await show(piece)
    return stream.stats.first_text, stream.stats.tokens_per_second
