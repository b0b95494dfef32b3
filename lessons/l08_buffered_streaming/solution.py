"""`Smoothing` has the pace follow the arrival."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, Smoothing


async def tell(agent: Agent, question: str) -> str:
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text(smoothing=Smoothing()):
            print(piece, end='', flush=True)
        return await stream.get_output()
