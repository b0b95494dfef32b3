"""Answers break off in the middle. What of them is kept, and does anybody learn that they are half?"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError

from pydantic_ai_streaming import Finish, RunStream, StreamingError
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Fail, Step, ToolCall

HOW = 'How is bread baked? In two sentences.'
WHAT = 'What goes into bread? Flour, water and salt, with their grams.'
KNEAD = ['Knead', ' it', ' until', ' it', ' is', ' smooth.', ' Then', ' let', ' it', ' rest', ' for', ' one']
LIST = '{"response": [{"name": "flour", "grams": 250}, {"name": "water", "grams": 15'  # of 150


class Item(BaseModel):
    name: str
    grams: int


def cook(*end: Step) -> Agent[None, str]:
    return Agent(lesson_model([*KNEAD, *end], gap=0.02))


def shopper(*end: Step) -> Agent[None, list[Item]]:
    return Agent(lesson_model([ToolCall('final_result', LIST, pieces=6), *end], gap=0.02), output_type=list[Item])


# %% A text, as it is often kept
async def naive_text(agent: Agent[None, str]) -> str:
    partial_text = ''
    try:
        async with agent.run_stream(HOW) as result:
            async for chunk in result.stream_text(debounce_by=None):
                partial_text += chunk
    except Exception as error:
        return f'{len(partial_text)} characters, {type(error).__name__}'
    return f'{len(partial_text)} characters, complete'


# %% A list
async def naive_list(agent: Agent[None, list[Item]]) -> str:
    items: list[Item] = []
    with suppress(Exception):  # "interrupted", and the program goes on
        async with agent.run_stream(WHAT) as result:
            async for snapshot in result.stream_output(debounce_by=None):
                items = snapshot
    return names(items)


# %% What came, what of it is sure, and how it ended
async def right_text(agent: Agent[None, str]) -> tuple[str, Finish | None]:
    async with RunStream(agent.run_stream_events(HOW)) as stream:
        with suppress(StreamingError, ModelAPIError):
            await stream.get_output()
    return stream.text_so_far, stream.finish


async def right_list(agent: Agent[None, list[Item]]) -> tuple[list[Item], Finish | None]:
    sure: list[Item] = []
    async with RunStream(agent.run_stream_events(WHAT)) as stream:
        with suppress(StreamingError, ModelAPIError):
            async for item in stream.items():
                sure.append(item)  # noqa: PERF401 - a comprehension would lose them at an error
    return sure, stream.finish


# %% A provider that hangs up, and a connection that breaks
def names(items: list[Item]) -> str:
    return ', '.join(f'{item.grams} g of {item.name}' for item in items)


async def main() -> None:
    for name, end in (('hung up', EndEarly()), ('broken', Fail(ModelConnectionError('scripted', 'reset')))):
        text, ended = await right_text(cook(end))
        items, also = await right_list(shopper(end))
        print(f'{name:8} naive  {await naive_text(cook(end))}')
        print(f'{name:8} right  {len(text)} characters, {ended}')
        print(f'{name:8} naive  {await naive_list(shopper(end))}')
        print(f'{name:8} right  {names(items)}, {also}')


if __name__ == '__main__':
    asyncio.run(main())
