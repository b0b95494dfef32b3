"""Show an answer, and say at every moment what goes on.

`show` is called with each piece of text, and `status` whenever it changes (the same again does no harm): 'waiting' for
the model, 'thinking', the name of the tool that works, 'writing'. At the end it is 'complete', 'cut off' if the
provider hung up, or 'failed'. An error is for the caller all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent


async def follow(agent: Agent, question: str, show: Callable[[str], None], status: Callable[[str], None]) -> None:
    # TODO: nothing is seen of the tools, 'thinking' is a guess, and 'complete' may be a lie.
    status('thinking')
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            show(piece)
    status('complete')
