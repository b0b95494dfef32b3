"""One task reads all, and keeps the newest; another looks ten times a second whether there is a newer one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic import BaseModel
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream


class Trip(BaseModel):
    to: str
    plan: str
    nights: int


async def fill(agent: Agent[None, Trip], question: str, send: Callable[[Trip], None]) -> Trip:
    latest: list[Trip] = []
    async with RunStream(agent.run_stream_events(question)) as stream:

        async def read() -> None:
            async for partial in stream.partial_outputs():
                latest[:] = [partial.value]

        reading = asyncio.create_task(read())
        while not reading.done():
            await asyncio.sleep(0.1)
            if latest:
                send(latest.pop())
        await reading
        return await stream.get_output()
