"""A view of the text, a view of the tools, and the output that is there when the run is over."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def ask(agent: Agent, question: str) -> str:
    async with RunStream(agent.run_stream_events(question)) as stream:

        async def tools() -> None:
            async for call in stream.tool_calls():
                if call.state == 'running':
                    print(f'\n→ {call.name}', flush=True)
                elif call.state == 'returned':
                    print(f'\n← {call.name}: {call.result}', flush=True)

        async def text() -> None:
            async for piece in stream.text():
                print(piece, end='', flush=True)

        await asyncio.gather(tools(), text())
        return await stream.get_output()
