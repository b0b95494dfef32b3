"""`Deadlines` count whose turn it is, and the error says which of them passed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import Deadlines, RunStream, StreamTimeout


async def tell(agent: Agent, question: str, show: Callable[[str], Awaitable[None]]) -> tuple[str, list[ModelMessage]]:
    ended = 'complete'
    deadlines = Deadlines(first=10, idle=10, total=120)
    async with RunStream(agent.run_stream_events(question), deadlines=deadlines) as stream:
        try:
            async for piece in stream.text():
                await show(piece)
        except StreamTimeout as error:
            ended = 'total' if error.phase == 'total' else 'idle'
    return ended, stream.messages
