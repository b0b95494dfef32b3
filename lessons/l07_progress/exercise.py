"""Say how far an answer has come, line by line, and give back how many characters it has.

A tool reads pages and tells of each: then print `page 1 of 3`. Of the text, print `20 characters` when there are that
many, then `40 characters` and so on; a piece that passes two of these marks has a line for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_ai import Agent, CustomEvent


@dataclass(kw_only=True)
class Read(CustomEvent, name='exercise.read'):
    pages: int
    of: int


async def follow(agent: Agent, question: str) -> int:
    # TODO: the count is wrong, most marks are passed without a word, and of the pages nothing is said.
    count = 0
    async with agent.run_stream(question) as result:
        async for chunk in result.stream_text(debounce_by=None):
            count += len(chunk)
            if count % 20 == 0:
                print(f'{count} characters', flush=True)
    return count
