"""`messages` is a history for the next run, however this one ended."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import RunStream


async def turn(agent: Agent, question: str, history: list[ModelMessage], enough: int) -> list[ModelMessage]:
    shown = 0
    async with RunStream(agent.run_stream_events(question, message_history=history)) as stream:
        try:
            async for piece in stream.text():
                print(piece, end='', flush=True)
                shown += len(piece)
                if shown >= enough:
                    break
        except ModelAPIError as error:
            print(f'\n{error}')
    return stream.messages
