"""Programs that do what they should not, behind a router: each request has an answer, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic_ai import Agent, CustomEvent, RunContext

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import AGUI, AISDK, Frames, StreamRunner
from pydantic_ai_streaming.testing import ScriptedModel, ToolCall
from tests.serve.serving import Client

SECRET = 'the password of the database'


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


@dataclass(kw_only=True)
class Told(CustomEvent, name='told_by_a_clumsy_tool'):
    payload: Any = None


@dataclass(kw_only=True)
class Untold(CustomEvent, name='untold_by_a_clumsy_tool'):
    def to_payload(self) -> Any:
        raise ValueError(SECRET)


class Nameless:
    def __str__(self) -> str:
        raise ValueError(SECRET)

    __repr__ = __str__


CIRCLE: dict[str, Any] = {}
CIRCLE['circle'] = CIRCLE


@pytest.mark.parametrize(
    'event',
    [Told(payload=CIRCLE), Told(payload=Nameless()), Untold(), Told(payload={'\ud800': float('nan')})],
    ids=['circle', 'nameless', 'untold', 'half a character'],
)
async def test_what_cannot_be_written_stops_no_other_frame_and_tells_nothing(event: CustomEvent) -> None:
    agent = Agent(ScriptedModel([ToolCall('tell')], ['One ', 'two.'], gap=0.001))

    @agent.tool
    async def tell(ctx: RunContext) -> str:
        await ctx.emit(event)
        return 'told'

    async with StreamRunner(formats=[Frames(), AISDK(), AGUI()]) as runner:
        stream_id = await runner.start(RunStream(agent.run_stream_events('Go')))
        async with asyncio.timeout(10):
            entries = [one async for part in await runner.log.follow(stream_id) for one in part.entries]
    frames = [one for one in entries if one.startswith(b'{')]
    assert b'"two."' in b''.join(frames)
    assert frames[-1] == b'{"type":"end","finish":"complete"}'
    assert SECRET.encode() not in b''.join(entries)
