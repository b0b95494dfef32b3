"""Send a form to a page while it is filled in.

`send` takes the form as it is at that moment, and draws it. It is called ten times a second at most, and only if there
is something new. Whatever has come is sent within 0.1 s, and the last that is sent is the whole form, which is given
back too. What fails is for the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


class Trip(BaseModel):
    to: str
    plan: str
    nights: int


async def fill(agent: Agent[None, Trip], question: str, send: Callable[[Trip], None]) -> Trip:
    # TODO: a fast model makes this flood the page, and a pause of the model leaves the page behind.
    sent = 0
    async with RunStream(agent.run_stream_events(question)) as stream:
        async for partial in stream.partial_outputs():
            if partial.received - sent >= 10:
                send(partial.value)
                sent = partial.received
        return await stream.get_output()
