"""Show an answer and give it back, even if it breaks off once.

A response that is cut off, or silent for ten seconds, is gone on from, with one more request. Nothing is shown twice,
and no tool runs twice. If that does not help either, or if asking again cannot help, raise what went wrong.
"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent


async def ask(agent: Agent, question: str) -> str:
    # TODO: it begins the whole run again, tools and all, whatever has happened.
    for attempt in range(3):
        try:
            async with agent.run_stream(question) as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    print(piece, end='', flush=True)
                return await result.get_output()
        except Exception:
            if attempt == 2:
                raise
            await asyncio.sleep(1)
    raise AssertionError('There is no fourth attempt')
