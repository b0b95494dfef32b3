"""The server of the recorded streams, once for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.material import ReplayServer, start_replay
from tests.run.stages import PROVIDERS, Stage, build_stage


@pytest.fixture(scope='module')
def replay() -> Iterator[ReplayServer]:
    with start_replay() as server:
        yield server


@pytest.fixture(scope='module')
def stages(replay: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    folder = tmp_path_factory.mktemp('middle')
    return {name: build_stage(replay, provider, folder) for name, provider in PROVIDERS.items()}
