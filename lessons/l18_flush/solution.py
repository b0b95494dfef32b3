"""Flushed each time; and where there is a terminal, it erases the row itself."""

from __future__ import annotations

from typing import TextIO

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def tell(agent: Agent, question: str, file: TextIO) -> None:
    clear = ''
    if file.isatty():
        clear = '\r\x1b[K'
        print(question[:20], end='', flush=True, file=file)
    try:
        async with RunStream(agent.run_stream_events(question)) as stream:
            async for piece in stream.text():
                print(clear + piece, end='', flush=True, file=file)
                clear = ''
    finally:
        print(clear, end='', flush=True, file=file)
    print(flush=True, file=file)
