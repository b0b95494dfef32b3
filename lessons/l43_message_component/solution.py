"""The picture is made of the stream each time, and nothing that is drawn is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from typing import Any

from pydantic_ai import Agent, AgentRunError
from pydantic_ai.messages import ModelMessage

from pydantic_ai_streaming import RunStream, StreamingError

Draw = Callable[[str], None]
REMARKS = {'stopped': 'stopped', 'truncated': 'cut off'}


def picture(stream: RunStream[Any]) -> str:
    text = escape(stream.text_so_far)
    if stream.finish is None:
        return f'{text}▍' if text else '<i>...</i>'
    return text if stream.finish == 'complete' else f'{text}<i>{REMARKS.get(stream.finish, "failed")}</i>'


async def show(agent: Agent, question: str, draw: Draw, stop: asyncio.Event) -> list[ModelMessage]:
    stream = RunStream(agent.run_stream_events(question))
    try:
        async with stream:
            draw(picture(stream))
            async for _ in stream.text():
                draw(picture(stream))
                if stop.is_set():
                    break
    except (StreamingError, AgentRunError):
        pass
    draw(picture(stream))
    return stream.messages
