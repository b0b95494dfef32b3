"""A list of five elements: when is one of them whole, who can tell, and how often is it validated?"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import AfterValidator, BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.course import lesson_model
from pydantic_ai_streaming.testing import ToolCall

QUESTION = 'Five things to pack for a day of sailing, each with a reason of four words.'
THINGS = (
    '{"name": "jacket", "reason": "wind without any warning"}',
    '{"name": "water", "reason": "salt makes one thirsty"}',
    '{"name": "rope", "reason": "somebody always needs some"}',
    '{"name": "hat", "reason": "the sun comes twice"}',
    '{"name": "bread", "reason": "lunch may be late"}',
)
checks = 0  # how many times a name was validated


def checked(name: str) -> str:
    global checks
    checks += 1
    return name


class Thing(BaseModel):
    name: Annotated[str, AfterValidator(checked)]
    reason: str


answer = ToolCall('final_result', f'{{"response": [{", ".join(THINGS)}]}}', pieces=6)
agent = Agent(lesson_model(answer, gap=0.05), output_type=list[Thing])


def show(thing: Thing, began: float) -> None:
    print(f'  {asyncio.get_running_loop().time() - began:.1f} s  {thing.name}: {thing.reason!r}')


# %% Each element when it turns up
async def naive(began: float) -> None:
    shown = 0
    async with agent.run_stream(QUESTION) as result:
        async for things in result.stream_output(debounce_by=None):
            for thing in things[shown:]:
                show(thing, began)
            shown = len(things)


# %% With pydantic-ai alone: each element when the next one has turned up
async def alone(began: float) -> None:
    shown = 0
    async with agent.run_stream(QUESTION) as result:
        async for things in result.stream_output(debounce_by=None):
            for thing in things[shown:-1]:
                show(thing, began)
            shown = max(shown, len(things) - 1)
        for thing in (await result.get_output())[shown:]:
            show(thing, began)


# %% With this library
async def right(began: float) -> None:
    async with RunStream(agent.run_stream_events(QUESTION)) as stream:
        async for thing in stream.items():
            show(thing, began)


# %% The three of them
async def main() -> None:
    global checks
    for way in (naive, alone, right):
        checks = 0
        print(f'{way.__name__}:')
        await way(asyncio.get_running_loop().time())
        print(f'-> {checks} names validated\n')


if __name__ == '__main__':
    asyncio.run(main())
