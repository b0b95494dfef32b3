"""`items()` yields what is whole, and `finish` says whether that is all."""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError

from pydantic_ai_streaming import RunStream, StreamingError


class Item(BaseModel):
    name: str
    grams: int


async def shopping(
    agent: Agent[None, list[Item]], question: str, kept: dict[str, list[Item]]
) -> tuple[list[Item], bool]:
    if question in kept:
        return kept[question], True
    items: list[Item] = []
    async with RunStream(agent.run_stream_events(question)) as stream:
        with suppress(StreamingError, ModelAPIError):
            async for item in stream.items():
                items.append(item)  # noqa: PERF401 - a comprehension would lose them at an error
    if stream.finish != 'complete':
        return items, False
    kept[question] = stream.output  # `items` may have one of an attempt that was rejected
    return stream.output, True
