"""An object of four fields, of which the last is required: when does one see the first, and what does it cost?"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import AfterValidator, BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall

QUESTION = 'Recommend a novel of the nineteenth century, with its plot in two sentences, and one to five stars.'
PLOT = 'A man builds a machine and rides it to the end of the world and back. At dinner, nobody believes a word.'
ANSWER = f'{{"title": "The Time Machine", "year": 1895, "plot": "{PLOT}", "stars": 5}}'
checks = 0  # how many times a year was validated


def checked(year: int) -> int:
    global checks
    checks += 1
    return year


class Book(BaseModel):
    title: str
    year: Annotated[int, AfterValidator(checked)]
    plot: str
    stars: int


class Draft(BaseModel):
    title: str = ''
    year: Annotated[int, AfterValidator(checked)] | None = None
    plot: str = ''
    stars: int | None = None


agent = Agent(lesson_model(ToolCall('final_result', ANSWER, pieces=4), gap=0.05), output_type=Book)


seen: list[tuple[float, Book | Draft]] = []


def note(book: Book | Draft) -> None:
    seen.append((asyncio.get_running_loop().time(), book))


# %% Every snapshot is validated as a whole
async def naive() -> None:
    async with agent.run_stream(QUESTION) as result:
        async for book in result.stream_output(debounce_by=None):
            note(book)


# %% With pydantic-ai alone: a type in which nothing is required
async def alone() -> None:
    async with agent.run_stream(QUESTION, output_type=Draft) as result:
        async for draft in result.stream_output(debounce_by=None):
            note(draft)


# %% With this library
async def right() -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for partial in stream.partial_outputs():
            note(partial.value)


# %% The three of them
async def main() -> None:
    global checks
    for way in (naive, alone, right):
        checks, began = 0, asyncio.get_running_loop().time()
        seen.clear()
        await way()
        first = next(at for at, book in seen if book.title) - began
        years = dict.fromkeys(str(book.year) for _, book in seen if book.year is not None)
        title = f'title after {first:.1f} s of {seen[-1][0] - began:.1f} s'
        print(f'{way.__name__:6} {title}, year {", then ".join(years)}, validated {checks} times')


if __name__ == '__main__':
    asyncio.run(main())
