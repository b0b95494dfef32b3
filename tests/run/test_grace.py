"""The grace for a connection that stays open after the finish reason: it counts from there."""

from __future__ import annotations

import asyncio

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
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
