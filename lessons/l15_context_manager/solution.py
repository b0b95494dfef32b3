"""What needs the model stands in the block, and nothing else does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def first_sentence(
    agent: Agent, question: str, show: Callable[[str], None], save: Callable[[str], Awaitable[None]]
) -> str:
    sentence = ''
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text():
            show(piece)
            before, period, _ = piece.partition('.')
            sentence += before + period
            if period:
                break
    await save(sentence)
    return sentence
