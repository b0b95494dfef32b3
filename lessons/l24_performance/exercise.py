"""Answer questions side by side, three at a time at most, and give the answers back by their questions.

`show` is called with the question and each piece of its answer, as it comes. `index` is called once for each answer,
with all of it; it is slow, and is not awaited, so it must not be called where it holds up everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent


async def answer_all(
    agent: Agent, questions: list[str], show: Callable[[str, str], None], index: Callable[[str], None]
) -> dict[str, str]:
    # TODO: nothing is shown before the slowest is done, all are asked at once, and `index` holds up all of them.
    async def one(question: str) -> str:
        answer = ''
        async with agent.run_stream(question) as result:
            async for chunk in result.stream_text(debounce_by=None):
                answer = chunk
        index(answer)
        return answer

    answers = await asyncio.gather(*map(one, questions))
    for question, answer in zip(questions, answers, strict=True):
        show(question, answer)
    return dict(zip(questions, answers, strict=True))
