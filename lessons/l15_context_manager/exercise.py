"""Save the first sentence of an answer, up to its period, and give it back.

`show` is called with each piece; it may fail, and so may `save`. Before `save` is called, and before this function is
left in any way, the connection to the model is to be closed. An answer without a period is saved as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from pydantic_ai import Agent


async def pieces(agent: Agent, question: str) -> AsyncGenerator[str]:
    async with agent.run_stream(question) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece


async def first_sentence(
    agent: Agent, question: str, show: Callable[[str], None], save: Callable[[str], Awaitable[None]]
) -> str:
    # TODO: there is an `async with`, but who leaves it, and when?
    sentence = ''
    async for piece in pieces(agent, question):
        show(piece)
        before, period, _ = piece.partition('.')
        sentence += before + period
        if period:
            break
    await save(sentence)
    return sentence
