"""The server of the recorded streams, once for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.material import ReplayServer, start_replay


@pytest.fixture(scope='module')
def replay() -> Iterator[ReplayServer]:
    with start_replay() as server:
        yield server
