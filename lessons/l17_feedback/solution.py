"""A view for each thing that can go on, and `finish` for how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def follow(agent: Agent, question: str, show: Callable[[str], None], status: Callable[[str], None]) -> None:
    async with RunStream(agent.run_stream_events(question)) as stream:

        async def thinking() -> None:
            async for _ in stream.thinking():
                status('thinking')

        async def tools() -> None:
            async for call in stream.tool_calls():
                if call.state == 'running':
                    status(call.name)
                elif call.ended:
                    status('waiting')

        async def text() -> None:
            async for piece in stream.text():
                status('writing')
                show(piece)

        status('waiting')
        try:
            await asyncio.gather(thinking(), tools(), text())
        finally:
            status({'complete': 'complete', 'truncated': 'cut off'}.get(stream.finish or '', 'failed'))
