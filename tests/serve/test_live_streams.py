"""How long a stream of this process goes on that clients join late, leave, or never come to, in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.serve import LiveStreams, SSEResponse
from pydantic_ai_streaming.serve.live import LiveStream
from pydantic_ai_streaming.testing import ScriptedModel, Stall
from tests.serve.test_following import Connection

pytestmark = [pytest.mark.virtual_time, pytest.mark.no_task_left]


def now() -> float:
    return asyncio.get_running_loop().time()


def run(*steps: Any) -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel([*steps], gap=1)).run_stream_events('Go'))


async def ended(live: LiveStream) -> tuple[str, float]:
    """How it ends, and when."""
    frames = [json.loads(one) async for one in live.read(0)]
    return frames[-1]['finish'], now()


async def test_a_stream_that_nobody_comes_to_is_stopped_and_forgotten() -> None:
    async with LiveStreams(linger=30) as streams:
        live = streams.start(run('One ', Stall()))
        assert await ended(live) == ('stopped', 30)
        await asyncio.sleep(29)
        assert streams.get(live.id) is live
        await asyncio.sleep(2)
        assert len(streams) == 0


async def test_one_that_has_ended_before_is_kept_and_not_stopped() -> None:
    async with LiveStreams(linger=30) as streams:
        live = streams.start(run('One ', 'two.'))
        finish, at = await ended(live)
        assert (finish, at < 5) == ('complete', True)
        before = len(live.frames)
        await asyncio.sleep(28)
        assert streams.ids == [live.id]
        await asyncio.sleep(10)
        assert (len(streams), len(live.frames)) == (0, before)


async def test_a_client_that_comes_late_has_it_to_the_end_and_as_long_again_to_come_back() -> None:
    async with LiveStreams(linger=30) as streams:
        live = streams.start(run('One ', Stall()))
        await asyncio.sleep(29)
        live.join()
        await asyncio.sleep(100)
        assert not live.over
        await live.leave()
        assert await ended(live) == ('stopped', 159)


async def test_without_linger_a_stream_waits_for_its_first_client_and_for_no_second() -> None:
    async with LiveStreams(linger=0) as streams:
        live, alone = streams.start(run('One ', Stall())), streams.start(run(*['word '] * 50))
        await asyncio.sleep(40)
        assert not live.over
        live.join()
        await asyncio.sleep(5)
        await live.leave()
        assert await ended(live) == ('stopped', 45)
        assert (await ended(alone))[0] == 'complete'


@pytest.mark.parametrize('linger', [None, 0.0, 1.0])
async def test_a_response_is_in_time_however_slow_its_client_and_its_run(linger: float | None) -> None:
    streams = None if linger is None else LiveStreams(linger=linger)
    client = Connection(takes=7)
    response = SSEResponse(run(*['word '] * 50), streams=streams)
    await response({'type': 'http', 'headers': []}, client.receive, client.send)
    assert b'"finish":"complete"' in b''.join(body for _, body in client.sent)
    await asyncio.sleep(2)
