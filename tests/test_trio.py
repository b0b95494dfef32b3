"""Under the real Trio there is no loop of asyncio: whatever needs one says so, before anything is asked of a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability

from pydantic_ai_streaming import Deadlines, RunStream, StreamUsageError, guard, smooth
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, StreamGuard, ToolTimeline
from pydantic_ai_streaming.testing import ScriptedModel


async def words() -> AsyncIterator[str]:
    yield 'one'


async def smoothed() -> None:
    async for _ in smooth(words()):
        pass


async def guarded() -> None:
    async for _ in guard(words(), Deadlines(idle=1)):
        pass


async def streamed() -> None:
    async with RunStream(Agent(ScriptedModel(['one'])).run_stream_events('Go')) as stream:
        await stream.get_output()


@pytest.mark.parametrize(('program', 'name'), [(smoothed, 'smooth()'), (guarded, 'guard()'), (streamed, 'RunStream')])
def test_a_program_under_trio_is_told_to_use_asyncio(program: Callable[[], Awaitable[None]], name: str) -> None:
    with pytest.raises(StreamUsageError) as caught:
        trio.run(program)
    assert str(caught.value).startswith(f'{name} needs asyncio')


@pytest.mark.parametrize('mounted', [SmoothText, PartialOutputs, ToolTimeline, StreamGuard])
def test_what_is_mounted_says_so_too(mounted: type[AbstractCapability[Any]]) -> None:
    model = ScriptedModel(['one'])

    async def run() -> None:
        await Agent(model, capabilities=[mounted()]).run('Go')

    with pytest.raises(StreamUsageError) as caught:
        trio.run(run)
    assert str(caught.value).startswith(f'{mounted.__name__} needs asyncio')
    assert not model.requests
