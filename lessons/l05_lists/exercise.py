"""Print each task as soon as it is whole, `- 20 min: Book the ferry` and a line feed, and give back the whole list.

A task that is not valid is not printed; the model is asked for the list again then, and what was printed stands.
"""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent


class Task(BaseModel):
    minutes: int
    title: str


async def plan(agent: Agent[None, list[Task]], question: str) -> list[Task]:
    # TODO: a task is printed when its title has begun, and never again.
    shown = 0
    async with agent.run_stream(question) as result:
        async for tasks in result.stream_output(debounce_by=None):
            for task in tasks[shown:]:
                print(f'- {task.minutes} min: {task.title}', flush=True)
            shown = len(tasks)
        return await result.get_output()
