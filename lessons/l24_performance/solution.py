"""`merge` has three at a time, and their pieces as they come; a thread has what cannot be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, merge


async def answer_all(
    agent: Agent, questions: list[str], show: Callable[[str, str], None], index: Callable[[str], None]
) -> dict[str, str]:
    streams = {question: RunStream(agent.run_stream_events(question)) for question in questions}
    async with merge(streams, at_once=3) as runs:
        async for question, piece in runs.text():
            show(question, piece)
        answers = await runs.get_outputs()
    for answer in answers.values():
        await asyncio.to_thread(index, answer)
    return answers
