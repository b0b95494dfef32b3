"""A `Recovery` asks for the response again, not for the run, and knows which errors are worth it."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, Recovery, RunStream


async def ask(agent: Agent, question: str) -> str:
    deadlines, recovery = Deadlines(first=10, idle=10), Recovery(by='continue')
    async with RunStream(agent.run_stream_events(question), deadlines=deadlines, recovery=recovery) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
