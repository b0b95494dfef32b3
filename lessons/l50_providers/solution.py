"""Three views of one run, and its output. What providers do differently is gone from all four."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def ask(agent: Agent, question: str, show: Callable[[str, str], None]) -> str:
    async with RunStream(agent.run_stream_events(question)) as stream:

        async def thinking() -> None:
            async for piece in stream.thinking():
                show('thinking', piece)

        async def text() -> None:
            async for piece in stream.text():
                show('text', piece)

        async def tools() -> None:
            seen: set[int] = set()
            async for call in stream.tool_calls():
                if call.number not in seen:
                    seen.add(call.number)
                    show('tool', call.name)

        await asyncio.gather(thinking(), text(), tools())
        return await stream.get_output()
