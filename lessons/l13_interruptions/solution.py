"""`finally` is on every way out, and `stream.messages` is a history on each of them."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import RunStream


async def turn(agent: Agent, question: str, history: list[ModelMessage], stop: asyncio.Event) -> None:
    stream = RunStream(agent.run_stream_events(question, message_history=history))
    try:
        async with stream:
            async for piece in stream.text():
                if stop.is_set():
                    break
                print(piece, end='', flush=True)
    finally:
        history[:] = stream.messages
