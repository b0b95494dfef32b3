"""Leaving the context stops the model, so it is enough to leave the loop."""

from __future__ import annotations

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def first_sentence(agent: Agent, question: str) -> str:
    sentence = ''
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text():
            before, end, _ = piece.partition('.')
            print(before + end, end='', flush=True)
            sentence += before + end
            if end:
                break
    return sentence
