"""What the run needs is opened around it, in a context of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


@asynccontextmanager
async def start(
    agent: Agent[Any], shelf: AbstractAsyncContextManager[Any], question: str
) -> AsyncGenerator[RunStream[str]]:
    async with shelf as deps, RunStream(agent.run_stream_events(question, deps=deps)) as stream:
        yield stream


async def answer(agent: Agent[Any], shelf: AbstractAsyncContextManager[Any], question: str) -> str:
    async with start(agent, shelf, question) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
