"""Show a trip while it arrives: `to`, letter by letter, then ` (3 nights)` as soon as that is sure.

So the screen says `Farland (3 nights)` in the end. Give back the trip. If its end does not come, raise what says so.
"""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent


class Trip(BaseModel):
    to: str
    nights: int
    plan: str
    price: int


async def show(agent: Agent[None, Trip], question: str) -> Trip:
    # TODO: nothing shows until all four fields have begun.
    shown = ''
    async with agent.run_stream(question) as result:
        async for trip in result.stream_output(debounce_by=None):
            line = f'{trip.to} ({trip.nights} nights)'
            print(line[len(shown) :], end='', flush=True)
            shown = line
        return await result.get_output()
