"""Empty places for streams."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from pydantic_ai_streaming.logs import MemoryBackend
from tests.logs.places import KINDS, LogPlace


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LogPlace:
    """An empty place for streams, of each kind."""
    if request.param == 'memory':
        return LogPlace('memory', memory=MemoryBackend())
    if request.param == 'sqlite':
        return LogPlace('sqlite', str(tmp_path / 'streams.db'))
    return LogPlace('redis', request.getfixturevalue('redis_server').url, f'test-{uuid4().hex}')
