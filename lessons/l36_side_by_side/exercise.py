"""Ask several agents the same thing, at most three at a time, and show each piece as it comes: `show(NAME, PIECE)`.

Give back the answers and the errors, each by the name of its agent. One that fails does not concern the others, and an
answer that was cut off is no answer. Whoever is tired of waiting cancels the function, and then nothing goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent


async def ask_all(
    agents: dict[str, Agent], question: str, show: Callable[[str, str], None]
) -> tuple[dict[str, str], dict[str, BaseException]]:
    # TODO: all at once, and the first failure is the end of all answers.
    async def one(name: str, agent: Agent) -> str:
        async with agent.run_stream(question) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                show(name, piece)
            return await result.get_output()

    try:
        answers = await asyncio.gather(*(one(name, agent) for name, agent in agents.items()))
    except Exception as error:
        return {}, dict.fromkeys(agents, error)
    return dict(zip(agents, answers, strict=True)), {}
