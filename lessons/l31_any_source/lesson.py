"""The stream of some other client: text in batches, then signs of life without text. What does one see, how long?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import NamedTuple

from pydantic import BaseModel
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import Model

from pydantic_ai_streaming import Deadlines, StreamTimeout, guard, partial_outputs, smooth
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import EndEarly, Text, reply

TELL = 'Tell me about harbours, in two sentences.'
TEXT = 'A harbour is where the sea is asked to wait. It does so for a while, and then it comes in by the door.'
NAME = 'Name a novel. Answer with JSON: {"title": "...", "plot": "..."}'
NOVEL = '{"title": "The Lighthouse", "plot": "Ten years pass, and then they do go there after all."}'
batches = lesson_model([*reply(TEXT, cut=28), *[Text('', wait=0.2)] * 5, EndEarly()], gap=0.25)


# %% Another client, which may be of any library: updates with text, and some without
class Update(NamedTuple):
    text: str | None


async def complete(model: Model, question: str) -> AsyncGenerator[Update]:
    async with model_request_stream(model, [ModelRequest.user_text_prompt(question)]) as response:
        async for event in response:
            if event.event_kind == 'part_start' and event.part.part_kind == 'text':
                yield Update(event.part.content)
            elif event.event_kind == 'part_delta' and event.delta.part_delta_kind == 'text':
                yield Update(event.delta.content_delta)


# %% As it is often written
async def naive(updates: AsyncIterable[Update]) -> AsyncGenerator[str]:
    async for update in updates:
        if update.text:
            yield update.text


# %% With this library
async def pieces(updates: AsyncIterable[Update]) -> AsyncGenerator[str]:
    limits = Deadlines(first=60, idle=0.4)
    async with aclosing(guard(updates, limits, content=lambda update: len(update.text or ''))) as guarded:
        async for update in guarded:
            if update.text:
                yield update.text


def right(updates: AsyncIterable[Update]) -> AsyncGenerator[str]:
    return smooth(pieces(updates))


# %% The same for an object
class Novel(BaseModel):
    title: str
    plot: str


async def novel() -> None:
    clock = asyncio.get_running_loop().time
    source, began = pieces(complete(lesson_model(reply(NOVEL, cut=4), gap=0.02), NAME)), clock()
    partials = partial_outputs(source, Novel, prose=True)
    titles = [clock() - began async for partial in partials if partial.value.title]
    print(f'object title after {titles[0]:.2f} s, all of it after {titles[-1]:.2f} s')


# %% What one sees, and when
async def main() -> None:
    clock = asyncio.get_running_loop().time
    for way in (naive, right):
        shown, ended = 0, 'as if complete'
        began = last = clock()
        try:
            async for _ in way(complete(batches, TELL)):
                shown, last = shown + 1, clock()
        except StreamTimeout as error:
            ended = f'StreamTimeout: {error.phase}'
        print(f'{way.__name__:6} updates {shown / (last - began):.0f}/s; over after {clock() - began:.1f} s, {ended}')
    await novel()


if __name__ == '__main__':
    asyncio.run(main())
