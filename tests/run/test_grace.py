"""The grace for a connection that stays open after the finish reason: it counts from there."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.aio.beat import Beat
from pydantic_ai_streaming.run.grace import Grace
from pydantic_ai_streaming.testing import Finish, Hang, ScriptedModel, Stall, Text

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize('pause', [0.01, 0.6, 0.99, 3, 100])
async def test_the_grace_counts_from_the_finish_however_late_it_comes(pause: float) -> None:
    """The usage of a response comes after its finish reason: the grace is there for it."""
    scripted = ScriptedModel(['All ', 'said.', Hang(wait=pause)])
    async with RunStream(Agent(scripted).run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'All said.'
    assert pause + 1 <= now() <= pause + 1 + max(0.025, min(pause / 8, 0.125)) + 1e-9


async def test_what_comes_after_the_finish_begins_the_grace_anew() -> None:
    scripted = ScriptedModel(['All ', Finish(), Text('said.', wait=0.9), Text('!', wait=0.9), Stall()])
    async with RunStream(Agent(scripted).run_stream_events('Go')) as stream:
        assert await stream.get_output() == 'All said.!'
    assert now() == pytest.approx(2.8)


async def test_a_response_in_full_flow_is_hardly_looked_at() -> None:
    loop, looks = asyncio.get_running_loop(), list[float]()

    def finished() -> bool:
        looks.append(now())
        return False

    grace = Grace(loop, 1.0, finished=finished, end=lambda: True, beat=Beat())
    grace.start()
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        grace.last_event = now()
    in_flow = len(looks)
    await asyncio.sleep(0.4)
    grace.cancel()
    assert in_flow <= 10 / 0.125 + 1
    silent = looks[in_flow:]
    assert [round(b - a, 3) for a, b in pairwise(silent)][1:3] == [0.025, 0.025]
