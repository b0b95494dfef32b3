"""Show an answer as it comes, with the tools at work, and give back the answer.

Print `→ NAME` in a line of its own when a tool begins to run, and `← NAME: RESULT` when it has returned.
"""

from __future__ import annotations

from pydantic_ai import Agent


async def ask(agent: Agent, question: str) -> str:
    # TODO: "Let me check." is not the answer, and nothing is seen of the tools.
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            print(piece, end='', flush=True)
        return await result.get_output()
