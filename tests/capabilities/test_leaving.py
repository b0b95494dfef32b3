"""Runs with everything mounted are left in the middle of a real client's stream: its connection closes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream, Smoothing
from pydantic_ai_streaming.capabilities import PartialOutputs, SmoothText, ToolTimeline
from tests.capabilities.drivers import Seen
from tests.lag import Lag
from tests.material import ReplayServer, needs_recordings, provider_agent
from tests.run.stages import PROVIDERS, Stage, build_stage

pytestmark = [
    needs_recordings,
    pytest.mark.no_task_left,
    pytest.mark.filterwarnings("ignore:The model 'claude-[a-z0-9-]+' is deprecated:DeprecationWarning"),
]

CLOSES_WITHIN = 0.1
QUICK = Smoothing(max_lag=0.05, drain=0.02, max_hold=0.05)


@pytest.fixture(scope='module')
def stages(replay: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    folder = tmp_path_factory.mktemp('middle')
    return {name: build_stage(replay, provider, folder) for name, provider in PROVIDERS.items()}


async def by_break(agent: Agent[None, Any], prompt: str, half: str) -> None:
    seen = Seen()
    async with agent.run_stream_events(prompt) as events:
        async for event in events:
            seen.take(event)
            if seen.shown == half:
                return


async def by_break_of_run_stream(agent: Agent[None, Any], prompt: str, half: str) -> None:
    shown = ''
    async with agent.run_stream(prompt) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            shown += piece
            if shown == half:
                return


async def by_break_of_a_stream(agent: Agent[None, Any], prompt: str, half: str) -> None:
    shown = ''
    async with RunStream(agent.run_stream_events(prompt)) as stream:
        async for piece in stream.text():
            shown += piece
            if shown == half:
                return


async def by_cancellation(agent: Agent[None, Any], prompt: str, half: str) -> None:
    seen, reached = Seen(), asyncio.Event()

    async def read() -> None:
        async with agent.run_stream_events(prompt) as events:
            async for event in events:
                seen.take(event)
                if seen.shown == half:
                    reached.set()

    reading = asyncio.create_task(read())
    await reached.wait()
    reading.cancel()
    await asyncio.wait([reading])


@pytest.mark.parametrize('leave', [by_break, by_break_of_run_stream, by_break_of_a_stream, by_cancellation])
@pytest.mark.parametrize('provider', PROVIDERS)
async def test_the_connection_closes_at_once(stages: dict[str, Stage], provider: str, leave: Any) -> None:
    stage = stages[provider]
    session = stage.session(stage.stall())
    mounted = [SmoothText(QUICK), PartialOutputs(), ToolTimeline()]
    async with provider_agent(session, capabilities=mounted) as agent:
        with Lag() as lag:
            began = time.monotonic()
            async with asyncio.timeout(20):
                await leave(agent, stage.prompt, stage.half_text)
            left = time.monotonic()
            assert await asyncio.to_thread(session.wait_for, 'client_disconnect', 1, 2.0), session.log
        closed = session.started + session.entries('client_disconnect')[0]['t']
        assert closed - left <= lag.allow(CLOSES_WITHIN, since=began)
