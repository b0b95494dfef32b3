"""`RunStream` knows how a run ended, and keeps what came."""

from __future__ import annotations

from contextlib import suppress

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, RunStream, StreamingError


async def answer(agent: Agent, question: str) -> tuple[str, str]:
    async with RunStream(agent.run_stream_events(question), deadlines=Deadlines(idle=10)) as stream:
        with suppress(StreamingError):
            await stream.get_output()
    return str(stream.finish), stream.text_so_far
