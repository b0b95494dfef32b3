"""Show an answer and give it back, with the second model where the first one fails.

The first may refuse, break off, hang up, or be silent for ten seconds: before its first word, or after some. Nothing is
shown twice, and no tool runs twice. As long as the first one does its work, the second is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel


async def ask(first: Model, second: Model, tools: list[Callable[..., Any]], question: str) -> str:
    # TODO: the second model comes in only if the first has not said a word.
    agent = Agent(FallbackModel(first, second), tools=tools)
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(piece, end='', flush=True)
        return await result.get_output()
