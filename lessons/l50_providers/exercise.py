"""Show what a model does while it answers, whichever provider it is of, and give back the answer.

`show('thinking', PIECE)` and `show('text', PIECE)` as the pieces come, none of them empty; and `show('tool', NAME)` for
each call of a tool, once, as soon as its name is known, whoever runs the tool.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent


async def ask(agent: Agent, question: str, show: Callable[[str, str], None]) -> str:
    # TODO: this is good for a provider that writes an answer, and does nothing else.
    answer = ''
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            show('text', piece)
            answer += piece
    return answer
