"""Collect an answer, and what came with it, however the run ended. Nothing is raised."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage


@dataclass(frozen=True)
class Collected:
    """What came of a question.

    Attributes:
        answer: The output; None if the run broke off before there was one.
        said: All text that the model wrote, in order: also before it called a tool, and before the run broke off.
        tokens: How many output tokens the whole run has used, as far as the provider told.
        reason: Why the last response ended ('stop', 'length'); None if it broke off.
        history: The messages for the next run, with all that was said in them.
    """

    answer: str | None
    said: str
    tokens: int
    reason: str | None
    history: list[ModelMessage]


async def collect(agent: Agent, question: str) -> Collected:
    # TODO: the pieces that are added up are neither all that was said nor the answer, and the last response is not all.
    text = ''
    try:
        async with agent.run_stream_events(question) as events:
            async for event in events:
                if event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                    text += event.delta.content_delta
                elif event.event_kind == 'agent_run_result':
                    last = event.result.response
                    history = event.result.all_messages()
                    return Collected(text, text, last.usage.output_tokens, last.finish_reason, history)
    except ModelAPIError:
        pass
    return Collected(None, text, 0, None, [])
