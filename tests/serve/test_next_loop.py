"""A runner that was not closed when its event loop ended, and is used in the next one."""

from __future__ import annotations

import asyncio
import json

from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.logs import MemoryBackend, StreamLog
from pydantic_ai_streaming.serve import StreamRunner
from pydantic_ai_streaming.serve.wire import FORMATS
from pydantic_ai_streaming.testing import ScriptedModel


async def last_of(log: StreamLog, stream_id: str) -> str:
    async with asyncio.timeout(10):
        entries = [entry async for part in await log.follow(stream_id) for entry in part.entries]
    return json.loads(entries[-1])['finish']


def test_streams_of_the_dead_are_ended_and_runs_are_started_in_the_next_loop() -> None:
    backend = MemoryBackend()
    runner = StreamRunner(StreamLog(backend, lease=0.4))

    async def first() -> None:
        await runner.open()
        await StreamLog(backend, lease=0.4).create('of the dead', details={FORMATS: ['frames']})

    async def second() -> None:
        stream_id = await runner.start(RunStream(Agent(ScriptedModel(['One'])).run_stream_events('Go')))
        assert await last_of(runner.log, stream_id) == 'complete'
        assert await last_of(runner.log, 'of the dead') == 'lost'
        await runner.close()

    asyncio.run(first())
    asyncio.run(second())
