"""Print the answer as it comes, and give back the whole of it. The agent's tool asks the shelf, which has to be open.

`async with shelf:` opens it, once, and closes it at the end. It is to be open as long as the run needs it, and closed
afterwards, however the run has ended.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def start(agent: Agent[Any], shelf: AbstractAsyncContextManager[Any], question: str) -> RunStream[str]:
    # TODO: the run has not even begun when this returns.
    async with shelf as deps:
        return RunStream(agent.run_stream_events(question, deps=deps))


async def answer(agent: Agent[Any], shelf: AbstractAsyncContextManager[Any], question: str) -> str:
    async with await start(agent, shelf, question) as stream:
        async for piece in stream.text():
            print(piece, end='', flush=True)
        return await stream.get_output()
