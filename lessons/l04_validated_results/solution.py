"""`partial_outputs()` has an instance at every instant, and `state` says what in it is sure."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


class Trip(BaseModel):
    to: str
    nights: int
    plan: str
    price: int


async def show(agent: Agent[None, Trip], question: str) -> Trip:
    shown = ''
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for partial in stream.partial_outputs():
            line = partial.value.to or ''
            if partial.state('nights') == 'complete':
                line += f' ({partial.value.nights} nights)'
            print(line[len(shown) :], end='', flush=True)
            shown = line
        return await stream.get_output()
