"""Print an answer into a file as it comes, with a line end after it.

If the file is a terminal, the first 20 characters of the question stand there until something comes; then, or if it
fails, nothing is left of them. Into a pipe or a log goes the answer, and nothing else.
"""

from __future__ import annotations

from typing import TextIO

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


async def tell(agent: Agent, question: str, file: TextIO) -> None:
    # TODO: it looks right only on a terminal, and for questions in English that do not fail.
    status = question[:20]
    print(status, end='', file=file)
    waiting = True
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for piece in stream.text():
            if waiting:
                print('\b \b' * len(status), end='', file=file)
                waiting = False
            print(piece, end='', file=file)
    print(file=file)
