"""`items()` yields an element in the piece with its closing brace."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


class Task(BaseModel):
    minutes: int
    title: str


async def plan(agent: Agent[None, list[Task]], question: str) -> list[Task]:
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for task in stream.items():
            print(f'- {task.minutes} min: {task.title}', flush=True)
        return await stream.get_output()
