"""One worker on a log in memory, or two on one log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from pydantic_ai_streaming.logs import MemoryLog, StreamLog
from pydantic_ai_streaming.serve import DurableStreams, durable_streams
from tests.logs.places import KINDS, LogPlace
from tests.serve.durable.places import LateMemory

Pair = tuple[DurableStreams, DurableStreams]


@pytest.fixture
async def log() -> AsyncIterator[StreamLog]:
    async with MemoryLog() as log:
        yield log


@pytest.fixture
def app(log: StreamLog) -> DurableStreams:
    return durable_streams(log, writable=True)


@pytest.fixture
async def late_pair() -> AsyncIterator[Pair]:
    """Two workers who hear late of each other."""
    place = LogPlace('memory', memory=LateMemory())
    async with place.open() as one, place.open() as other:
        yield durable_streams(one, writable=True), durable_streams(other, writable=True)


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """Two workers on a log of each kind."""
    if request.param == 'memory':
        place = LogPlace('memory', memory=LateMemory())
    elif request.param == 'sqlite':
        place = LogPlace('sqlite', str(tmp_path / 'streams.db'))
    else:
        place = LogPlace('redis', request.getfixturevalue('redis_server').url, f'test-{uuid4().hex}')
    async with place.open() as one, place.open() as other:
        yield durable_streams(one, writable=True), durable_streams(other, writable=True)
