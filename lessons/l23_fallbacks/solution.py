"""`FallbackModel` for what goes wrong before the first event, and a `Recovery` with a fallback for what comes later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel

from pydantic_ai_streaming import Deadlines, Recovery, RunStream


async def ask(first: Model, second: Model, tools: list[Callable[..., Any]], question: str) -> str:
    run = Agent(FallbackModel(first, second), tools=tools).run_stream_events(question)
    deadlines, recovery = Deadlines(first=10, idle=10), Recovery(fallback=[second])
    async with RunStream(run, deadlines=deadlines, recovery=recovery) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
