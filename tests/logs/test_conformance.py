"""Every log by the rules of the suite, and thousands of random writes against the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pydantic_ai_streaming.logs import Head, LogBackend, MemoryBackend, Refusal, StreamLog, Write
from pydantic_ai_streaming.testing import StreamLogSuite, compare_log_backends
from tests.logs.places import LogPlace


class TestLogs(StreamLogSuite):
    @pytest.fixture
    def open_log(self, place: LogPlace) -> Callable[..., StreamLog]:
        return place.open


@pytest.mark.parametrize('place', ['sqlite', 'redis'], indirect=True)
@pytest.mark.parametrize('seed', [1, 2])
async def test_thousands_of_random_writes_are_those_of_the_backend_in_memory(place: LogPlace, seed: int) -> None:
    backends = [place.backend() for _ in range(3)]
    for backend in backends:
        await backend.open()
    try:
        done = await compare_log_backends(backends, MemoryBackend(), seed=seed, writes=4000)
    finally:
        for backend in backends:
            await backend.close()
    assert sum(done.values()) == 4000
    assert done.keys() == {'done', 'missing', 'exists', 'fenced', 'closed', 'changed', 'held', 'repeated'}
    assert min(done.values()) > 10, done


async def test_a_comparison_sees_a_backend_that_differs() -> None:
    class Forgetful(MemoryBackend):
        async def commit(self, writes: Sequence[Write]) -> Sequence[Head | Refusal | None]:
            return await super().commit([Write(stream_id=one.stream_id, create=one.create) for one in writes])

    class Unsteady(MemoryBackend):
        async def lapsed(self) -> Sequence[str]:
            return []

    kinds: list[Callable[[], LogBackend]] = [Forgetful, Unsteady]
    for kind in kinds:
        with pytest.raises(AssertionError, match='seed 4, write'):
            await compare_log_backends([kind()], MemoryBackend(), seed=4, writes=500)
