"""`text()` yields what is new. The output is there when the stream is over."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def tell(agent: Agent, question: str) -> str:
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
