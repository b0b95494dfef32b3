"""A log that real programs keep from being written, for longer than a lease: no run ends of that, in no process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis.asyncio
from pydantic_ai import Agent

from pydantic_ai_streaming import RunStream
from pydantic_ai_streaming.logs import RedisLog, SQLiteLog, StreamLog
from pydantic_ai_streaming.serve import Frames, StreamRunner
from pydantic_ai_streaming.testing import ScriptedModel
from tests.servers import start_redis

LEASE = 1.0

Place: TypeAlias = tuple[Callable[[], StreamLog], Callable[[], AbstractAsyncContextManager[None]]]
"""What opens a log, and during what it can be read only."""


@asynccontextmanager
async def locked(tmp_path: Path) -> AsyncGenerator[Place]:
    """A SQLite file that another program locks, as with a long transaction or a VACUUM."""
    path = tmp_path / 'streams.db'

    @asynccontextmanager
    async def lock() -> AsyncGenerator[None]:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        yield
        other.execute('ROLLBACK')
        other.close()

    yield (lambda: SQLiteLog(path, lease=LEASE, timeout=10)), lock


@asynccontextmanager
async def without_memory(tmp_path: Path) -> AsyncGenerator[Place]:
    """A Redis that is out of memory."""
    with start_redis() as server:
        connected: Any = redis.asyncio.from_url(server.url)
        async with connected as client:

            @asynccontextmanager
            async def full() -> AsyncGenerator[None]:
                await client.config_set('maxmemory', 1)
                yield
                await client.config_set('maxmemory', 0)

            yield (lambda: RedisLog(server.url, lease=LEASE)), full


async def finish(log: StreamLog, stream_id: str) -> str:
    last = b''
    async for part in await log.follow(stream_id):
        last = part.entries[-1]
    return json.loads(last)['finish']


def silent() -> RunStream[Any]:
    return RunStream(Agent(ScriptedModel(['Yes.'], gap=5 * LEASE)).run_stream_events('Go'))


@pytest.mark.parametrize('kind', [locked, without_memory])
async def test_runs_go_on_that_say_nothing_while_their_log_cannot_be_written(
    kind: Callable[[Path], AbstractAsyncContextManager[Place]], tmp_path: Path
) -> None:
    async with kind(tmp_path) as (opened, unwritable):
        # The third has no runs, and no leases to renew.
        one, other, third = [StreamRunner(opened(), formats=[Frames(['text'])], grace=0) for _ in range(3)]
        async with one, other, third:
            streams = [await each.start(silent()) for each in (one, other) for _ in range(5)]
            async with unwritable():
                await asyncio.sleep(2.3 * LEASE)
                assert len(await third.log.lapsed()) == 10
            ends = await asyncio.gather(*(finish(one.log, stream_id) for stream_id in streams))
    assert ends == ['complete'] * 10
