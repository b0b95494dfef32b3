"""The stream keeps it all, and tells after the end too, whatever that was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import RunStream


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
    answer = None
    stream = RunStream(agent.run_stream_events(question))
    with suppress(ModelAPIError):
        async with stream:
            answer = await stream.get_output()
    reason = stream.result.response.finish_reason if stream.result else None
    return Collected(answer, stream.text_so_far, stream.usage.output_tokens, reason, stream.messages)
