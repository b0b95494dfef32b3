"""Two views of one run, each for one kind of progress; and marks that no piece has to end at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_ai import Agent, CustomEvent

from pydantic_ai_streaming import RunStream


@dataclass(kw_only=True)
class Read(CustomEvent, name='solution.read'):  # each file's own, as names are one to a program
    pages: int
    of: int


async def show_text(stream: RunStream[str]) -> int:
    count = 0
    async for piece in stream.text():
        before, count = count, count + len(piece)
        for passed in range(before // 20 + 1, count // 20 + 1):
            print(f'{passed * 20} characters', flush=True)
    return count


async def show_tools(stream: RunStream[str]) -> None:
    async for call in stream.tool_calls():
        if call.state == 'running' and isinstance(call.progress, Read):
            print(f'page {call.progress.pages} of {call.progress.of}', flush=True)


async def follow(agent: Agent, question: str) -> int:
    async with RunStream(agent.run_stream_events(question)) as stream:
        count, _ = await asyncio.gather(show_text(stream), show_tools(stream))
    return count
