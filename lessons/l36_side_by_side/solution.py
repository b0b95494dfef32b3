"""`merge` starts them as there is room, keeps each failure to itself, and ends all when it is left."""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, merge


async def ask_all(
    agents: dict[str, Agent], question: str, show: Callable[[str, str], None]
) -> tuple[dict[str, str], dict[str, BaseException]]:
    streams = {name: RunStream(agent.run_stream_events(question)) for name, agent in agents.items()}
    async with merge(streams, at_once=3, on_error='isolate') as runs:
        async for name, piece in runs.text():
            show(name, piece)
    return runs.outputs, runs.errors
