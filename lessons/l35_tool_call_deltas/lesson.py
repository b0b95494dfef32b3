"""Three letters, each written as the argument of a tool. When does one see the first word of each?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import NativeToolCallPart, ToolCallPart, ToolCallPartDelta
from pydantic_core import from_json

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall

QUESTION = 'Invite Ada, Ben and Cleo to dinner, with a letter of one sentence and 12 copies each, one after the other.'
LETTERS = [
    {'to': 'Ada', 'copies': 12, 'text': 'Come on Friday, and bring the goat.'},
    {'to': 'Ben', 'copies': 12, 'text': 'Come on Friday; there may be a goat.'},
    {'to': 'Cleo', 'copies': 12, 'text': 'Come on Friday, and leave the dog at home.'},
]
Show = Callable[[dict[str, Any]], None]


def send(to: str, copies: int, text: str) -> str:
    """Sends a letter."""
    return f'{copies} copies sent to {to}'


def new_agent() -> Agent:
    ada, ben = ([ToolCall('send', letter, pieces=5)] for letter in LETTERS[:2])
    cleo = [ToolCall('send', LETTERS[2], pieces='mapping')]  # all at once, and no text: as Google's client has it
    return Agent(lesson_model(ada, ben, cleo, ['Sent.'], gap=0.03), tools=[send])


# %% As it is often written: the pieces of each index are added up, and parsed
async def naive(show: Show) -> None:
    calls: dict[int, str] = {}
    async with new_agent().run_stream_events(QUESTION) as events:
        async for event in events:
            if event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'tool_call':
                calls[event.index] = calls.get(event.index, '') + str(event.delta.args_delta)
                with suppress(ValueError):
                    show(json.loads(calls[event.index]))


# %% With pydantic-ai alone: its own parts, and a parser that takes half a document
async def alone(show: Show) -> None:
    part: ToolCallPart | NativeToolCallPart | None = None
    async with new_agent().run_stream_events(QUESTION) as events:
        async for event in events:
            if event.event_kind == 'part_start':
                part = event.part if isinstance(event.part, ToolCallPart) else None
            elif part and event.event_kind == 'part_delta' and isinstance(event.delta, ToolCallPartDelta):
                part = event.delta.apply(part)
            if part and isinstance(part.args, str):
                show(from_json(part.args, allow_partial='trailing-strings'))
            elif part:
                show(part.args_as_dict())


# %% With this library: the arguments as a typed value, with the state of each
async def right(show: Show) -> None:
    async with RunStream(new_agent().run_stream_events(QUESTION)) as stream:
        async for call in stream.tool_calls():
            if call.partial:
                show(call.partial.value)


# %% When the first word of each letter is seen, and how many copies one is told of
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, alone, right):
        first: dict[str, str] = {}
        copies: dict[str, None] = {}

        def show(letter: dict[str, Any], first: Any = first, copies: Any = copies, began: float = clock()) -> None:
            copies[str(letter.get('copies') or '')] = None
            if letter.get('text'):
                first.setdefault(letter.get('to') or '?', f'{letter.get("to")} after {clock() - began:.2f} s')

        await way(show)
        print(f'{way.__name__:6} {", ".join(first.values())}; copies: {", then ".join(filter(None, copies))}')


if __name__ == '__main__':
    asyncio.run(main())
