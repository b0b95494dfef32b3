"""What ends without a finish reason raises StreamTruncated; what the provider does wrong is a ModelAPIError."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError

from pydantic_ai_streaming import RunStream, StreamTruncated

UNFINISHED: dict[str | None, str] = {'length': 'too long', 'content_filter': 'filtered'}


async def answer(agent: Agent, question: str) -> tuple[str, str]:
    stream = RunStream(agent.run_stream_events(question))
    try:
        async with stream:
            await stream.get_output()
    except StreamTruncated:
        return 'cut off', stream.text_so_far
    except ModelAPIError:
        return 'broken' if stream.text_so_far else 'refused', stream.text_so_far
    reason = stream.result.response.finish_reason if stream.result else None
    return UNFINISHED.get(reason, 'complete'), stream.text_so_far
