"""Print the answer as it comes, each character once, and give back the whole of it."""

from __future__ import annotations

from pydantic_ai import Agent


async def tell(agent: Agent, question: str) -> str:
    # TODO: on the screen, everything stands there again and again.
    async with agent.run_stream(question) as result:
        async for chunk in result.stream_text():
            print(chunk, end='')
        return await result.get_output()
