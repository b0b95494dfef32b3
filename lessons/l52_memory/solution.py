"""Only what the next piece needs is kept. `guard` passes pieces on, and records none."""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import Deadlines, guard


async def pass_on(agent: Agent, question: str, send: Callable[[str], None]) -> tuple[int, str]:
    words, end, inside = 0, '', False
    async with agent.run_stream(question) as result:
        async for piece in guard(result.stream_text(delta=True, debounce_by=None), Deadlines(idle=60)):
            send(piece)
            for character in piece:
                words += not inside and not character.isspace()
                inside = not character.isspace()
            end = (end + piece)[-40:]
    return words, end
